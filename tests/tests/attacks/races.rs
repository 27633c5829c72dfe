//! Races: what a path leads to changes for seconds while calls use it.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mcp_tests::{Era, Peer, Setup, Stdio};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::{Value, json};

/// How long each pair is exchanged.
const TIME: Duration = Duration::from_millis(1500);

/// Files that no call may reach, wherever a race leads it.
const OUTSIDE: [&str; 2] = ["inside.txt", "outside/inside.txt"];

/// Exchanges two names of the stage until `stop`.
fn exchange(pair: &[PathBuf; 2], stop: &AtomicBool) {
    let [one, other] = pair;
    while !stop.load(Ordering::Acquire) {
        renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).expect("both names are there");
    }
}

/// A root with an `inside` file and what leads out of it, beside a file with a canary.
fn stage() -> Setup {
    let setup = Setup::unlimited();
    let stage = &setup.stage;
    for name in [
        "outside",
        "outside/deep",
        "root/dir",
        "root/moving",
        "root/moving/deep",
    ] {
        stage.directory(name);
    }
    for name in OUTSIDE {
        stage.file(name, "canary");
    }
    for name in ["root/inside.txt", "root/dir/inside.txt", "root/file.txt"] {
        stage.file(name, "harmless");
    }
    let link = |target: &str, name: &str| {
        std::os::unix::fs::symlink(target, stage.path(name)).expect("a link");
    };
    link("../outside/inside.txt", "root/link.txt");
    link("../outside", "root/link");
    setup
}

/// Calls that use `path`, over and over.
fn calls(path: &str) -> [(&'static str, Value); 4] {
    [
        ("read_file_secure", json!({ "path": path })),
        ("batch_read_files", json!({ "paths": [path] })),
        (
            "write_file_secure",
            json!({ "path": path, "content": "harmless" }),
        ),
        (
            "write_file_secure",
            json!({ "path": path, "content": "", "mode": "append" }),
        ),
    ]
}

/// Uses `path` while `pair` is exchanged: nothing outside is reached. Returns how many calls
/// reached what is inside, and how many were refused.
fn check(pair: [&str; 2], path: &str) -> [u32; 2] {
    let setup = stage();
    let pair = pair.map(|name| setup.stage.path(name));
    let mut server = setup.stdio(Era::Modern);
    let stop = AtomicBool::new(false);
    let counts = thread::scope(|scope| {
        scope.spawn(|| exchange(&pair, &stop));
        let counts = use_for_a_while(&mut server, path);
        stop.store(true, Ordering::Release);
        counts
    });
    for name in OUTSIDE {
        let content = fs::read_to_string(server.stage.path(name)).expect("it is still there");
        assert_eq!(content, "canary", "{path}");
    }
    let names = fs::read_dir(server.stage.path("outside")).expect("a directory");
    assert_eq!(names.count(), 2, "{path}: nothing new outside");
    counts
}

fn use_for_a_while(server: &mut Stdio, path: &str) -> [u32; 2] {
    let end = Instant::now() + TIME;
    let mut counts = [0, 0];
    while Instant::now() < end {
        for (tool, arguments) in calls(path) {
            let reply = server.call(tool, arguments);
            assert!(!reply.text().contains("canary"), "{path}: {}", reply.text());
            counts[usize::from(reply.is_error())] += 1;
        }
    }
    counts
}

#[test]
fn a_file_that_becomes_a_link_is_not_followed_out() {
    let counts = check(["root/file.txt", "root/link.txt"], "file.txt");
    assert!(
        counts.iter().all(|count| *count > 0),
        "both are met: {counts:?}"
    );
}

#[test]
fn a_directory_that_becomes_a_link_is_not_followed_out() {
    let counts = check(["root/dir", "root/link"], "dir/inside.txt");
    assert!(
        counts.iter().all(|count| *count > 0),
        "both are met: {counts:?}"
    );
}

#[test]
fn a_directory_that_is_moved_out_takes_no_path_with_it() {
    // The kernel sees the move and says so, or `..` was walked before it: few calls are refused.
    let path = "moving/deep/../../inside.txt";
    let [reached, _refused] = check(["root/moving/deep", "outside/deep"], path);
    assert!(reached > 0);
}
