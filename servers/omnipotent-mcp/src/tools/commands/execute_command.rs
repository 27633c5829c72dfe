//! Runs a command and answers with what it printed.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use mcp_sandbox::{
    Boundary, CommandSpec, Confinement, Gateway, Outcome, Progress, RunError, Runner, Status,
    WorkingDirectory,
};
use mcp_security::commands::{AllowedCommand, CommandPolicy, VettedEnvironment};
use mcp_security::paths::Roots;
use mcp_toolcall::bounded::{Int, List, Text};
use mcp_toolcall::{
    Account, Caching, Call, Change, Code, Effects, Reach as Reaches, Tool, ToolError, ToolSpec,
    Topic,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::hint::{Reach, infer, refused};
use super::output::{Shown, show};
use super::{explain_denied, explain_draw, explain_run, explain_variable};
use crate::enclosure::{DrawError, Enclosure};
use crate::tools::files;

/// Longest time a command may have, in seconds.
const MAX_TIMEOUT: u64 = 600;
/// How often a boundary is drawn while protected paths change places before they are held.
const ATTEMPTS: u32 = 3;
/// Up to here output is prepared in less time than it takes to hand it to another thread.
const INLINE_BYTES: usize = 64 * 1024;

/// Runs a command and answers with what it printed.
#[derive(Debug)]
pub struct ExecuteCommand {
    /// Which commands may run, and what they see of the environment.
    pub policy: CommandPolicy,
    /// Where they may start.
    pub roots: Roots,
    /// What runs them.
    pub runner: Runner,
    /// What they are confined to.
    pub enclosure: Enclosure,
    /// What serves their proxy, where they may use the network.
    pub gateway: Arc<dyn Gateway>,
}

/// What to run.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the names are the wire's")]
pub struct Args {
    /// A command line for /bin/sh. With shell=false the program to execute, or program and
    /// arguments in one line that is split by the shell's rules of quoting without expansion.
    command: Text<1, 131_071>,
    /// Whether a shell interprets `command`. False never involves one.
    #[serde(default = "shell")]
    shell: bool,
    /// Seconds until the command and everything it started is killed.
    #[serde(default = "timeout")]
    timeout: Int<1, MAX_TIMEOUT>,
    /// Arguments, passed as they are; needs shell=false, and `command` is then the program alone.
    #[serde(default)]
    args: Option<List<Text<0, 131_071>, 0, 4096>>,
    /// Directory to start in; defaults to the first allowed directory.
    #[serde(default)]
    cwd: Option<Text<1, 4096>>,
    /// What the command reads from standard input; nothing by default.
    #[serde(default)]
    stdin: Option<Text<0, 10_000_000>>,
    /// Variables to add to the clean environment, at most 64 and 32 KiB.
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// Bytes of each stream in the answer; of longer output, beginning and end are kept.
    #[serde(default = "max_bytes")]
    max_bytes: Int<1, 10_000_000>,
}

fn shell() -> bool {
    true
}

fn timeout() -> Int<1, MAX_TIMEOUT> {
    Int::literal(30)
}

fn max_bytes() -> Int<1, 10_000_000> {
    Int::literal(262_144)
}

/// A command that may run, with all it needs.
#[derive(Debug)]
pub struct Plan {
    command: AllowedCommand,
    cwd: WorkingDirectory,
    environment: VettedEnvironment,
    stdin: Vec<u8>,
    timeout: Duration,
    max_bytes: usize,
}

/// How the command ended and what it printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Reply {
    /// Exit code; null when a signal ended the command.
    returncode: Option<i32>,
    /// The signal that ended the command, if one did.
    signal: Option<i32>,
    /// Standard output as text, without terminal control sequences.
    stdout: String,
    /// Standard error as text, without terminal control sequences.
    stderr: String,
    /// Whether the command exited with code 0 in time.
    success: bool,
    /// Whether it was killed because its time was up.
    timed_out: bool,
    /// Whether a part of the output is missing; the place is marked in the text.
    truncated: bool,
    /// Bytes of standard output that are missing.
    stdout_cut_bytes: u64,
    /// Bytes of standard error that are missing.
    stderr_cut_bytes: u64,
    /// From start to end.
    duration_ms: u64,
    /// What confined the command.
    sandbox: Sandbox,
    /// Why it may have failed and what would allow it: what its network proxy refused, or what its
    /// output points at; left out when nothing points at the sandbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// What confined a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Sandbox {
    /// `strict`: it saw nothing but the system, read-only, and the allowed directories;
    /// `landlock`: it could touch nothing else; `none`: it had the rights of the server's user.
    tier: &'static str,
    /// The measures in force.
    layers: Vec<String>,
    /// Protected paths that could not be held in this call: rules for names yet to be made, or
    /// paths.
    unpinned: Vec<String>,
}

impl From<Confinement> for Sandbox {
    fn from(held: Confinement) -> Self {
        Self {
            tier: held.tier.as_str(),
            layers: held.layers.iter().map(ToString::to_string).collect(),
            unpinned: held.unpinned,
        }
    }
}

impl Tool for ExecuteCommand {
    const SPEC: ToolSpec = ToolSpec {
        name: "execute_command",
        title: "Run a command",
        summary: "Runs a command in a sandbox (no network, or a proxy in $HTTPS_PROXY if the operator \
                  allows one; only the allowed directories writable, private /tmp and home) and \
                  answers with its exit code and output: 256 KiB of \
                  each stream by default, beginning and end kept. \
                  Nothing it starts outlives the call (timeout 30 s by default, at most 600 s), so \
                  run servers and what uses them in one command. A non-zero exit and a time-out are \
                  answers, not errors; for large output redirect to a file and read that.",
        effects: Effects {
            change: Change::Destructive,
            reach: Reaches::World,
        },
        caching: Caching::Writes {
            topic: Topic("processes"),
        },
        // Room to wait for a turn, and to kill what does not want to end.
        deadline: Duration::from_secs(MAX_TIMEOUT + 30),
    };
    type Args = Args;
    type Plan = Plan;
    type Reply = Reply;

    async fn vet(&self, args: Args, _: &Call) -> Result<Plan, ToolError> {
        let command = self.command(&args)?;
        let environment = self
            .policy
            .vet_environment(args.env)
            .map_err(explain_variable)?;
        Ok(Plan {
            command,
            cwd: self.directory(args.cwd.as_deref())?,
            environment,
            stdin: args
                .stdin
                .map(|text| text.into_inner().into_bytes())
                .unwrap_or_default(),
            timeout: Duration::from_secs(args.timeout.get()),
            max_bytes: args.max_bytes.as_usize(),
        })
    }

    fn account(&self, plan: &Plan) -> Account {
        let mut because: Vec<String> = (plan.command.allowed_by().iter())
            .map(|rule| format!("the rule `{rule}` allows it (commands.rules)"))
            .collect();
        if plan.command.is_opaque() {
            let known = "a command in it is known only as it runs, which commands.opaque allows";
            because.push(known.to_owned());
        }
        if because.is_empty() {
            because.push("no rule refuses it".to_owned());
        }
        Account {
            because,
            judged_later: Some("what it touches: the sandbox holds it (`omnipotent-mcp doctor`)"),
            ..Account::default()
        }
    }

    async fn run(&self, plan: Plan, call: &Call) -> Result<Reply, ToolError> {
        let report = |Progress {
                          elapsed,
                          output_bytes,
                      }| {
            let total = Some(plan.timeout.as_secs_f64());
            let message = format!("{output_bytes} bytes printed");
            call.progress.report(elapsed.as_secs_f64(), total, message);
        };
        let mut attempt = 1;
        loop {
            // Drawn after the wait: whatever ran before may have moved what is to be protected.
            let turn = self.runner.turn().await.map_err(explain_run)?;
            let boundary = self.boundary().await?;
            let reach = Reach::of(&boundary);
            let spec = self.spec(&plan, boundary).map_err(explain_run)?;
            match self.runner.run_in_turn(turn, spec, &report).await {
                Err(error) if error.is_stale() && attempt < ATTEMPTS => attempt += 1,
                outcome => {
                    let outcome = outcome.map_err(explain_run)?;
                    return prepare(outcome, reach, call.reply_budget).await;
                }
            }
        }
    }
}

impl ExecuteCommand {
    /// What a command that starts now is confined to.
    async fn boundary(&self) -> Result<Boundary, ToolError> {
        let enclosure = self.enclosure.clone();
        tokio::task::spawn_blocking(move || enclosure.draw())
            .await
            .map_err(|error| DrawError::Root(io::Error::other(error)))
            .flatten()
            .map_err(explain_draw)
    }

    fn spec(&self, plan: &Plan, boundary: Boundary) -> Result<CommandSpec, RunError> {
        let cwd = match &plan.cwd {
            WorkingDirectory::Given(handle) => {
                let handle = handle.try_clone();
                let handle = handle.map_err(|source| RunError::Directory { source })?;
                WorkingDirectory::Given(handle)
            }
            WorkingDirectory::Temporary => WorkingDirectory::Temporary,
        };
        Ok(CommandSpec {
            program: plan.command.program().to_owned(),
            args: plan.command.args().to_vec(),
            environment: plan.environment.clone().into_variables(),
            cwd,
            stdin: plan.stdin.clone(),
            timeout: plan.timeout,
            output_cap_bytes: plan.max_bytes,
            boundary,
            gateway: Some(Arc::clone(&self.gateway)),
        })
    }
}

impl ExecuteCommand {
    fn command(&self, args: &Args) -> Result<AllowedCommand, ToolError> {
        match (&args.args, args.shell) {
            (Some(_), true) => {
                return Err(ToolError::invalid("args", "needs shell=false")
                    .with_hint("set shell=false, or write the arguments into `command`"));
            }
            (None, true) => self.policy.vet_shell(&args.command),
            (None, false) => self.policy.vet_line(&args.command),
            (Some(given), false) => {
                let given: Vec<String> = given.iter().map(|arg| arg.to_string()).collect();
                self.policy.vet_argv(&args.command, &given)
            }
        }
        .map_err(explain_denied)
    }

    fn directory(&self, given: Option<&str>) -> Result<WorkingDirectory, ToolError> {
        let first = || {
            self.roots
                .iter()
                .next()
                .map(|root| root.path().display().to_string())
        };
        let Some(path) = given.map(str::to_owned).or_else(first) else {
            return Ok(WorkingDirectory::Temporary);
        };
        let directory = self
            .roots
            .confine_dir(&path)
            .map_err(|error| files::explain_path("cwd", error))?;
        let handle = directory.try_clone().map_err(|source| {
            ToolError::new(
                Code::Unavailable,
                "the working directory cannot be held open",
            )
            .with_source(source)
        })?;
        Ok(WorkingDirectory::Given(handle))
    }
}

/// Turns an outcome into a reply of at most `budget` bytes on the wire.
async fn prepare(outcome: Outcome, reach: Reach, budget: usize) -> Result<Reply, ToolError> {
    let bytes =
        [&outcome.stdout, &outcome.stderr].map(|stream| stream.head.len() + stream.tail.len());
    if bytes.iter().sum::<usize>() <= INLINE_BYTES {
        return Ok(reply(outcome, &reach, budget));
    }
    tokio::task::spawn_blocking(move || reply(outcome, &reach, budget))
        .await
        .map_err(|source| {
            ToolError::new(Code::Internal, "the output could not be prepared").with_source(source)
        })
}

fn reply(outcome: Outcome, reach: &Reach, budget: usize) -> Reply {
    let [stdout, stderr] = show([&outcome.stdout, &outcome.stderr], budget);
    let Shown {
        text: stdout,
        cut: stdout_cut_bytes,
    } = stdout;
    let Shown {
        text: stderr,
        cut: stderr_cut_bytes,
    } = stderr;
    let (returncode, signal) = match outcome.status {
        Status::Exited(code) => (Some(code), None),
        Status::Signaled(signal) => (None, Some(signal)),
    };
    let success = returncode == Some(0) && !outcome.timed_out;
    let infer = || infer(&stdout, &stderr, &outcome.confinement, reach);
    let hint = refused(&outcome.refusals).or_else(|| (!success).then(infer).flatten());
    Reply {
        returncode,
        signal,
        stdout,
        stderr,
        hint,
        success,
        timed_out: outcome.timed_out,
        truncated: stdout_cut_bytes > 0 || stderr_cut_bytes > 0,
        stdout_cut_bytes,
        stderr_cut_bytes,
        duration_ms: u64::try_from(outcome.duration.as_millis()).unwrap_or(u64::MAX),
        sandbox: outcome.confinement.into(),
    }
}
