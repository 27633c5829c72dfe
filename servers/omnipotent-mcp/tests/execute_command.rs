//! Commands through the tool and the server's own binary as the helper.
#![expect(clippy::unwrap_used, reason = "a test that cannot start has failed")]

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use mcp_egress::EgressConfig;
use mcp_sandbox::{Runner, SandboxConfig, Tier};
use mcp_security::commands::CommandsConfig;
use mcp_security::paths::{FilesConfig, Surroundings};
use mcp_toolcall::{Call, Caller, Progress, Tool};
use omnipotent_mcp::enclosure::Enclosure;
use omnipotent_mcp::tools::commands::execute_command::ExecuteCommand;
use omnipotent_mcp::tools::commands::way_out::WayOut;
use serde_json::{Value, json};
use tempfile::TempDir;

struct Desk {
    directory: TempDir,
    tool: ExecuteCommand,
}

impl Desk {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let around = Surroundings {
            working_directory: directory.path(),
            homes: &[],
        };
        let helper = PathBuf::from(env!("CARGO_BIN_EXE_omnipotent-mcp"));
        let server = [("PATH", "/usr/bin:/bin"), ("API_TOKEN", "s3cr3t-value")];
        let server = server
            .map(|(name, value)| (name.into(), value.into()))
            .to_vec();
        let sandbox = SandboxConfig {
            require: Tier::Strict,
            ..SandboxConfig::default()
        };
        let roots = FilesConfig::default().build(&around).unwrap();
        let tool = ExecuteCommand {
            policy: CommandsConfig::default().build(server).unwrap(),
            enclosure: Enclosure::new(&sandbox, &roots, None),
            roots,
            runner: Runner::with_helper(&sandbox, helper).unwrap(),
            gateway: Arc::new(WayOut(EgressConfig::default().build().unwrap())),
        };
        Self { directory, tool }
    }

    async fn call(&self, args: Value) -> Value {
        self.call_as(args, &Call::unwatched(Caller::new("test")))
            .await
    }

    async fn call_as(&self, args: Value, call: &Call) -> Value {
        let args = match serde_json::from_value(args) {
            Ok(args) => args,
            Err(error) => return json!({ "arguments": error.to_string() }),
        };
        let reply = async { self.tool.run(self.tool.vet(args, call).await?, call).await };
        match reply.await {
            Ok(reply) => serde_json::to_value(reply).unwrap(),
            Err(error) => serde_json::from_str(&error.to_json()).unwrap(),
        }
    }
}

/// The part of `reply` that `expect` names.
#[track_caller]
fn check(reply: &Value, expect: &Value) {
    let named: Value = expect
        .as_object()
        .unwrap()
        .keys()
        .map(|key| (key.clone(), reply[key].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into();
    assert_eq!(named, *expect, "{reply}");
}

#[tokio::test]
async fn answers_with_status_and_output() {
    let desk = Desk::new();
    let reply = desk
        .call(json!({ "command": "echo out; echo err >&2; exit 3" }))
        .await;
    check(
        &reply,
        &json!({
            "returncode": 3, "signal": null, "stdout": "out\n", "stderr": "err\n", "success": false,
            "timed_out": false, "truncated": false, "stdout_cut_bytes": 0, "stderr_cut_bytes": 0,
        }),
    );
    check(
        &reply["sandbox"],
        &json!({ "tier": "strict", "unpinned": [
            ".git/hooks", ".git/config", ".env*", ".claude/settings*.json"
        ] }),
    );
    let reply = desk.call(json!({ "command": "kill -TERM $$" })).await;
    check(
        &reply,
        &json!({ "returncode": null, "signal": 15, "success": false }),
    );
}

#[tokio::test]
async fn starts_in_the_first_root_with_a_clean_environment() {
    let desk = Desk::new();
    let reply = desk
        .call(json!({ "command": "pwd -P; env | sort", "env": { "GIVEN": "yes" } }))
        .await;
    let here = desk.directory.path().display();
    let stdout =
        format!("{here}\nGIVEN=yes\nPATH=/usr/bin:/bin\nPWD={here}\nTERM=dumb\nTMPDIR=/tmp\n");
    check(&reply, &json!({ "stdout": stdout, "success": true }));
}

#[tokio::test]
async fn argument_forms_involve_no_shell() {
    let desk = Desk::new();
    let given =
        json!({ "command": "printf", "shell": false, "args": ["%s|", "$HOME", "; reboot"] });
    check(
        &desk.call(given).await,
        &json!({ "stdout": "$HOME|; reboot|" }),
    );
    let split = json!({ "command": "printf '%s|' 'a b' *", "shell": false });
    check(&desk.call(split).await, &json!({ "stdout": "a b|*|" }));
}

#[tokio::test]
async fn input_and_long_output_are_bounded() {
    let desk = Desk::new();
    let reply = desk
        .call(json!({ "command": "cat", "stdin": "line\n" }))
        .await;
    check(&reply, &json!({ "stdout": "line\n" }));
    let reply = desk
        .call(json!({ "command": "seq 1 1000", "max_bytes": 20 }))
        .await;
    check(
        &reply,
        &json!({
            "stdout": "1\n2\n3\n4\n5\n[… 3874 bytes omitted; raise max_bytes or redirect to a file …]\n999\n1000\n",
            "truncated": true, "stdout_cut_bytes": 3874, "success": true,
        }),
    );
    let reply = desk
        .call(json!({ "command": "printf '\\033[1mbold\\033[0m'" }))
        .await;
    check(&reply, &json!({ "stdout": "bold" }));
}

#[tokio::test]
async fn a_time_out_is_an_answer_and_progress_is_told() {
    let desk = Desk::new();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let call = Call {
        progress: Progress::to({
            let heard = Arc::clone(&heard);
            move |update| heard.lock().unwrap().push(update.message)
        }),
        ..Call::unwatched(Caller::new("test"))
    };
    let reply = desk
        .call_as(
            json!({ "command": "echo first; sleep 60", "timeout": 2 }),
            &call,
        )
        .await;
    check(
        &reply,
        &json!({ "stdout": "first\n", "timed_out": true, "success": false, "signal": 9 }),
    );
    assert_eq!(heard.lock().unwrap().first().unwrap(), "6 bytes printed");
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let desk = Desk::new();
    for (args, code) in [
        (json!({ "command": "sudo rm -rf /" }), "command_denied"),
        (json!({ "command": "echo 'open" }), "command_denied"),
        (json!({ "command": " " }), "invalid_argument"),
        (json!({ "command": "a", "args": ["b"] }), "invalid_argument"),
        (
            json!({ "command": "a | b", "shell": false }),
            "invalid_argument",
        ),
        (
            json!({ "command": "rm", "shell": false, "args": ["-rf", "/"] }),
            "command_denied",
        ),
        (
            json!({ "command": "no-such-program", "shell": false }),
            "not_found",
        ),
        (json!({ "command": "true", "cwd": "/etc" }), "path_denied"),
        (json!({ "command": "true", "cwd": "missing" }), "not_found"),
        (
            json!({ "command": "true", "env": { "LD_PRELOAD": "x" } }),
            "env_denied",
        ),
        (
            json!({ "command": "true", "env": { "A B": "x" } }),
            "invalid_argument",
        ),
    ] {
        let reply = desk.call(args).await;
        check(&reply, &json!({ "success": false, "code": code }));
    }
    for args in [
        json!({ "command": "true", "timeout": 601 }),
        json!({ "command": "true", "timeout": 0 }),
        json!({ "command": "true", "max_bytes": 0 }),
        json!({ "command": "true", "unknown": 1 }),
        json!({ "command": "" }),
    ] {
        let reply = desk.call(args.clone()).await;
        assert!(reply["arguments"].is_string(), "{args}: {reply}");
    }
}
