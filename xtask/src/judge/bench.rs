//! What one judge works with: a fresh directory, a log, and the server under trial.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::tools::Tools;
use crate::process;
use crate::server::{Addresses, Server};

/// For one program of a judge; the longest, a whole conformance suite, takes seconds.
const TRIAL_LIMIT: Duration = Duration::from_mins(2);
/// How much of a failed judge's log is shown.
const TAIL_LINES: usize = 40;

/// The server under trial, and what it is set to.
pub(crate) struct Subject {
    package: &'static str,
    settings: Vec<(&'static str, String)>,
    /// The embedding model that it is shipped with.
    pub(crate) model: Option<PathBuf>,
    /// The scripts' word for it: which calls they make.
    pub(crate) calls: &'static str,
    pub(crate) tool_count: usize,
    /// Calls to make one by one; the reply to the last holds the word `judged`.
    pub(crate) inspected: &'static [OneCall],
    /// A call that must be refused.
    pub(crate) refused: OneCall,
}

/// A tool, and `name=value` for each of its arguments.
pub(crate) type OneCall = (&'static str, &'static [&'static str]);

impl Subject {
    /// The one whose callers fetch pages of a local test server.
    pub(crate) fn omnipotent() -> Self {
        let local = "127.0.0.0/8".to_owned();
        Self {
            package: "omnipotent-mcp",
            settings: vec![("OMNIPOTENT_EGRESS__ALLOW_NETWORKS", local)],
            model: None,
            calls: "omnipotent",
            tool_count: 14,
            inspected: &[
                ("system_info", &[]),
                ("execute_command", &["command=echo judged"]),
            ],
            refused: ("read_file_secure", &["path=/etc/shadow"]),
        }
    }

    /// The one that remembers, with a model.
    pub(crate) fn memory(model: &Path) -> Self {
        let named = model.to_string_lossy().into_owned();
        Self {
            package: "a2a-unified-mcp",
            settings: vec![("A2A_EMBEDDING__MODEL", named)],
            model: Some(model.to_owned()),
            calls: "memory",
            tool_count: 17,
            inspected: &[
                ("remember", &["key=verdict", "value=fairly judged"]),
                ("search_knowledge", &["query=what was the verdict?"]),
                ("recall", &["key=verdict"]),
            ],
            refused: ("recall", &["key=nothing of the kind"]),
        }
    }
}

/// The place of one trial.
pub(crate) struct Bench<'a> {
    pub(crate) tools: &'a Tools,
    pub(crate) subject: Subject,
    /// The server under trial.
    pub(crate) binary: PathBuf,
    /// The server's working directory, and so its root; it holds `notes.txt`.
    pub(crate) root: PathBuf,
    /// A home directory nobody has used before.
    pub(crate) home: PathBuf,
    log: PathBuf,
}

impl<'a> Bench<'a> {
    /// Empties the judge's directory and log.
    pub(crate) fn prepare(
        tools: &'a Tools,
        subject: Subject,
        binaries: &Path,
        name: &str,
    ) -> Result<Self> {
        let place = tools.home.join("trials").join(name);
        let log = tools.home.join("logs").join(name).with_extension("log");
        let bench = Self {
            tools,
            binary: binaries.join(subject.package),
            subject,
            root: place.join("root"),
            home: place.join("home"),
            log,
        };
        if place.exists() {
            fs::remove_dir_all(&place)
                .with_context(|| format!("cannot empty {}", place.display()))?;
        }
        fs::create_dir_all(&bench.root)?;
        fs::create_dir_all(&bench.home)?;
        fs::write(bench.root.join("notes.txt"), "first line\nsecond line\n")?;
        fs::write(&bench.log, "")?;
        Ok(bench)
    }

    /// The variables the server needs, wherever it is started from.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        let state = self.state().to_string_lossy().into_owned();
        let data = self.home.join("data").to_string_lossy().into_owned();
        let own = self.subject.settings.iter();
        let own = own.map(|(name, value)| ((*name).to_owned(), value.clone()));
        [("XDG_STATE_HOME", state), ("XDG_DATA_HOME", data)]
            .map(|(name, value)| (name.to_owned(), value))
            .into_iter()
            .chain(own)
            .collect()
    }

    /// Starts the server over HTTP; it ends with the value.
    pub(crate) fn serve(&self) -> Result<Server> {
        let log = fs::File::options().append(true).open(&self.log)?;
        let mut server = Command::new(&self.binary);
        server.current_dir(&self.root).envs(self.settings());
        server.stdout(log.try_clone()?).stderr(log);
        Server::start(server, Addresses::any()?)
    }

    /// Where a server started over HTTP keeps its bearer token.
    pub(crate) fn token_file(&self) -> PathBuf {
        self.state().join(self.subject.package).join("token")
    }

    /// The value of the `Authorization` header.
    pub(crate) fn authorization(&self) -> Result<String> {
        let path = self.token_file();
        let token =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(format!("Bearer {}", token.trim()))
    }

    /// Runs a program of the judge in the root with the fresh home, and returns its stdout.
    pub(crate) fn run(&self, command: &mut Command) -> Result<String> {
        command.current_dir(&self.root).env("HOME", &self.home);
        process::output_logged(command, TRIAL_LIMIT, &self.log)
    }

    /// The end of what the judge and the server printed.
    pub(crate) fn log_tail(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        let skipped = lines.len().saturating_sub(TAIL_LINES);
        lines
            .into_iter()
            .skip(skipped)
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn state(&self) -> PathBuf {
        self.home.join("state")
    }
}
