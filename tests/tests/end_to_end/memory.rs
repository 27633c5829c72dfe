//! Large files and answers do not make a large server.

use std::fs::File;
use std::os::unix::fs::FileExt;

use mcp_tests::{Era, Peer, Setup};
use serde_json::json;

/// Memory that may stay after large work.
const RESIDUE: u64 = 8 * 1024 * 1024;

#[test]
fn a_range_of_a_huge_file_costs_only_the_range() {
    const GIBIBYTE: u64 = 1 << 30;
    let mut server = Setup::default().stdio(Era::Modern);
    let file = File::create(server.stage.file("root/huge.txt", "")).unwrap();
    file.set_len(GIBIBYTE).unwrap();
    let line = "the last line\n";
    file.write_all_at(line.as_bytes(), GIBIBYTE - 14).unwrap();
    server.assert_alive();
    let before = server.process.memory();
    let last = server.succeed(
        "read_file_secure",
        json!({ "path": "huge.txt", "offset": GIBIBYTE - 14 }),
    );
    assert_eq!(
        (&last["content"], &last["size"]),
        (&json!(line), &json!(GIBIBYTE))
    );
    let start = server.succeed("read_file_secure", json!({ "path": "huge.txt" }));
    assert_eq!(start["next_offset"], 262_144);
    let after = server.process.memory();
    assert!(
        after.peak < before.resident + RESIDUE,
        "{before:?} {after:?}"
    );
}

#[test]
fn memory_is_given_back_after_a_large_answer() {
    let mut server = Setup::default().stdio(Era::Modern);
    let line = "a line of forty characters, all of them\n";
    server
        .stage
        .file("root/large.txt", line.repeat(10_000_000 / line.len()));
    server.succeed(
        "read_file_secure",
        json!({ "path": "large.txt", "max_bytes": 1000 }),
    );
    let idle = server.process.memory().resident;
    for _ in 0..3 {
        let arguments = json!({ "path": "large.txt", "max_bytes": 10_000_000 });
        let page = server.succeed("read_file_secure", arguments);
        assert!(page["content"].as_str().unwrap().len() > 7_000_000);
    }
    server.assert_alive();
    let memory = server.process.memory();
    assert!(memory.resident < idle + RESIDUE, "idle {idle}, {memory:?}");
}

#[test]
fn memory_is_given_back_after_a_large_request() {
    let mut server = Setup::default().stdio(Era::Modern);
    server.assert_alive();
    let idle = server.process.memory().resident;
    for _ in 0..3 {
        server.succeed("analyze_text", json!({ "text": "word ".repeat(1_999_999) }));
    }
    server.assert_alive();
    let memory = server.process.memory();
    assert!(memory.resident < idle + RESIDUE, "idle {idle}, {memory:?}");
}
