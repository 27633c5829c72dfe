//! Where the measurements happen: the programs, a fresh directory, and a clean environment.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process;

/// What the servers under measurement are configured with beyond its defaults.
pub(super) const SETTINGS: &[(&str, &str)] = &[
    ("OMNIPOTENT_RATE__REQUESTS", "1000000000"),
    ("OMNIPOTENT_EGRESS__ALLOW_NETWORKS", "[\"127.0.0.0/8\"]"),
    ("A2A_RATE__REQUESTS", "1000000000"),
];

/// The programs and the directories they work in.
pub(super) struct Place {
    /// The embedding model, if there is one.
    pub(super) model: Option<PathBuf>,
    /// Whether a file of a million entries is measured too.
    pub(super) million: bool,
    /// The working directory of every program, and so the server's root.
    pub(super) root: PathBuf,
    home: PathBuf,
    binaries: PathBuf,
}

/// A program that is measured.
#[derive(Clone, Copy)]
pub(super) enum Program {
    /// The server.
    Server,
    /// The least server on the same SDK.
    Bare,
    /// The least process that answers.
    Floor,
    /// The way out beside the client it is made of; it measures itself.
    Fetch,
    /// Reading through the roots beside reading plainly; it measures itself.
    Open,
    /// The server of what agents remember.
    Memory,
    /// `SQLite` with nothing around it.
    RawSqlite,
    /// Makes what there is to remember.
    Corpus,
    /// What a vector costs; it measures itself.
    Embed,
}

impl Program {
    fn path(self) -> &'static str {
        match self {
            Self::Server => "omnipotent-mcp",
            Self::Bare => "examples/bare_rmcp",
            Self::Floor => "examples/floor",
            Self::Fetch => "examples/fetch",
            Self::Open => "examples/open",
            Self::Memory => "a2a-unified-mcp",
            Self::RawSqlite => "examples/raw_sqlite",
            Self::Corpus => "examples/corpus",
            Self::Embed => "examples/embed",
        }
    }
}

impl Place {
    /// Empties `directory`; the programs were built into `binaries`.
    pub(super) fn prepare(directory: &Path, binaries: &Path) -> Result<Self> {
        let place = Self {
            root: directory.join("root"),
            home: directory.join("home"),
            binaries: binaries.to_owned(),
            model: None,
            million: false,
        };
        if directory.exists() {
            fs::remove_dir_all(directory)
                .with_context(|| format!("cannot empty {}", directory.display()))?;
        }
        fs::create_dir_all(&place.root)?;
        fs::create_dir_all(&place.home)?;
        Ok(place)
    }

    /// A directory of a name, beside the others.
    pub(super) fn directory(&self, name: &str) -> Result<PathBuf> {
        let directory = self.home.join(name);
        fs::create_dir_all(&directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
        Ok(directory)
    }

    /// A program with nothing of this process's environment but its `PATH`.
    pub(super) fn command(&self, program: Program) -> Command {
        let mut command = Command::new(self.binaries.join(program.path()));
        command.current_dir(&self.root).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("LANG", "C.UTF-8").env("HOME", &self.home);
        command.env("XDG_STATE_HOME", self.state());
        command.envs(SETTINGS.iter().copied());
        command
    }

    /// The median, in seconds, that a program found for each of these by measuring itself.
    pub(super) fn medians<const N: usize>(
        &self,
        program: Program,
        names: [&str; N],
    ) -> Result<[f64; N]> {
        let printed = process::output(&mut self.command(program))?;
        let found: Value = serde_json::from_str(&printed)?;
        let mut medians = [0.0; N];
        for (median, name) in medians.iter_mut().zip(names) {
            let value = found.get(name).and_then(Value::as_f64);
            *median = value.with_context(|| format!("no {name} in {printed}"))?;
        }
        Ok(medians)
    }

    /// A program that serves HTTP, with nothing on its standard streams.
    pub(super) fn silent(&self, program: Program) -> Command {
        let mut command = self.command(program);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// The bearer token, which the server makes when it first serves HTTP.
    pub(super) fn token(&self) -> Result<String> {
        let path = self.state().join("omnipotent-mcp/token");
        let token =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(token.trim().to_owned())
    }

    fn state(&self) -> PathBuf {
        self.home.join("state")
    }
}
