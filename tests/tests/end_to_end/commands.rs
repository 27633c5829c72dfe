//! Commands through the protocol.

use std::collections::BTreeSet;
use std::time::Duration;

use mcp_tests::{Era, Peer, Reply, Setup, Stdio, alive_with, mark, until};
use serde_json::{Value, json};

use crate::samples::text;

fn start() -> Stdio {
    Setup::default().stdio(Era::Modern)
}

/// A reply without the parts that differ from run to run.
fn run(server: &mut Stdio, arguments: Value) -> Value {
    let mut reply = server.succeed("execute_command", arguments);
    assert!(reply["duration_ms"].is_u64());
    reply.as_object_mut().unwrap().remove("duration_ms");
    reply
}

#[test]
fn a_command_answers_with_all_that_it_did() {
    let mut reply = run(
        &mut start(),
        json!({ "command": "echo out; echo err >&2; exit 3" }),
    );
    let sandbox = reply.as_object_mut().unwrap().remove("sandbox").unwrap();
    assert_eq!(
        reply,
        json!({
            "returncode": 3, "signal": null, "stdout": "out\n", "stderr": "err\n",
            "success": false, "timed_out": false, "truncated": false,
            "stdout_cut_bytes": 0, "stderr_cut_bytes": 0,
        })
    );
    assert_eq!(sandbox["tier"], "strict", "{sandbox}");
    let layers = sandbox["layers"].as_array().unwrap();
    for layer in [
        "namespaces",
        "private-root",
        "no-capabilities",
        "network-none",
        "seccomp",
    ] {
        assert!(layers.contains(&json!(layer)), "{sandbox}");
    }
}

#[test]
fn a_command_that_waited_sees_no_secret_that_was_moved_meanwhile() {
    let setup = Setup::default().configuration("sandbox.max_concurrent = 1");
    setup.stage.directory("root/a");
    setup.stage.directory("root/a/.ssh");
    setup.stage.file("root/a/.ssh/id", "secret");
    let mut server = setup.stdio(Era::Modern);
    // Both arrive before the first one has moved anything.
    let calls = ["sleep 0.5; mv a b; ls b", "cat b/.ssh/id"]
        .map(|command| server.send_call("execute_command", &json!({ "command": command })));
    let [moved, read] = calls.map(|call| Reply::new(server.answer(call)).content().clone());
    assert_eq!(moved["success"], true, "{moved}");
    assert_eq!(read["stdout"], "", "{read}");
}

#[test]
fn a_command_gets_its_input_directory_variables_and_arguments() {
    let mut server = start();
    server.stage.directory("root/below");
    let printed = |server: &mut Stdio, arguments| run(server, arguments)["stdout"].clone();
    let script = json!({ "command": "pwd; cat; echo \"$GREETING\"", "cwd": "below",
        "stdin": "fed\n", "env": { "GREETING": "hello" } });
    let below = text(server.stage.path("root/below"));
    assert_eq!(
        printed(&mut server, script),
        format!("{below}\nfed\nhello\n")
    );
    let literal = json!({ "command": "printf", "shell": false, "args": ["%s|", "$HOME", "a b"] });
    assert_eq!(printed(&mut server, literal), "$HOME|a b|");
    let split = json!({ "command": "printf '%s|' $HOME 'a b'", "shell": false });
    let refusal = server.call("execute_command", split);
    assert!(
        refusal.is_error() || refusal.text().contains("$HOME|a b|"),
        "{}",
        refusal.text()
    );
}

#[test]
fn a_time_out_ends_every_descendant_and_keeps_the_output() {
    let mut server = start();
    let mark = mark();
    let command = format!(
        "echo begun; (setsid sleep {mark} &) ; setsid nohup sleep {mark} & sh -c 'sleep {mark}'"
    );
    let reply = run(&mut server, json!({ "command": command, "timeout": 1 }));
    assert_eq!(
        (&reply["timed_out"], &reply["success"], &reply["stdout"]),
        (&json!(true), &json!(false), &json!("begun\n"))
    );
    assert_eq!(alive_with(&mark), Vec::<u32>::new());
}

#[test]
fn nothing_that_a_command_starts_outlives_it() {
    let mut server = start();
    let mark = mark();
    let command = format!("setsid sleep {mark} >/dev/null 2>&1 & (sleep {mark} &) ; echo done");
    assert_eq!(
        run(&mut server, json!({ "command": command }))["stdout"],
        "done\n"
    );
    assert_eq!(alive_with(&mark), Vec::<u32>::new());
}

#[test]
fn dangerous_commands_are_refused_and_talk_of_them_is_not() {
    let mut server = start();
    for command in [
        "rm -rf /",
        "sudo rm -fr --no-preserve-root /",
        "true && rm -r -f /*",
        "sh -c 'rm -rf /'",
        "echo $(rm -rf /)",
        "mkfs.ext4 /dev/sda1",
        "dd if=/dev/zero of=/dev/sda",
        "echo x > /dev/sda",
        "shutdown now",
        "systemctl poweroff",
        "init 0",
        "reboot",
    ] {
        let refusal = server.refused("execute_command", json!({ "command": command }));
        assert_eq!(refusal["code"], "command_denied", "{command}: {refusal}");
        assert!(refusal["hint"].is_string(), "{refusal}");
    }
    for (command, printed) in [
        ("echo \"rm -rf /\"", "rm -rf /\n"),
        (
            "printf '%s\\n' 'mkfs.ext4 /dev/sda1' # shutdown",
            "mkfs.ext4 /dev/sda1\n",
        ),
        ("mkdir -p build && rm -rf ./build && echo gone", "gone\n"),
    ] {
        assert_eq!(
            run(&mut server, json!({ "command": command }))["stdout"],
            printed
        );
    }
}

#[test]
fn a_tree_that_cannot_be_searched_whole_is_refused_where_all_must_be_held() {
    let start = |waived: &str| {
        let setup = Setup::default()
            .variable("OMNIPOTENT_SANDBOX__REQUIRE", "strict")
            .variable("OMNIPOTENT_SANDBOX__SCAN_ENTRIES", "3")
            .variable("OMNIPOTENT_SANDBOX__WAIVE", waived);
        for number in 0..4 {
            setup.stage.file(&format!("root/{number}"), "");
        }
        setup.stdio(Era::Modern)
    };
    let mut server = start("");
    let root = server.stage.root().display().to_string();
    let refusal = server.refused("execute_command", json!({ "command": "true" }));
    assert_eq!(refusal["code"], "unavailable", "{refusal}");
    assert_eq!(refusal["limit"], 3, "{refusal}");
    let said = refusal.to_string();
    for part in [&root, "sandbox.scan_entries", "unscanned"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let mut server = start("unscanned");
    let reply = run(&mut server, json!({ "command": "true" }));
    let unpinned = reply["sandbox"]["unpinned"].to_string();
    assert!(
        unpinned.contains("beyond its first 3 entries"),
        "{unpinned}"
    );
}

#[test]
fn the_environment_of_commands_is_clean() {
    let setup = Setup::default()
        .variable("CANARY", "canary-value")
        .variable("GITHUB_TOKEN", "canary-token-value")
        .variable("LD_PRELOAD_CANARY", "x")
        .variable("LC_ALL", "C.UTF-8");
    let mut server = setup.http();
    let token = server.token.clone().unwrap().0;
    let shown = server.succeed(
        "execute_command",
        json!({ "command": "env; cat /proc/$PPID/environ" }),
    );
    let shown = shown["stdout"].as_str().unwrap();
    for secret in ["CANARY", "canary", &token] {
        assert!(!shown.contains(secret), "{shown}");
    }
    let variables = server.succeed("execute_command", json!({ "command": "env" }));
    let names: BTreeSet<_> = variables["stdout"]
        .as_str()
        .unwrap()
        .lines()
        .filter_map(|line| line.split_once('=').map(|(name, _)| name))
        .collect();
    let expected = BTreeSet::from(["HOME", "LC_ALL", "PATH", "PWD", "TERM", "TMPDIR"]);
    // Shells set these by themselves.
    let by_shell = BTreeSet::from(["OLDPWD", "SHLVL", "_"]);
    let passed: BTreeSet<_> = names.difference(&by_shell).copied().collect();
    assert_eq!(passed, expected);
}

#[test]
fn variables_that_load_code_are_refused() {
    let mut server = start();
    for name in ["LD_PRELOAD", "BASH_ENV", "GIT_SSH_COMMAND", "NODE_OPTIONS"] {
        let arguments = json!({ "command": "true", "env": { name: "/tmp/x" } });
        let refusal = server.refused("execute_command", arguments);
        assert_eq!(refusal["code"], "env_denied", "{name}");
    }
}

#[test]
fn long_output_keeps_its_beginning_and_its_end() {
    let reply = run(
        &mut start(),
        json!({ "command": "seq 1 1000000", "max_bytes": 2000 }),
    );
    let printed = reply["stdout"].as_str().unwrap();
    assert_eq!(reply["truncated"], true);
    assert!(
        printed.starts_with("1\n2\n") && printed.ends_with("999999\n1000000\n"),
        "{printed}"
    );
    let cut = reply["stdout_cut_bytes"].as_u64().unwrap();
    assert!(
        (6_880_000..6_888_896).contains(&cut),
        "{cut} of 6888896 bytes"
    );
}

#[test]
fn an_endless_printer_is_bounded() {
    let mut server = start();
    let arguments = json!({ "command": "yes", "timeout": 1 });
    let reply = run(&mut server, arguments);
    assert_eq!(
        (&reply["timed_out"], &reply["truncated"]),
        (&json!(true), &json!(true))
    );
    assert!(reply["stdout"].as_str().unwrap().len() < 300_000);
    let peak = server.process.memory().peak;
    assert!(peak < 64 * 1024 * 1024, "{peak}");
}

#[test]
fn a_program_that_is_missing_is_named() {
    let arguments = json!({ "command": "no-such-program-here", "shell": false });
    let refusal = start().refused("execute_command", arguments);
    assert_eq!(refusal["code"], "not_found");
    assert!(
        refusal["error"]
            .as_str()
            .unwrap()
            .contains("no-such-program-here"),
        "{refusal}"
    );
}

#[test]
fn the_working_directory_must_be_below_a_root() {
    let mut server = start();
    for cwd in ["/etc", "..", "/no/such"] {
        let refusal = server.refused("execute_command", json!({ "command": "pwd", "cwd": cwd }));
        assert_eq!(refusal["code"], "path_denied", "{cwd}");
    }
    let refusal = server.refused(
        "execute_command",
        json!({ "command": "pwd", "cwd": "a\0b" }),
    );
    assert_eq!(
        (&refusal["code"], &refusal["field"]),
        (&json!("invalid_argument"), &json!("cwd"))
    );
}

#[test]
fn a_call_that_the_client_forgets_is_cleaned_up() {
    let mut server = start();
    let mark = mark();
    let arguments = json!({ "command": format!("sleep {mark}"), "timeout": 600 });
    let forgotten = server.send_call("execute_command", &arguments);
    until("the sleep", || !alive_with(&mark).is_empty());
    server.notify(
        "notifications/cancelled",
        &json!({ "requestId": forgotten }),
    );
    until("its end", || alive_with(&mark).is_empty());
    let started = std::time::Instant::now();
    assert_eq!(
        run(&mut server, json!({ "command": "echo next" }))["stdout"],
        "next\n"
    );
    assert!(started.elapsed() < Duration::from_secs(2));
}
