//! How a server is started.

use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::thread;

use crate::{Ended, Era, Http, PATIENCE, Process, Stage, Stdio};

/// The server that is an agent's hands.
const OMNIPOTENT: &str = "omnipotent-mcp";
/// The server that is many agents' memory.
const A2A: &str = "a2a-unified-mcp";

/// What a server is started with: by default `omnipotent-mcp` with a root of its own to read and write,
/// and nothing else unless it is said here.
#[derive(Debug)]
pub struct Setup {
    /// Where it is started; tests may put files there first.
    pub stage: Stage,
    server: &'static str,
    launcher: Vec<OsString>,
    arguments: Vec<OsString>,
    variables: Vec<(String, String)>,
}

impl Default for Setup {
    fn default() -> Self {
        let stage = Stage::new();
        let arguments = vec!["--root".into(), stage.root().into()];
        Self {
            stage,
            server: OMNIPOTENT,
            launcher: Vec::new(),
            arguments,
            variables: Vec::new(),
        }
    }
}

impl Setup {
    /// `a2a-unified-mcp`, with what it remembers in a directory of its own.
    pub fn memory() -> Self {
        let stage = Stage::new();
        let directory = stage.path("home/memory");
        Self::bare_on(stage, A2A).keeping(&directory)
    }

    /// `a2a-unified-mcp` with what it remembers where another one has it.
    pub fn memory_at(directory: &Path) -> Self {
        Self::bare_on(Stage::new(), A2A).keeping(directory)
    }

    fn keeping(mut self, directory: &Path) -> Self {
        self.arguments
            .extend(["--data-dir".into(), directory.into()]);
        self.variable("A2A_RATE__REQUESTS", "1000000")
    }

    /// Lets it search by meaning.
    #[must_use]
    pub fn with_model(self) -> Self {
        let model = self.stage.model();
        let model = model.to_str().expect("a path in UTF-8").to_owned();
        self.variable("A2A_EMBEDDING__MODEL", &model)
    }

    /// A server without arguments.
    pub fn bare() -> Self {
        Self::bare_on(Stage::new(), OMNIPOTENT)
    }

    fn bare_on(stage: Stage, server: &'static str) -> Self {
        Self {
            stage,
            server,
            launcher: Vec::new(),
            arguments: Vec::new(),
            variables: Vec::new(),
        }
    }

    /// A server that no number of calls is too many for.
    pub fn unlimited() -> Self {
        Self::default().variable("OMNIPOTENT_RATE__REQUESTS", "1000000")
    }

    /// Adds arguments.
    #[must_use]
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(OsString::from));
        self
    }

    /// Starts it through another program, which is given its command line as further arguments.
    #[must_use]
    pub fn launched_by(mut self, launcher: &[&str]) -> Self {
        self.launcher = launcher.iter().map(OsString::from).collect();
        self
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a configuration file of this text.
    #[must_use]
    pub fn configuration(mut self, text: &str) -> Self {
        let path = self.stage.file("config.toml", text);
        self.arguments.extend(["--config".into(), path.into()]);
        self
    }

    /// Sends its traces to this URL, without waiting for more.
    #[must_use]
    pub fn traced_to(self, url: &str) -> Self {
        let prefix = if self.server == A2A {
            "A2A"
        } else {
            "OMNIPOTENT"
        };
        self.variable(&format!("{prefix}_TRACING__ENDPOINT"), url)
            .variable(&format!("{prefix}_TRACING__INTERVAL"), "10ms")
    }

    /// Lets calls reach servers on this machine.
    #[must_use]
    pub fn with_loopback(self) -> Self {
        self.variable("OMNIPOTENT_EGRESS__ALLOW_NETWORKS", "[\"127.0.0.0/8\"]")
    }

    /// Starts it on standard input and output, with the conversation opened.
    #[track_caller]
    pub fn stdio(self, era: Era) -> Stdio {
        let mut server = self.stdio_unopened(era);
        if era == Era::Legacy {
            server.initialize();
        }
        server
    }

    /// Starts it on standard input and output without a word said.
    pub fn stdio_unopened(self, era: Era) -> Stdio {
        let started = Process::start(&mut self.command());
        Stdio::new(era, self.stage, started)
    }

    /// Starts it on HTTP, on free ports of loopback, guarded by a token.
    #[track_caller]
    pub fn http(self) -> Http {
        self.http_on("127.0.0.1:0", true)
    }

    /// Starts it on HTTP on this address, guarded by a token.
    #[track_caller]
    pub fn http_at(self, listen: &str) -> Http {
        self.http_on(listen, true)
    }

    /// Starts it on HTTP with `--no-auth`.
    #[track_caller]
    pub fn http_without_token(self) -> Http {
        self.arguments(&["--no-auth"]).http_on("127.0.0.1:0", false)
    }

    #[track_caller]
    fn http_on(self, listen: &str, is_guarded: bool) -> Http {
        let setup = self.arguments(&["--http", listen, "--ops", "127.0.0.1:0"]);
        let (process, _input, _output) = Process::start(&mut setup.command());
        Http::new(setup.stage, process, is_guarded)
    }

    /// Runs it to its end without input; returns how it ended, its output and its standard error.
    #[track_caller]
    pub fn run(self) -> (Ended, String, String) {
        let (mut process, input, mut output) = Process::start(&mut self.command());
        drop(input);
        let reading = thread::spawn(move || {
            let mut text = String::new();
            output.read_to_string(&mut text).map(|_| text)
        });
        let ended = process.ended_within(PATIENCE);
        let output = reading
            .join()
            .expect("the reader")
            .expect("the output is text");
        (ended, output, process.last_errors())
    }

    fn command(&self) -> Command {
        let server = self.stage.server(self.server);
        let mut command = match self.launcher.split_first() {
            Some((launcher, arguments)) => {
                let mut command = self.stage.command(launcher);
                command.args(arguments).arg(server);
                command
            }
            None => self.stage.command(server),
        };
        command.args(&self.arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}
