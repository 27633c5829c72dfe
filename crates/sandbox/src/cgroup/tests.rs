//! A directory stands for the kernel's file system, except where that can be written.
#![expect(clippy::disallowed_methods, reason = "tests make and look at files")]

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use super::*;
use crate::config::Limits;

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
        let found = place::directory_of(None, membership, &mounts);
        assert_eq!(
            found.as_deref(),
            expect.map(Path::new),
            "{membership} {mounts}"
        );
    }
}

#[test]
fn finds_the_servers_groups_by_controller_in_the_first_version() {
    let memberships = "9:name=systemd:/s\n8:pids:/p\n4:cpu,memory:/m/x\n0::/\n";
    let mounts = "30 24 0:26 / /c/unified rw - cgroup2 cgroup2 rw\n\
        31 24 0:27 /m /c/memory rw,nosuid shared:9 - cgroup cgroup rw,cpu,memory\n\
        32 24 0:28 / /c/pids rw - cgroup cgroup rw,pids\n\
        33 24 0:29 / /c/systemd rw - cgroup cgroup rw,name=systemd\n";
    for (controller, expect) in [
        ("memory", Some("/c/memory/x")),
        ("pids", Some("/c/pids/p")),
        ("systemd", None),
        ("freezer", None),
    ] {
        let found = place::directory_of(Some(controller), memberships, mounts);
        assert_eq!(found.as_deref(), expect.map(Path::new), "{controller}");
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

fn limits(processes: u64, total_memory_bytes: u64) -> Limits {
    Limits {
        total_memory_bytes,
        processes,
        ..Limits::default()
    }
}

#[test]
fn a_leaf_takes_the_limits_and_goes() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let one = Group::First {
        memory: first.path().into(),
        pids: second.path().into(),
    };
    let two = Group::Second(first.path().into());
    let with_one = (
        one,
        ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"],
        (["4096", "4096"], ["-1", "-1"]),
    );
    let with_two = (
        two,
        ["memory.max", "memory.swap.max"],
        (["4096", "0"], ["max", "max"]),
    );
    for (above, [memory, swap], (some, none)) in [with_one, with_two] {
        let groups = Groups::beneath(above).unwrap();
        let leaf = groups.leaf().unwrap();
        let directories = leaf.group().directories();
        let [memory, swap] = [memory, swap].map(|file| directories[0].join(file));
        let pids = directories.last().unwrap().join("pids.max");
        let told =
            || [&pids, &memory, &swap].map(|file| fs::read_to_string(file).unwrap_or_default());
        // What was written is not kept beneath what is, as in a real one.
        let clear = |files: &[&PathBuf]| files.iter().for_each(|file| fs::write(file, "").unwrap());
        clear(&[&pids, &memory]);
        leaf.group().limit(&limits(100, 4096)).unwrap();
        // Without swap accounting there is no file for it, and that is no failure.
        assert_eq!(told(), ["104", some[0], ""]);
        clear(&[&pids, &memory, &swap]);
        leaf.group().limit(&limits(100, 4096)).unwrap();
        assert_eq!(told(), ["104", some[0], some[1]]);
        clear(&[&pids, &memory, &swap]);
        leaf.group().limit(&limits(0, 0)).unwrap();
        assert_eq!(told(), ["max", none[0], none[1]]);

        // A directory that is not empty cannot be removed, like a group with processes.
        let path = leaf.group().clone();
        drop(leaf);
        assert!(path.directories().iter().all(|path| path.exists()));
        for file in [pids, memory, swap] {
            fs::remove_file(file).unwrap();
        }
        drop(groups.leaf().unwrap());
        for directory in [&first, &second] {
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        }
    }
}

#[test]
fn a_group_that_cannot_be_made_in_one_hierarchy_is_made_in_none() {
    let memory = group(&[]);
    let pids = memory.path().join("absent");
    let above = Group::First {
        memory: memory.path().into(),
        pids: pids.clone(),
    };
    let error = Groups::beneath(above).unwrap_err();
    let said = format!("groups cannot be made in {}", pids.display());
    assert!(error.to_string().starts_with(&said), "{error}");
    assert_eq!(fs::read_dir(memory.path()).unwrap().count(), 0);
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
    Groups::beneath(Group::Second(base.path().into())).unwrap();
    let mut found = entries(base.path()).unwrap();
    found.retain(|name| !name.starts_with('.'));
    found.sort();
    let mut kept = kept;
    kept.sort();
    assert_eq!(found, kept);
}

/// The part that needs no controller in the second version, in the kernel's own file system.
#[test]
fn a_real_leaf_is_killed_as_a_whole_and_removed() {
    let name = format!("mcp-tests-{}", getpid().as_raw_nonzero());
    let top = |hierarchy: &str| Path::new("/sys/fs/cgroup").join(hierarchy).join(&name);
    let one = Group::First {
        memory: top("memory"),
        pids: top("pids"),
    };
    for top in [one, Group::Second(top("unified"))] {
        if let Err((place, error)) = top.make() {
            println!(
                "skipped: no group can be made in {}: {error}",
                place.display()
            );
            continue;
        }
        kills_a_leaf_of(&top);
        top.remove().unwrap();
        assert!(
            top.directories()
                .iter()
                .all(|directory| !directory.exists())
        );
    }
}

fn kills_a_leaf_of(top: &Group) {
    let groups = Groups::beneath(top.clone()).unwrap();
    let leaf = groups.leaf().unwrap();
    let script = "sleep 600 & sleep 600 & wait";
    let mut shell = Command::new("sh")
        .args(["-c", "read go; eval \"$0\"", script])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    for directory in leaf.group().directories() {
        write(&directory.join("cgroup.procs"), &shell.id().to_string()).unwrap();
    }
    drop(shell.stdin.take());
    let members = || {
        let directories = leaf.group().directories();
        let count = |directory: &Path| {
            read(&directory.join("cgroup.procs"))
                .unwrap()
                .lines()
                .count()
        };
        directories.into_iter().map(count).min().unwrap()
    };
    let deadline = Instant::now() + Duration::from_secs(10);
    while members() < 3 && Instant::now() < deadline {
        thread::yield_now();
    }
    assert_eq!(members(), 3, "{top:?}");
    leaf.group().kill().unwrap();
    shell.wait().unwrap();
    while members() > 0 && Instant::now() < deadline {
        thread::yield_now();
    }
    drop((leaf, groups));
}
