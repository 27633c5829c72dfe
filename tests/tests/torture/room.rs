//! No room: a full disk, and a limit on the size of files.

use std::fs;
use std::path::{Path, PathBuf};

use mcp_tests::{Ended, Era, PATIENCE, Peer, Setup, Stdio};
use serde_json::{Value, json};

/// Fills what room there is; returns how many entries were acknowledged and the refusal.
#[track_caller]
fn fill(server: &mut Stdio) -> (usize, Value) {
    for n in 0..1000 {
        let value = format!("fact {n} {}", "lorem ipsum ".repeat(150));
        let reply = server.call(
            "remember",
            json!({ "key": format!("k{n}"), "value": value }),
        );
        if reply.is_error() {
            return (n, reply.error());
        }
    }
    panic!("there is no end of room");
}

/// Everything that was acknowledged is there, and is read and found.
#[track_caller]
fn assert_whole(server: &mut Stdio, acknowledged: usize) {
    assert_eq!(
        server.succeed("list_memories", json!({ "limit": 1 }))["total"],
        acknowledged
    );
    for n in 0..acknowledged {
        let entry = server.succeed("recall", json!({ "key": format!("k{n}") }));
        assert!(
            entry["value"]
                .as_str()
                .unwrap()
                .starts_with(&format!("fact {n} "))
        );
    }
    let query = json!({ "query": "ipsum", "mode": "text", "limit": 200 });
    assert_eq!(
        server.succeed("search_knowledge", query)["count"],
        acknowledged
    );
    server.succeed("memory_history", json!({ "key": "k0" }));
    server.succeed("knowledge_stats", json!({}));
    server.assert_alive();
}

/// Writes of every kind are refused, with a word on what to do; nothing is half done.
#[track_caller]
fn assert_no_room(server: &mut Stdio, words: &str) {
    let large = "x".repeat(200_000);
    for (tool, arguments) in [
        ("remember", json!({ "key": "large", "value": large })),
        (
            "batch_remember",
            json!({ "items": [{ "key": "small", "value": "x" }, { "key": "large", "value": large }] }),
        ),
        ("forget_where", json!({ "category": "general" })),
    ] {
        let error = server.refused(tool, arguments);
        assert_eq!(error["code"], "unavailable", "{tool}: {error}");
        assert!(
            error["error"].as_str().unwrap().contains(words),
            "{tool}: {error}"
        );
        let hint = error["hint"].as_str().unwrap_or_default();
        assert!(hint.contains("changed nothing"), "{tool}: {error}");
    }
    let none = server.refused("recall", json!({ "key": "small" }));
    assert_eq!(none["code"], "not_found");
}

#[test]
fn a_full_disk_refuses_writes_and_loses_nothing() {
    let setup = Setup::memory();
    let memory = setup.stage.directory("home/memory");
    let script = "mount -t tmpfs -o size=3m,mode=0700 tmpfs \"$0\" && \
                  head -c 1000000 /dev/zero > \"$0/filler\" && exec \"$@\"";
    let mut server = setup
        .launched_by(&[
            "unshare",
            "-Urm",
            "sh",
            "-c",
            script,
            memory.to_str().unwrap(),
        ])
        .stdio(Era::Modern);
    let (acknowledged, refusal) = fill(&mut server);
    assert!(acknowledged > 10, "{acknowledged}: {refusal}");
    assert_eq!(refusal["code"], "unavailable", "{refusal}");
    assert_no_room(&mut server, "no room on the disk");
    assert_whole(&mut server, acknowledged);
    let export = server.refused("export_knowledge", json!({ "path": "all.jsonl" }));
    assert_eq!(export["code"], "unavailable", "{export}");
    assert!(
        export["error"].as_str().unwrap().contains("space"),
        "{export}"
    );

    // The disk is in the server's own mount namespace.
    let inside = |path: &Path| {
        let root = PathBuf::from(format!("/proc/{}/root", server.process.pid()));
        root.join(path.strip_prefix("/").unwrap())
    };
    fs::remove_file(inside(&memory.join("filler"))).unwrap();
    let left: Vec<_> = fs::read_dir(inside(&memory.join("exports")))
        .unwrap()
        .collect();
    assert!(left.is_empty(), "half an export: {left:?}");
    let key = format!("k{acknowledged}");
    let value = format!("fact {acknowledged} ipsum");
    server.succeed("remember", json!({ "key": key, "value": value }));
    assert_whole(&mut server, acknowledged + 1);
    assert_eq!(
        server.succeed("forget_where", json!({ "category": "general" }))["forgotten"],
        acknowledged + 1
    );
    server.close_input();
    assert_eq!(server.process.ended_within(PATIENCE), Ended::Exited(0));
}

#[test]
fn a_server_that_starts_on_a_full_disk_says_so() {
    let setup = Setup::memory();
    let memory = setup.stage.directory("home/memory");
    let script = "mount -t tmpfs -o size=100k,mode=0700 tmpfs \"$0\" && \
                  head -c 90000 /dev/zero > \"$0/filler\" && exec \"$@\"";
    let (ended, _, errors) = setup
        .launched_by(&[
            "unshare",
            "-Urm",
            "sh",
            "-c",
            script,
            memory.to_str().unwrap(),
        ])
        .run();
    assert_eq!(ended, Ended::Exited(1));
    assert!(
        errors.contains("knowledge.db: there is no room on the disk"),
        "{errors}"
    );
}

#[test]
fn a_limit_on_the_size_of_files_refuses_writes_and_ends_nobody() {
    let mut server = Setup::memory()
        .launched_by(&["prlimit", "--fsize=1000000"])
        .stdio(Era::Modern);
    let (acknowledged, refusal) = fill(&mut server);
    assert!(acknowledged > 10, "{acknowledged}: {refusal}");
    assert_eq!(refusal["code"], "unavailable", "{refusal}");
    assert_no_room(&mut server, "the file cannot be used");
    assert_whole(&mut server, acknowledged);
    server.close_input();
    assert_eq!(server.process.ended_within(PATIENCE), Ended::Exited(0));

    let memory = server.stage.path("home/memory");
    let mut free = Setup::memory_at(&memory).stdio(Era::Modern);
    assert_whole(&mut free, acknowledged);
    let key = format!("k{acknowledged}");
    let value = format!("fact {acknowledged} ipsum");
    free.succeed("remember", json!({ "key": key, "value": value }));
    assert_whole(&mut free, acknowledged + 1);
    drop(free);
    let (ended, said, _) = Setup::memory_at(&memory).arguments(&["doctor"]).run();
    assert_eq!(ended, Ended::Exited(0), "{said}");
}
