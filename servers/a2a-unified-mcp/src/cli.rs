//! The command line.

use std::path::PathBuf;

use a2a_unified_mcp::import::{Options, Origin};
use a2a_unified_mcp::knowledge::{Category, Source};
use a2a_unified_mcp::store::OnConflict;
use clap::{Args, Parser, Subcommand, ValueEnum};
use mcp_serve::config::Setting;
use mcp_serve::program::ServeFlags;
use mcp_serve::{Papers, Running};

/// Shared, durable memory for many agents: remember, search and recall as MCP tools.
#[derive(Debug, Clone, Parser)]
#[command(version, about, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) overrides: Overrides,

    /// Read this file [default: ~/.config/a2a-unified-mcp/config.toml, if it exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Print the effective configuration and where each value comes from, and exit
    #[arg(long)]
    pub(crate) print_config: bool,

    /// Check the configuration and the file, and exit
    #[arg(long)]
    pub(crate) check: bool,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Flags that stand for configuration keys.
#[derive(Debug, Clone, Args)]
pub(crate) struct Overrides {
    /// Keep everything in this directory [data.directory]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    #[command(flatten)]
    serve: ServeFlags,
}

/// What else the program does.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Command {
    /// Write a copy of the file as it is now, while it is in use
    Backup {
        /// Where to; nothing may be there
        file: PathBuf,
    },
    /// Put a backup in the place of the file, which is kept beside it; no server may be running
    Restore {
        /// The backup
        file: PathBuf,
    },
    /// Look over the file and its indexes; fails when something is wrong
    Doctor {
        /// Make the full-text index anew from the entries first
        #[arg(long)]
        repair: bool,
    },
    /// Take over what another memory server kept; its file is only read, and servers may go on
    Import(Import),
    #[command(flatten)]
    Running(Running),
    #[command(flatten)]
    Papers(Papers),
    /// Print the tools, configuration keys and metrics as JSON
    Reference,
}

/// What is taken over, and how.
#[derive(Debug, Clone, Args)]
pub(crate) struct Import {
    /// What made the file
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) from: Origin,

    /// The file
    pub(crate) file: PathBuf,

    /// Give every entry this source [default: what the file says, or "user"]
    #[arg(long, value_name = "NAME")]
    source: Option<Source>,

    /// Give every entry this category [default: what the file says, or "general"]
    #[arg(long, value_name = "NAME")]
    category: Option<Category>,

    /// What becomes of an entry that is there already
    #[arg(long, value_name = "WHAT", default_value = "skip")]
    on_conflict: Conflict,

    /// Write nothing, and say what would become of each entry
    #[arg(long)]
    pub(crate) dry_run: bool,
}

impl Import {
    /// How entries are taken over.
    pub(crate) fn options(&self) -> Options {
        Options {
            source: self.source.clone(),
            category: self.category.clone(),
            on_conflict: match self.on_conflict {
                Conflict::Skip => OnConflict::Skip,
                Conflict::Overwrite => OnConflict::Overwrite,
                Conflict::Newer => OnConflict::Newer,
                Conflict::Fail => OnConflict::Fail,
            },
            dry_run: self.dry_run,
        }
    }
}

/// What becomes of an entry that is there already.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Conflict {
    /// It stays as it is
    Skip,
    /// It says what the file says, as a new revision
    Overwrite,
    /// The same, if the file's was written later
    Newer,
    /// The import ends, and nothing of its group of 500 is written
    Fail,
}

const EXAMPLES: &str = "\
Examples:
  a2a-unified-mcp                                 serve the user's memory on stdio
  a2a-unified-mcp --http 127.0.0.1:8932           serve HTTP, with a token and metrics
  claude mcp add a2a-unified -- a2a-unified-mcp
  a2a-unified-mcp backup ~/memory.db              a copy, made while others write
  a2a-unified-mcp import --from reference ~/memory.jsonl

Every key of the configuration can be set as A2A_<SECTION>__<KEY> too.";

impl Overrides {
    /// The flags that were given, as configuration keys and values.
    pub(crate) fn settings(&self) -> Vec<Setting> {
        let directory = self.data_dir.as_ref().map(|path| {
            let path = path.to_string_lossy().into_owned();
            ("--data-dir", "data.directory", path.into())
        });
        directory.into_iter().chain(self.serve.settings()).collect()
    }
}
