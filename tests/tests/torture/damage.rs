//! Files that were cut or overwritten: what can be told is told, and nothing is made worse.

use std::fs;
use std::path::{Path, PathBuf};

use mcp_tests::{Dice, Ended, Era, PATIENCE, Peer, Setup, Signal, Stage, Stdio};
use serde_json::json;

const PAGE: usize = 4096;
/// A frame of the log: its header and a page (<https://sqlite.org/fileformat2.html#wal_file_format>).
const FRAME: usize = 24 + PAGE;
const ENTRIES: u64 = 60;

/// A memory of some entries and its file, that nobody uses. With its log, when its server was killed.
fn written(is_killed: bool) -> (Stage, PathBuf) {
    let mut server = Setup::memory().stdio(Era::Modern);
    for n in 0..ENTRIES {
        let value = format!("fact {n} {}", "lorem ipsum ".repeat(40));
        server.succeed(
            "remember",
            json!({ "key": format!("k{n}"), "value": value }),
        );
    }
    let expect = if is_killed {
        server.process.signal(Signal::KILL);
        Ended::Signaled(9)
    } else {
        server.close_input();
        Ended::Exited(0)
    };
    assert_eq!(server.process.ended_within(PATIENCE), expect);
    let file = server.stage.path("home/memory/knowledge.db");
    (server.stage, file)
}

fn serve(file: &Path) -> Stdio {
    Setup::memory_at(file.parent().unwrap()).stdio(Era::Modern)
}

fn doctor(file: &Path) -> (Ended, String) {
    let doctor = Setup::memory_at(file.parent().unwrap()).arguments(&["doctor"]);
    let (ended, said, errors) = doctor.run();
    (ended, said + &errors)
}

fn count(server: &mut Stdio) -> u64 {
    let listed = server.succeed("list_memories", json!({ "limit": 1 }));
    listed["total"].as_u64().unwrap()
}

#[test]
fn a_log_with_the_beginning_of_a_write_at_its_end_gives_all_that_was_acknowledged() {
    let (_stage, file) = written(true);
    let log = file.with_file_name("knowledge.db-wal");
    let whole = fs::read(&log).unwrap();
    assert_eq!((whole.len() - 32) % FRAME, 0);
    // What a process leaves that dies while it writes: half a frame, a frame with a page that is not
    // all there, and a frame of a transaction that has no end.
    let last = &whole[whole.len() - FRAME..];
    let mut torn = last.to_vec();
    torn[FRAME / 2..].fill(0);
    for tail in [&last[..FRAME / 2], &torn, last] {
        let left = [&whole, tail].concat();
        fs::write(&log, left).unwrap();
        let mut server = serve(&file);
        assert_eq!(count(&mut server), ENTRIES);
        server.process.signal(Signal::KILL);
        server.process.ended_within(PATIENCE);
    }
    assert_eq!(doctor(&file).0, Ended::Exited(0));
}

#[test]
fn a_log_that_was_cut_gives_what_it_still_holds_as_one_moment() {
    let (_stage, file) = written(true);
    let log = file.with_file_name("knowledge.db-wal");
    let (database, whole) = (fs::read(&file).unwrap(), fs::read(&log).unwrap());
    let mut counts = Vec::new();
    for part in [9, 5, 2] {
        fs::write(&file, &database).unwrap();
        fs::write(&log, &whole[..whole.len() / 10 * part]).unwrap();
        let (ended, said) = doctor(&file);
        assert_eq!(ended, Ended::Exited(0), "{said}");
        let mut server = serve(&file);
        let count = count(&mut server);
        let first = (0..count).map(|n| format!("k{n}")).collect::<Vec<_>>();
        let found = server.succeed("batch_recall", json!({ "keys": first }));
        assert_eq!(found["found"], count, "the first ones, without a gap");
        counts.push(count);
        server.succeed("remember", json!({ "key": "new", "value": "x" }));
    }
    assert!(
        counts.is_sorted_by(|a, b| a > b) && counts[0] < ENTRIES,
        "{counts:?}"
    );
}

#[test]
fn a_file_that_was_cut_is_refused_and_left_alone() {
    let (_stage, file) = written(false);
    let whole = fs::read(&file).unwrap();
    for (length, words) in [
        (whole.len() - PAGE, "damaged"),
        (whole.len() / 2, "damaged"),
        (PAGE, "damaged"),
        (50, "not a SQLite database"),
    ] {
        fs::write(&file, &whole[..length]).unwrap();
        let (ended, output, errors) = Setup::memory_at(file.parent().unwrap()).run();
        assert_eq!((ended, output.as_str()), (Ended::Exited(1), ""), "{length}");
        assert!(
            errors.contains(words) && errors.contains("knowledge.db"),
            "{errors}"
        );
        assert!(fs::read(&file).unwrap() == whole[..length], "{length}");
    }
    fs::write(&file, &whole).unwrap();
    assert_eq!(count(&mut serve(&file)), ENTRIES);
}

#[test]
fn a_file_that_is_cut_while_it_is_in_use_ends_nobody() {
    let mut server = Setup::memory().stdio(Era::Modern);
    let items: Vec<_> = (0..300)
        .map(|n| json!({ "key": format!("k{n}"), "value": "lorem ipsum ".repeat(100) }))
        .collect();
    // More than a log keeps before it is written back.
    for _ in 0..4 {
        server.succeed("batch_remember", json!({ "items": items }));
    }
    let file = server.stage.path("home/memory/knowledge.db");
    let opened = fs::File::options().write(true).open(&file).unwrap();
    opened.set_len(3 * 4096).unwrap();
    for (tool, arguments) in samples() {
        let reply = server.call(tool, arguments);
        if reply.is_error() {
            assert_eq!(reply.error()["code"], "unavailable", "{tool}");
        }
    }
    server.call("health_check", json!({}));
}

/// Calls of every tool that reads or writes entries.
fn samples() -> Vec<(&'static str, serde_json::Value)> {
    vec![
        ("recall", json!({ "key": "k5" })),
        (
            "search_knowledge",
            json!({ "query": "ipsum", "mode": "text" }),
        ),
        ("list_memories", json!({})),
        ("memory_history", json!({ "key": "k7" })),
        ("knowledge_stats", json!({})),
        ("remember", json!({ "key": "k9", "value": "new" })),
        ("remember", json!({ "key": "new", "value": "new" })),
        (
            "batch_remember",
            json!({ "items": [{ "key": "k1", "value": "x" }] }),
        ),
        ("batch_recall", json!({ "keys": ["k1", "k50"] })),
        ("batch_search", json!({ "queries": ["fact"] })),
        ("forget", json!({ "key": "k3" })),
        ("restore_memory", json!({ "key": "k9", "revision": 1 })),
        ("forget_where", json!({ "tags": ["none"] })),
        (
            "export_knowledge",
            json!({ "path": "all.jsonl", "overwrite": true }),
        ),
    ]
}

/// Pages are overwritten at random: whatever is asked, the server answers with what it has or says
/// that the file is damaged; it neither ends nor speaks of an internal error.
#[test]
fn spoilt_pages_are_told_from_faults_of_the_server() {
    let (stage, file) = written(false);
    let whole = fs::read(&file).unwrap();
    let mut dice = Dice::new("damage");
    let mut told = 0;
    for _ in 0..15 {
        let mut spoilt = whole.clone();
        for _ in 0..=dice.roll(0..4) {
            let page = (1 + dice.index(whole.len() / PAGE - 1)) * PAGE;
            match dice.roll(0..3) {
                0 => spoilt[page..page + PAGE].fill(0),
                1 => spoilt[page..page + PAGE].fill_with(|| dice.number().to_le_bytes()[0]),
                _ => {
                    let other = dice.index(whole.len() / PAGE) * PAGE;
                    spoilt[page..page + PAGE].copy_from_slice(&whole[other..other + PAGE]);
                }
            }
        }
        for name in ["knowledge.db-wal", "knowledge.db-shm"] {
            fs::remove_file(file.with_file_name(name)).ok();
        }
        fs::write(&file, &spoilt).unwrap();
        stage.own(&file);
        told += probe(&file);
    }
    assert!(told > 0, "nothing that was spoilt was noticed");
}

/// Calls everything on a spoilt file; returns how often it was said to be damaged.
fn probe(file: &Path) -> u32 {
    let directory = file.parent().unwrap();
    let (ended, _, errors) = Setup::memory_at(directory).arguments(&["--check"]).run();
    if ended != Ended::Exited(0) {
        assert!(errors.contains("damaged"), "{errors}");
        return 1;
    }
    let mut server = serve(file);
    let mut told = 0;
    for (tool, arguments) in samples() {
        let reply = server.call(tool, arguments);
        if reply.is_error() {
            let error = reply.error();
            let code = error["code"].as_str().unwrap();
            assert!(
                ["unavailable", "not_found"].contains(&code),
                "{tool}: {error}"
            );
            told += u32::from(error["error"].as_str().unwrap().contains("damaged"));
        }
    }
    server.call("health_check", json!({}));
    server.close_input();
    assert_eq!(server.process.ended_within(PATIENCE), Ended::Exited(0));
    told
}
