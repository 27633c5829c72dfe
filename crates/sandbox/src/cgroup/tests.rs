//! A directory stands for the kernel's file system, except where that can be written.
#![expect(clippy::disallowed_methods, reason = "tests make and look at files")]

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use super::*;

/// A group with these files.
fn group(files: &[(&str, &str)]) -> TempDir {
    let group = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = group.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    group
}

const ALL: &str = "cpuset cpu io memory pids\n";
const OWN: RawPid = 42;

#[test]
fn finds_the_servers_group_wherever_it_is_mounted() {
    let mount = |top: &str, at: &str| {
        format!(
            "24 1 0:21 / /sys rw - sysfs sysfs rw\n30 24 0:26 {top} {at} rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
        )
    };
    for (membership, mounts, expect) in [
        (
            "0::/a/b\n",
            mount("/", "/sys/fs/cgroup"),
            Some("/sys/fs/cgroup/a/b"),
        ),
        (
            "4:memory:/x\n0::/\n",
            mount("/", "/sys/fs/cgroup/unified"),
            Some("/sys/fs/cgroup/unified"),
        ),
        ("0::/a/b\n", mount("/a", "/c"), Some("/c/b")),
        ("0::/a/b\n", mount("/ab", "/c"), None),
        ("4:memory:/x\n", mount("/", "/c"), None),
        (
            "0::/a\n",
            "30 24 0:26 / /c rw - cgroup cgroup rw,memory\n".to_owned(),
            None,
        ),
    ] {
        let found = place::directory_of(membership, &mounts);
        assert_eq!(
            found.as_deref(),
            expect.map(Path::new),
            "{membership} {mounts}"
        );
    }
}

#[test]
fn a_server_alone_makes_room_and_finds_it_again() {
    let files = [
        ("cgroup.controllers", ALL),
        ("cgroup.subtree_control", ""),
        ("cgroup.procs", "42\n"),
        ("mcp-server/cgroup.procs", ""),
    ];
    let own = group(&files);
    let read = |name: &str| fs::read_to_string(own.path().join(name)).unwrap();
    assert_eq!(place::prepare(own.path().into(), OWN).unwrap(), own.path());
    assert_eq!(read("mcp-server/cgroup.procs"), "42");
    assert_eq!(read("cgroup.subtree_control"), "+memory +pids");

    fs::write(own.path().join("cgroup.subtree_control"), "memory pids\n").unwrap();
    let moved = own.path().join("mcp-server");
    assert_eq!(place::prepare(moved, OWN).unwrap(), own.path());
    assert_eq!(place::prepare(own.path().into(), OWN).unwrap(), own.path());
}

#[test]
fn a_group_that_is_not_the_servers_alone_is_left_as_it_is() {
    let shared = group(&[("cgroup.controllers", ALL), ("cgroup.procs", "1\n42\n")]);
    let error = place::prepare(shared.path().into(), OWN).unwrap_err();
    assert!(matches!(error, NoCgroups::Shared(_)), "{error}");

    let poor = group(&[
        ("cgroup.controllers", "cpu pids\n"),
        ("cgroup.procs", "42\n"),
    ]);
    let error = place::prepare(poor.path().into(), OWN).unwrap_err();
    assert!(matches!(error, NoCgroups::Controllers(_)), "{error}");
    assert_eq!(fs::read_dir(poor.path()).unwrap().count(), 2);

    // The server's new group has no file for processes, as if the kernel refused.
    let closed = group(&[("cgroup.controllers", ALL), ("cgroup.procs", "42\n")]);
    let error = place::prepare(closed.path().into(), OWN).unwrap_err();
    assert!(matches!(error, NoCgroups::Refused { .. }), "{error}");
    assert!(!closed.path().join("mcp-server").exists());
}

#[test]
fn a_leaf_takes_the_limits_and_goes() {
    let base = group(&[]);
    let groups = Groups::beneath(base.path().into()).unwrap();
    let leaf = groups.leaf().unwrap();
    let files = ["pids.max", "memory.max", "memory.swap.max"];
    for file in &files[..2] {
        fs::write(leaf.path().join(file), "").unwrap();
    }
    let limits = |processes, total_memory_bytes| Limits {
        total_memory_bytes,
        processes,
        ..Limits::default()
    };
    let told = || files.map(|file| fs::read_to_string(leaf.path().join(file)).unwrap_or_default());
    leaf.limit(&limits(100, 4096)).unwrap();
    // Without swap accounting there is no file for it, and that is no failure.
    assert_eq!(told(), ["104", "4096", ""]);
    fs::write(leaf.path().join(files[2]), "").unwrap();
    leaf.limit(&limits(100, 8192)).unwrap();
    assert_eq!(told(), ["104", "8192", "0"]);
    // What was written is not kept beneath what is, as in a real one.
    for file in files {
        fs::write(leaf.path().join(file), "").unwrap();
    }
    leaf.limit(&limits(0, 0)).unwrap();
    assert_eq!(told(), ["max"; 3]);

    // A directory that is not empty cannot be removed, like a group with processes.
    let path = leaf.path().to_owned();
    drop(leaf);
    assert!(path.exists());
    for file in files {
        fs::remove_file(path.join(file)).unwrap();
    }
    drop(groups.leaf().unwrap());
    assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
}

#[test]
fn what_dead_servers_left_is_removed_and_nothing_else() {
    let base = group(&[]);
    let (namespace, own) = (process_namespace(), getpid().as_raw_nonzero());
    let kept = [
        format!("mcp-command-{namespace}-{own}-0x"),
        "mcp-command-x-1".to_owned(),
        "mcp-command-1-2147483647-3".to_owned(),
        "other".to_owned(),
    ];
    for name in kept
        .iter()
        .chain(&[format!("mcp-command-{namespace}-2147483647-3")])
    {
        fs::create_dir(base.path().join(name)).unwrap();
    }
    Groups::beneath(base.path().into()).unwrap();
    let mut found = entries(base.path()).unwrap();
    found.retain(|name| !name.starts_with('.'));
    found.sort();
    let mut kept = kept;
    kept.sort();
    assert_eq!(found, kept);
}

/// The part that needs no controller, in the kernel's own file system.
#[test]
fn a_real_leaf_is_killed_as_a_whole_and_removed() {
    let top = Path::new("/sys/fs/cgroup/unified")
        .join(format!("mcp-tests-{}", getpid().as_raw_nonzero()));
    if fs::create_dir(&top).is_err() {
        println!("skipped: no cgroup2 file system at /sys/fs/cgroup/unified that can be written");
        return;
    }
    let groups = Groups::beneath(top.clone()).unwrap();
    let leaf = groups.leaf().unwrap();
    let script = "sleep 600 & sleep 600 & wait";
    let mut shell = Command::new("sh")
        .args(["-c", "read go; eval \"$0\"", script])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    write(&leaf.path().join("cgroup.procs"), &shell.id().to_string()).unwrap();
    drop(shell.stdin.take());
    let members = || {
        read(&leaf.path().join("cgroup.procs"))
            .unwrap()
            .lines()
            .count()
    };
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while members() < 3 && std::time::Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert_eq!(members(), 3);
    leaf.kill().unwrap();
    shell.wait().unwrap();
    while members() > 0 && std::time::Instant::now() < deadline {
        std::thread::yield_now();
    }
    drop((leaf, groups));
    let left = fs::remove_dir(&top);
    left.unwrap();
}
