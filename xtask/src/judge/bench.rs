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

/// Settings of the server under trial: its callers fetch pages of a local test server.
const SETTINGS: &[(&str, &str)] = &[("OMNIPOTENT_EGRESS__ALLOW_NETWORKS", "127.0.0.0/8")];

/// The place of one trial.
pub(crate) struct Bench<'a> {
    pub(crate) tools: &'a Tools,
    /// The server under trial.
    pub(crate) binary: &'a Path,
    /// The server's working directory, and so its root; it holds `notes.txt`.
    pub(crate) root: PathBuf,
    /// A home directory nobody has used before.
    pub(crate) home: PathBuf,
    log: PathBuf,
}

impl<'a> Bench<'a> {
    /// Empties the judge's directory and log.
    pub(crate) fn prepare(tools: &'a Tools, binary: &'a Path, name: &str) -> Result<Self> {
        let place = tools.home.join("trials").join(name);
        let log = tools.home.join("logs").join(name).with_extension("log");
        let bench = Self {
            tools,
            binary,
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
        let mut settings = vec![("XDG_STATE_HOME".to_owned(), state)];
        settings.extend(
            SETTINGS
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        settings
    }

    /// Starts the server over HTTP; it ends with the value.
    pub(crate) fn serve(&self) -> Result<Server> {
        let log = fs::File::options().append(true).open(&self.log)?;
        let mut server = Command::new(self.binary);
        server.current_dir(&self.root).envs(self.settings());
        server.stdout(log.try_clone()?).stderr(log);
        Server::start(server, Addresses::any()?)
    }

    /// Where a server started over HTTP keeps its bearer token.
    pub(crate) fn token_file(&self) -> PathBuf {
        self.state().join("omnipotent-mcp/token")
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
