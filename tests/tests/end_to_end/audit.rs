//! The record of what was done: complete, whole, without secrets, and out of every tool's reach.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use mcp_tests::{Ended, Era, Peer, Setup, Signal, Stdio};
use serde_json::{Value, json};

use crate::samples::{TOOLS, required};

/// Where the audit is when nothing is configured.
fn usual(server: &Stdio) -> PathBuf {
    server.stage.path("home/state/omnipotent-mcp/audit.jsonl")
}

/// Ends a server in an orderly way.
#[track_caller]
fn end(mut server: Stdio) -> Stdio {
    server.close_input();
    assert_eq!(
        server.process.ended_within(mcp_tests::PATIENCE),
        Ended::Exited(0)
    );
    server
}

fn records(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().unwrap()
}

/// What `audit verify` says, and how it ends.
fn verified(path: &Path) -> (Ended, String) {
    let arguments = ["audit", "verify", path.to_str().unwrap()];
    let (ended, output, errors) = Setup::bare().arguments(&arguments).run();
    assert_eq!(errors, "");
    (ended, output)
}

#[track_caller]
fn assert_whole(path: &Path) {
    let (ended, output) = verified(path);
    assert_eq!(ended, Ended::Exited(0), "{output}");
}

#[test]
fn every_tool_leaves_one_line() {
    let mut server = Setup::unlimited().stdio(Era::Modern);
    server.stage.file("root/sample.txt", "sample\n");
    for tool in TOOLS {
        server.call(tool, required(tool));
    }
    let unknown = json!({ "name": "made_up", "arguments": {} });
    assert!(server.request("tools/call", unknown).is_err());
    let server = end(server);
    let records = records(&usual(&server));
    let events: Vec<&str> = records
        .iter()
        .filter_map(|it| it["event"].as_str())
        .collect();
    assert_eq!(
        events,
        [vec!["start"], vec!["call"; 15], vec!["stop"]].concat()
    );
    let tools: Vec<&str> = records
        .iter()
        .filter_map(|it| it["tool"].as_str())
        .collect();
    assert_eq!(tools, [TOOLS.as_slice(), &["unknown"]].concat());
    let killed = records
        .iter()
        .find(|it| it["tool"] == "kill_process")
        .unwrap();
    assert_eq!(
        [
            &killed["decision"],
            &killed["outcome"],
            &killed["code"],
            &killed["caller"]
        ],
        ["denied", "failed", "process_denied", "stdio"]
    );
    assert_eq!(killed["arguments"], json!({ "pid": 1 }));
    assert_eq!(records[15]["decision"], "refused");
    assert_whole(&usual(&server));
}

#[test]
fn secrets_are_not_in_the_audit() {
    let mut server = Setup::default()
        .variable("DEPLOY_TOKEN", "known-deploy-token")
        .stdio(Era::Modern);
    for arguments in [
        json!({ "command": "echo known-deploy-token" }),
        json!({ "command": "mysql --password=typed-by-hand" }),
        json!({ "command": "true", "env": { "DB_PASSWORD": "in-the-environment" } }),
        json!({ "command": "true", "stdin": "-----BEGIN PRIVATE KEY-----\nkeybody" }),
    ] {
        server.call("execute_command", arguments);
    }
    let request = json!({
        "url": "http://me:url-password@127.0.0.1:9/", "headers": { "Authorization": "Bearer x-header" },
    });
    server.call("http_request_secure", request);
    let server = end(server);
    let text = fs::read_to_string(usual(&server)).unwrap();
    for secret in [
        "known-deploy-token",
        "typed-by-hand",
        "in-the-environment",
        "keybody",
        "url-password",
        "x-header",
    ] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[test]
fn no_tool_reaches_the_audit_when_a_root_holds_it() {
    let setup = Setup::default();
    let state = setup.stage.directory("root/state");
    let mut server = setup
        .variable("XDG_STATE_HOME", state.to_str().unwrap())
        .stdio(Era::Modern);
    // Recorded before it is done, so that the file is there.
    server.succeed("clear_cache", json!({}));
    let directory = state.join("omnipotent-mcp");
    let file = directory.join("audit.jsonl");
    let twin = server.stage.path("root/twin");
    fs::hard_link(&file, &twin).unwrap();
    let before = fs::read_to_string(&file).unwrap();
    assert_ne!(before, "");
    for path in [
        &file,
        &directory.join("audit.jsonl.lock"),
        &directory.join("new"),
        &twin,
    ] {
        let path = path.to_str().unwrap();
        let read = server.refused("read_file_secure", json!({ "path": path }));
        assert_eq!(read["code"], "path_denied", "{path}");
        for mode in ["overwrite", "append", "create_new"] {
            let write = json!({ "path": path, "content": "x", "mode": mode });
            let write = server.refused("write_file_secure", write);
            assert_eq!(write["code"], "path_denied", "{path} {mode}");
        }
    }
    fs::remove_file(twin).unwrap();
    let server = end(server);
    assert!(fs::read_to_string(&file).unwrap().starts_with(&before));
    assert!(!directory.join("new").exists());
    assert_whole(&file);
    drop(server);
}

#[test]
fn what_cannot_be_recorded_is_not_done_until_it_can() {
    let setup = Setup::default();
    let directory = setup.stage.directory("home/state/omnipotent-mcp");
    let mode = |mode| fs::set_permissions(&directory, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o777);
    let mut server = setup.stdio(Era::Modern);
    let file = json!({ "path": "made.txt", "content": "x" });
    for (tool, arguments) in [
        ("execute_command", json!({ "command": "touch made.txt" })),
        ("write_file_secure", file.clone()),
    ] {
        let refusal = server.refused(tool, arguments);
        assert_eq!(
            (&refusal["code"], &refusal["layer"]),
            (&json!("unavailable"), &json!("audit"))
        );
        assert!(
            refusal["error"].as_str().unwrap().contains("chmod go-w"),
            "{refusal}"
        );
    }
    assert!(!server.stage.path("root/made.txt").exists());
    let health = server.succeed("health_check", json!({}));
    let checks = health["checks"].as_array().unwrap();
    let audit = checks
        .iter()
        .find(|check| check["name"] == "audit")
        .unwrap();
    assert_eq!(
        (&health["status"], &audit["status"]),
        (&json!("degraded"), &json!("warning"))
    );
    let said = server.process.errors();
    assert_eq!(
        said.matches("the audit cannot be written").count(),
        1,
        "{said}"
    );
    mode(0o700);
    server.succeed("write_file_secure", file);
    assert!(
        server
            .process
            .errors()
            .contains("the audit is written again")
    );
    let server = end(server);
    assert_eq!(
        records(&usual(&server)).len(),
        6,
        "also what was refused before"
    );
    assert_whole(&usual(&server));
}

#[test]
fn a_full_disk_is_known_before_a_call_acts() {
    let setup = Setup::unlimited();
    let disk = setup.stage.directory("disk");
    let disk_text = disk.to_str().unwrap().to_owned();
    // 2 MiB of which the audit may have 400 KiB.
    let script = "mount -t tmpfs -o size=2m,mode=0700 tmpfs \"$0\" && \
                  head -c 1687552 /dev/zero > \"$0/filler\" && exec \"$@\"";
    let path = disk.join("audit/audit.jsonl");
    let mut server = setup
        .launched_by(&["unshare", "-Urm", "sh", "-c", script, &disk_text])
        .variable("OMNIPOTENT_AUDIT__PATH", path.to_str().unwrap())
        .stdio(Era::Modern);
    let mut done = 0;
    let refusal = loop {
        let reply = server.call("clear_cache", json!({}));
        if reply.is_error() {
            break reply.error();
        }
        done += 1;
        assert!(done < 10_000, "the disk does not fill");
    };
    assert!(done > 50, "{done} calls, then {refusal}");
    assert_eq!(
        (&refusal["code"], &refusal["layer"]),
        (&json!("unavailable"), &json!("audit"))
    );
    assert!(
        refusal["error"]
            .as_str()
            .unwrap()
            .contains("free some space"),
        "{refusal}"
    );
    server.succeed("get_env_var", json!({ "name": "LANG" }));

    let inside = |path: &Path| {
        let root = PathBuf::from(format!("/proc/{}/root", server.process.pid()));
        root.join(path.strip_prefix("/").unwrap())
    };
    let calls = |path: &Path| {
        let cleared = |it: &&Value| it["tool"] == "clear_cache" && it["outcome"] == "succeeded";
        records(path).iter().filter(cleared).count()
    };
    assert_eq!(
        calls(&inside(&path)),
        done,
        "every call that acted is recorded"
    );
    fs::remove_file(inside(&disk.join("filler"))).unwrap();
    let copy = server.stage.path("copy.jsonl");
    server.succeed("clear_cache", json!({}));
    let inside = PathBuf::from(format!(
        "/proc/{}/root{}",
        server.process.pid(),
        path.display()
    ));
    fs::copy(inside, &copy).unwrap();
    assert_eq!(calls(&copy), done + 1);
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o644)).unwrap();
    assert_whole(&copy);
}

#[test]
fn servers_share_one_chain_also_when_they_are_killed() {
    let place = Setup::default();
    let path = place.stage.path("home/state/shared/audit.jsonl");
    let start = || {
        Setup::unlimited()
            .variable("OMNIPOTENT_AUDIT__PATH", path.to_str().unwrap())
            .stdio(Era::Modern)
    };
    let mut steady = start();
    for round in 0..4 {
        let mut killed = start();
        let mut calls = Vec::new();
        for _ in 0..25 {
            calls.push(killed.send_call("clear_cache", &json!({})));
            steady.send_call("analyze_text", &json!({ "text": "x" }));
        }
        for call in calls {
            killed.answer(call).unwrap();
        }
        killed.succeed("clear_cache", json!({}));
        killed.process.signal(Signal::KILL);
        assert_eq!(
            killed.process.ended_within(mcp_tests::PATIENCE),
            Ended::Signaled(9),
            "{round}"
        );
    }
    steady.assert_alive();
    end(steady);
    assert_whole(&path);
    let records = records(&path);
    let cleared = records
        .iter()
        .filter(|it| it["tool"] == "clear_cache")
        .count();
    assert_eq!(
        cleared,
        4 * 26,
        "an answered call that changed something is recorded"
    );
}

#[test]
fn a_changed_audit_is_told_with_its_place() {
    let mut server = Setup::default().stdio(Era::Modern);
    server.refused("read_file_secure", json!({ "path": "/etc/shadow" }));
    server.succeed("get_env_var", json!({ "name": "LANG" }));
    let server = end(server);
    let path = usual(&server);
    let text = fs::read_to_string(&path).unwrap();
    let copy = server
        .stage
        .file("copy.jsonl", text.replace("path_denied", "not_found"));
    let (ended, output) = verified(&copy);
    assert_eq!(ended, Ended::Exited(1));
    assert!(
        output.contains("copy.jsonl, line 2 (seq 2): was changed"),
        "{output}"
    );

    let (_, whole) = verified(&path);
    let head = whole
        .split("head ")
        .nth(1)
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap();
    let cut: Vec<&str> = text.split_inclusive('\n').take(2).collect();
    let cut = server.stage.file("cut.jsonl", cut.concat());
    assert_whole(&cut);
    let cut = cut.to_str().unwrap();
    let arguments = ["audit", "verify", cut, "--expect-hash", head];
    let (ended, output, _) = Setup::bare().arguments(&arguments).run();
    assert_eq!(ended, Ended::Exited(1), "{output}");

    let arguments = ["audit", "tail", "-n", "2", path.to_str().unwrap()];
    let (ended, output, _) = Setup::bare().arguments(&arguments).run();
    assert_eq!(ended, Ended::Exited(0));
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines.len(), 2, "{output}");
    assert!(
        lines[0].contains("call stdio get_env_var allowed succeeded"),
        "{output}"
    );
}
