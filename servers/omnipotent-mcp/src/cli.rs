//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use mcp_audit::LineHash;
use mcp_serve::config::Setting;
use mcp_serve::program::ServeFlags;
use mcp_serve::{Papers, Running};
use toml::Value;

/// An agent's hands on this machine: commands, files, processes and HTTP as MCP tools.
#[derive(Debug, Clone, Parser)]
#[command(version, about, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) overrides: Overrides,

    /// Read this file [default: ~/.config/omnipotent-mcp/config.toml, if it exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Print the effective configuration and where each value comes from, and exit
    #[arg(long)]
    pub(crate) print_config: bool,

    /// Check the configuration and what it needs, and exit
    #[arg(long)]
    pub(crate) check: bool,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Flags that stand for configuration keys.
#[derive(Debug, Clone, Args)]
pub(crate) struct Overrides {
    /// Let calls read and write below this directory; may be repeated [files.roots]
    #[arg(long, value_name = "DIR")]
    root: Vec<PathBuf>,

    /// Let calls only read below this directory; may be repeated [files.roots]
    #[arg(long, value_name = "DIR")]
    read_only_root: Vec<PathBuf>,

    #[command(flatten)]
    serve: ServeFlags,
}

/// What else the program does.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Command {
    /// Try out what this host can enforce, and say what stands in the way and how to change it;
    /// fails when commands would be refused
    Doctor {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Say what the policy would decide about a tool call, by which rule, and the least change of
    /// the configuration that would allow it, without making it; fails when it would be refused
    Explain {
        /// The call as JSON: {"name": …, "arguments": {…}}, or a whole request; `-` reads stdin
        #[arg(default_value = "-", value_name = "FILE")]
        call: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    #[command(flatten)]
    Running(Running),
    #[command(flatten)]
    Papers(Papers),
    /// Print the tools, configuration keys and metrics as JSON
    Reference,
    /// Read the record of what was done
    #[command(subcommand)]
    Audit(AuditCommand),
}

/// What is done with the audit.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum AuditCommand {
    /// Find lines that were changed, removed, inserted or reordered; fails if there are any
    Verify {
        /// The current file or its directory [default: audit.path]
        path: Option<PathBuf>,
        /// A head that was printed before: the chain must still hold it
        #[arg(long, value_name = "HASH")]
        expect_hash: Option<LineHash>,
    },
    /// Show the last records
    Tail {
        /// The current file or its directory [default: audit.path]
        path: Option<PathBuf>,
        /// How many
        #[arg(short = 'n', default_value_t = 10, value_name = "LINES")]
        lines: usize,
        /// Go on with those to come
        #[arg(short, long)]
        follow: bool,
        /// As they are in the file
        #[arg(long)]
        json: bool,
    },
}

const EXAMPLES: &str = "\
Examples:
  omnipotent-mcp --root ~/project                 serve one directory on stdio
  omnipotent-mcp --http 127.0.0.1:8931            serve HTTP, with a token and metrics
  claude mcp add omnipotent -- omnipotent-mcp --root .
  omnipotent-mcp --print-config                   what is in force, and why

Every key of the configuration can be set as OMNIPOTENT_<SECTION>__<KEY> too.";

impl Overrides {
    /// The flags that were given, as configuration keys and values.
    pub(crate) fn settings(&self) -> Vec<Setting> {
        let mut settings = Vec::new();
        let root = |access: &str, path: &PathBuf| {
            let mut root = toml::Table::new();
            root.insert(
                "path".to_owned(),
                path.to_string_lossy().into_owned().into(),
            );
            root.insert("access".to_owned(), access.into());
            Value::Table(root)
        };
        let read_write = self.root.iter().map(|path| root("read_write", path));
        let read_only = self
            .read_only_root
            .iter()
            .map(|path| root("read_only", path));
        let roots: Vec<Value> = read_write.chain(read_only).collect();
        if !roots.is_empty() {
            settings.push(("--root", "files.roots", Value::Array(roots)));
        }
        settings.extend(self.serve.settings());
        settings
    }
}
