//! Ends a process.

use std::time::Duration;

use mcp_security::processes::{KillableProcess, ProcessPolicy};
use mcp_toolcall::bounded::Int;
use mcp_toolcall::{Account, Caching, Call, Effects, Tool, ToolError, ToolSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{PROCESSES, explain_denial, explain_signal};

/// Ends a process.
#[derive(Debug)]
pub struct KillProcess {
    /// Which processes may be ended.
    pub policy: ProcessPolicy,
    /// How long to wait for the process to end, less than the deadline of 10 s.
    pub patience: Duration,
}

/// Which process, and how.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The process, as `list_processes` names it.
    pid: Int<0, 4_194_304>,
    /// True sends SIGKILL, which cannot be ignored and loses unsaved work; false sends SIGTERM.
    #[serde(default)]
    force: bool,
}

/// What was sent, and whether it ended the process.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Reply {
    /// The process.
    pid: u32,
    /// Its name.
    name: String,
    /// The signal that was sent.
    method: Method,
    /// Whether it has ended. False: it ignores the signal or needs more time.
    exited: bool,
}

/// The signal to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub enum Method {
    /// Asks the process to end.
    #[serde(rename = "SIGTERM")]
    Terminate,
    /// Ends the process.
    #[serde(rename = "SIGKILL")]
    Kill,
}

/// A process that may be ended, and how to.
#[derive(Debug)]
pub struct Plan {
    process: KillableProcess,
    method: Method,
}

impl Tool for KillProcess {
    const SPEC: ToolSpec = ToolSpec {
        name: "kill_process",
        title: "End a process",
        summary: "Ends one of the server user's processes by SIGTERM, or SIGKILL with `force`, \
                  and says whether it exited within 2 s; if not, call again with force=true. \
                  System, critical, ancestor and other users' processes are refused.",
        effects: Effects::DESTRUCTIVE,
        caching: Caching::Writes { topic: PROCESSES },
        deadline: Duration::from_secs(10),
    };
    type Args = Args;
    type Plan = Plan;
    type Reply = Reply;

    async fn vet(&self, args: Args, _: &Call) -> Result<Plan, ToolError> {
        let process = self.policy.vet(args.pid.get()).map_err(explain_denial)?;
        let method = if args.force {
            Method::Kill
        } else {
            Method::Terminate
        };
        Ok(Plan { process, method })
    }

    fn account(&self, plan: &Plan) -> Account {
        let (pid, name) = (plan.process.pid(), plan.process.name());
        Account {
            because: vec![format!(
                "process {pid} ({name}) is the server's user's own, and processes.critical does \
                 not list it"
            )],
            judged_later: Some("whether the server descends from the process or is it"),
            ..Account::default()
        }
    }

    async fn run(&self, Plan { process, method }: Plan, _: &Call) -> Result<Reply, ToolError> {
        match method {
            Method::Terminate => process.terminate(),
            Method::Kill => process.kill(),
        }
        .map_err(explain_signal)?;
        let exited = process
            .exited(self.patience)
            .await
            .map_err(explain_signal)?;
        Ok(Reply {
            pid: process.pid(),
            name: process.name().to_owned(),
            method,
            exited,
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::disallowed_methods,
        reason = "the tests start the processes that they end"
    )]

    use std::process::Command;

    use mcp_security::processes::ProcessesConfig;
    use mcp_toolcall::{Caller, Code};

    use super::*;

    async fn kill(pid: u64, force: bool) -> Result<Reply, ToolError> {
        let policy = ProcessesConfig::default().build().unwrap();
        let tool = KillProcess {
            policy,
            patience: Duration::from_secs(8),
        };
        let call = Call::unwatched(Caller::new("test"));
        let args = Args {
            pid: Int::try_from(pid).unwrap(),
            force,
        };
        let plan = tool.vet(args, &call).await?;
        tool.run(plan, &call).await
    }

    #[tokio::test]
    async fn ends_a_process_and_names_the_signal() {
        for (force, method) in [(false, Method::Terminate), (true, Method::Kill)] {
            let mut child = Command::new("sleep").arg("600").spawn().unwrap();
            let reply = kill(child.id().into(), force).await.unwrap();
            child.wait().unwrap();
            let name = "sleep".to_owned();
            assert_eq!(
                reply,
                Reply {
                    pid: child.id(),
                    name,
                    method,
                    exited: true
                }
            );
        }
    }

    #[tokio::test]
    async fn tells_missing_from_refused() {
        let check = |pid: u64, code: Code| async move {
            assert_eq!(kill(pid, true).await.unwrap_err().code(), code, "{pid}");
        };
        check(0, Code::ProcessDenied).await;
        check(1, Code::ProcessDenied).await;
        check(std::process::id().into(), Code::ProcessDenied).await;
        check(4_194_304, Code::NotFound).await;
    }
}
