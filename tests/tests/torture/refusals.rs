//! Files that may not be touched, and a file that another process keeps locked.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use mcp_tests::{Ended, Era, PATIENCE, Peer, Setup, Signal, until};
use serde_json::json;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A stage with a memory of one entry, that nobody uses.
fn one_entry() -> mcp_tests::Stdio {
    let mut server = Setup::memory().stdio(Era::Modern);
    server.succeed("remember", json!({ "key": "a", "value": "kept" }));
    server.close_input();
    assert_eq!(server.process.ended_within(PATIENCE), Ended::Exited(0));
    server
}

#[test]
fn what_may_not_be_touched_is_named_and_works_when_it_may() {
    let stage = one_entry().stage;
    let memory = stage.path("home/memory");
    let file = memory.join("knowledge.db");
    for (path, mode, words) in [
        (
            &memory,
            0o500,
            "the file, its directory or the disk cannot be written",
        ),
        (&memory, 0o000, "Permission denied"),
        (&file, 0o000, "Permission denied"),
    ] {
        let usual = fs::metadata(path).unwrap().permissions();
        set_mode(path, mode);
        let (ended, output, errors) = Setup::memory_at(&memory).run();
        assert_eq!((ended, output.as_str()), (Ended::Exited(1), ""), "{mode:o}");
        assert!(
            errors.contains("knowledge.db") && errors.contains(words),
            "{errors}"
        );
        assert!(!errors.contains("panic"), "{errors}");
        fs::set_permissions(path, usual).unwrap();
        let mut server = Setup::memory_at(&memory).stdio(Era::Modern);
        assert_eq!(
            server.succeed("recall", json!({ "key": "a" }))["value"],
            "kept"
        );
    }
}

#[test]
fn a_file_that_is_only_read_is_read_and_refuses_writes() {
    let stage = one_entry().stage;
    let memory = stage.path("home/memory");
    set_mode(&memory.join("knowledge.db"), 0o400);
    let mut server = Setup::memory_at(&memory).stdio(Era::Modern);
    assert_eq!(
        server.succeed("recall", json!({ "key": "a" }))["value"],
        "kept"
    );
    server.succeed(
        "search_knowledge",
        json!({ "query": "kept", "mode": "text" }),
    );
    for (tool, arguments) in [
        ("remember", json!({ "key": "b", "value": "x" })),
        ("forget", json!({ "key": "a" })),
        ("restore_memory", json!({ "key": "a", "revision": 1 })),
    ] {
        let error = server.refused(tool, arguments);
        assert_eq!(error["code"], "unavailable", "{error}");
        assert!(
            error["hint"]
                .as_str()
                .unwrap()
                .contains("the operator must let"),
            "{error}"
        );
    }
    server.assert_alive();
}

#[test]
fn a_directory_that_is_closed_while_the_server_runs_is_no_internal_error() {
    let mut server = Setup::memory().stdio(Era::Modern);
    let memory = server.stage.path("home/memory");
    server.succeed("clear_cache", json!({}));
    set_mode(&memory, 0o000);
    // No connection that reads was needed so far, and none can be opened now.
    let error = server.refused("recall", json!({ "key": "a" }));
    assert_eq!(error["code"], "unavailable", "{error}");
    let error = server.refused("export_knowledge", json!({ "path": "all.jsonl" }));
    assert_eq!(error["code"], "unavailable", "{error}");
    server.assert_alive();
    set_mode(&memory, 0o700);
    server.succeed("remember", json!({ "key": "a", "value": "x" }));
    server.succeed("recall", json!({ "key": "a" }));
}

/// A process that is stopped in the middle of a write keeps the lock for as long as it is stopped.
#[test]
fn a_locked_file_is_waited_for_as_long_as_patience_says() {
    let patience = |setup: Setup| {
        setup
            .variable("A2A_STORE__PATIENCE", "500ms")
            .stdio(Era::Modern)
    };
    let mut server = patience(Setup::memory());
    let memory = server.stage.path("home/memory");
    server.succeed("remember", json!({ "key": "a", "value": "kept" }));
    let mut other = Setup::memory_at(&memory).stdio(Era::Modern);
    let mut batch = 0;
    let refused = loop {
        batch += 1;
        assert!(batch < 50, "it was never stopped in the middle of a write");
        let items: Vec<_> = (0..1000)
            .map(|n| json!({ "key": format!("b{n}"), "value": format!("{batch}") }))
            .collect();
        let call = other.send_call("batch_remember", &json!({ "items": items }));
        thread::sleep(Duration::from_millis(10 + 3 * batch));
        other.process.signal(Signal::STOP);
        let reply = server.call("remember", json!({ "key": "b", "value": "x" }));
        if reply.is_error() {
            break (reply.error(), call);
        }
        other.process.signal(Signal::CONT);
        other.response(call);
    };
    let (error, call) = refused;
    assert_eq!(error["code"], "unavailable", "{error}");
    assert!(error["error"].as_str().unwrap().contains("busy"), "{error}");
    assert_eq!(error["retry_after_ms"], 1000);
    // Who reads need not wait, and a new process may start.
    assert_eq!(
        server.succeed("recall", json!({ "key": "a" }))["value"],
        "kept"
    );
    server.succeed(
        "search_knowledge",
        json!({ "query": "kept", "mode": "text" }),
    );
    let mut third = patience(Setup::memory_at(&memory));
    assert_eq!(
        third.succeed("recall", json!({ "key": "a" }))["value"],
        "kept"
    );

    other.process.signal(Signal::CONT);
    let answer = other.response(call);
    assert_eq!(
        answer["result"]["structuredContent"]["written"], 1000,
        "{answer:.500}"
    );
    for server in [&mut server, &mut third] {
        until("the lock is free", || {
            let write = json!({ "key": "b", "value": "y" });
            !server.call("remember", write).is_error()
        });
    }
}
