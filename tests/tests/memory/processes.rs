//! Several servers on one file, and servers that end without notice.

use std::fs;
use std::time::Duration;

use mcp_tests::{Ended, Era, Peer, Setup, Signal};
use serde_json::json;

#[test]
fn what_one_client_writes_another_reads_after_a_restart() {
    let mut first = Setup::memory().stdio(Era::Legacy);
    first.succeed("remember", json!({ "key": "a", "value": "kept" }));
    first.close_input();
    assert_eq!(
        first.process.ended_within(Duration::from_secs(5)),
        Ended::Exited(0)
    );
    let directory = first.stage.path("home/memory");
    let mut second = Setup::memory_at(&directory).http();
    assert_eq!(
        second.succeed("recall", json!({ "key": "a" }))["value"],
        "kept"
    );
}

#[test]
fn servers_on_one_file_lose_nothing() {
    let mut servers = vec![Setup::memory().stdio(Era::Modern)];
    let directory = servers[0].stage.path("home/memory");
    servers.extend((0..3).map(|_| Setup::memory_at(&directory).stdio(Era::Modern)));
    let mut calls = Vec::new();
    for n in 0..50 {
        for (at, server) in servers.iter_mut().enumerate() {
            let arguments = json!({ "key": format!("s{at}-{n}"), "value": "v" });
            calls.push((at, server.send_call("remember", &arguments)));
            let shared = json!({ "key": "shared", "value": format!("{at}-{n}") });
            calls.push((at, server.send_call("remember", &shared)));
        }
    }
    for (at, id) in calls {
        let answer = servers[at].answer(id).unwrap();
        assert_ne!(answer["isError"], true, "{answer}");
    }
    for server in &mut servers {
        assert_eq!(server.succeed("list_memories", json!({}))["total"], 201);
        let history = server.succeed("memory_history", json!({ "key": "shared", "limit": 200 }));
        assert_eq!(history["count"], 200);
        assert_eq!(history["versions"][0]["revision"], 200);
    }
}

#[test]
fn an_acknowledged_write_survives_a_kill() {
    let mut server = Setup::memory().stdio(Era::Modern);
    let directory = server.stage.path("home/memory");
    for n in 0..100 {
        server.succeed("remember", json!({ "key": format!("k{n}"), "value": "v" }));
    }
    server.process.signal(Signal::KILL);
    server.process.ended_within(Duration::from_secs(5));
    let mut next = Setup::memory_at(&directory).stdio(Era::Modern);
    assert_eq!(next.succeed("list_memories", json!({}))["total"], 100);
    let health = next.succeed("health_check", json!({}));
    assert_eq!(health["status"], "healthy", "{health}");
}

#[test]
fn an_idle_server_ends_at_once() {
    for signal in [None, Some(Signal::TERM), Some(Signal::INT)] {
        let mut server = Setup::memory().stdio(Era::Modern);
        server.succeed("remember", json!({ "key": "a", "value": "v" }));
        server.succeed("recall", json!({ "key": "a" }));
        match signal {
            Some(signal) => server.process.signal(signal),
            None => server.close_input(),
        }
        let ended = server.process.ended_within(Duration::from_millis(500));
        assert_eq!(ended, Ended::Exited(0), "{signal:?}");
        let file = server.stage.path("home/memory/knowledge.db");
        assert!(
            !file.with_extension("db-wal").exists(),
            "the log is written back"
        );
    }
}

#[test]
fn a_file_that_cannot_be_used_is_refused_and_left_alone() {
    let setup = Setup::memory();
    setup.stage.directory("home/memory");
    let file = setup.stage.file(
        "home/memory/knowledge.db",
        "not a database, but somebody's text\n".repeat(9),
    );
    let before = fs::read(&file).unwrap();
    let (ended, output, errors) = setup.run();
    assert_eq!((ended, output.as_str()), (Ended::Exited(1), ""));
    assert!(
        errors.contains("knowledge.db") && errors.contains("not a SQLite database"),
        "{errors}"
    );
    assert!(!errors.contains("panic"), "{errors}");
    assert_eq!(before.len(), 324);
}

#[test]
fn what_is_cached_is_true_whichever_process_writes() {
    let mut first = Setup::memory().stdio(Era::Modern);
    let directory = first.stage.path("home/memory");
    let mut second = Setup::memory_at(&directory).stdio(Era::Modern);
    let hits = |server: &mut mcp_tests::Stdio| {
        let stats = server.succeed("knowledge_stats", json!({}));
        stats["caches"]["medium"]["hits"].as_u64().unwrap()
    };
    for n in 1..=20 {
        let written = json!({ "key": format!("k{n}"), "value": "apple" });
        second.succeed("remember", written);
        let before = hits(&mut first);
        for _ in 0..2 {
            let list = first.succeed("list_memories", json!({ "limit": 5 }));
            assert_eq!(list["total"], n, "{list}");
            assert_eq!(list["entries"][0]["key"], format!("k{n}"));
        }
        assert_eq!(hits(&mut first), before + 1);
        let asked = json!({ "query": "apple", "mode": "text", "limit": 200 });
        let found = first.succeed("search_knowledge", asked.clone());
        assert_eq!(
            (&found["count"], &found["cached"]),
            (&json!(n), &json!(false))
        );
        let again = first.succeed("search_knowledge", asked);
        assert_eq!(
            (&again["count"], &again["cached"]),
            (&json!(n), &json!(true))
        );
    }
}
