//! What the strict tier promises, each promise by its effect.
#![expect(clippy::unwrap_used, reason = "a test that cannot start has failed")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mcp_sandbox::{Access, CommandSpec, Ground, Layer, Network, Outcome, Status};
use tempfile::TempDir;

use crate::support::{
    alive_with, become_plain_user, mark, open_root, printed, run, runner, sh, within,
};

/// A root that the command may write, owned by its user.
pub(crate) fn workspace() -> TempDir {
    become_plain_user();
    tempfile::tempdir().unwrap()
}

pub(crate) fn with_ground(mut spec: CommandSpec, change: impl FnOnce(&mut Ground)) -> CommandSpec {
    let mut ground = Ground::clone(&spec.boundary.ground);
    change(&mut ground);
    spec.boundary.ground = Arc::new(ground);
    spec
}

/// Runs `script`, which prints `held` when it could not do what it tried.
#[track_caller]
pub(crate) fn assert_held(outcome: &Outcome, what: &str) {
    assert_eq!(
        outcome.stdout.head,
        b"held\n",
        "{what}: {}",
        printed(outcome)
    );
}

#[tokio::test]
async fn names_what_is_in_force() {
    let outcome = run(sh("true")).await;
    assert_eq!(outcome.status, Status::Exited(0), "{}", printed(&outcome));
    let layers = outcome.confinement.layers;
    for layer in [
        Layer::Namespaces,
        Layer::PrivateRoot,
        Layer::NoCapabilities,
        Layer::Seccomp,
        Layer::Network {
            mode: Network::None,
        },
    ] {
        assert!(layers.contains(&layer), "{layers:?}");
    }
    let landlock = layers
        .iter()
        .any(|layer| matches!(layer, Layer::Landlock { abi: 1.. }));
    assert!(landlock, "{layers:?}");
}

#[tokio::test]
async fn sees_the_system_read_only_and_nothing_else() {
    let root = workspace();
    for script in [
        "touch /usr/x",
        "touch /etc/x",
        "touch /x",
        "touch /dev/x",
        "mkdir /home/x",
        "chmod 700 /",
        "rm -rf /usr/share/doc",
        "ls /sys/kernel",
        "ls /var/log",
        "ls /old",
        "test -n \"$(ls -A /home /root | grep -v :)\"",
        "cat /.masked/file",
        "chmod 777 /.masked/file",
        "rmdir /.masked/directory",
    ] {
        let outcome = run(within(
            sh(&format!("{script} && echo open || echo held")),
            root.path(),
        ));
        assert_held(&outcome.await, script);
    }
    let outcome = run(sh(
        "test -x /bin/sh && cat /etc/passwd >/dev/null && echo held",
    ))
    .await;
    assert_held(&outcome, "the system is readable");
}

#[tokio::test]
async fn has_private_files_that_are_gone_afterwards() {
    let mark = mark();
    let script = format!(
        "for at in /tmp /var/tmp /run /dev/shm \"$HOME\"; do echo x > $at/{mark} || exit 1; done; \
         test $(ls -A /tmp | wc -l) = 1 && ls -d $HOME"
    );
    let home = Path::new("/home/somebody");
    let spec = || {
        let mut spec = with_ground(sh(&script), |ground| ground.home = Some(home.to_owned()));
        spec.environment.push(("HOME".into(), home.into()));
        spec
    };
    for _ in 0..2 {
        let outcome = run(spec()).await;
        assert_eq!(printed(&outcome), "/home/somebody\n");
    }
    for at in ["/tmp", "/var/tmp", "/run", "/dev/shm"] {
        assert!(!Path::new(at).join(&mark).exists());
    }
}

#[tokio::test]
async fn private_files_are_bounded() {
    let spec = with_ground(
        sh("head -c 5000000 /dev/zero > /tmp/big && echo open || echo held"),
        |ground| ground.scratch_bytes = 1 << 20,
    );
    assert_held(&run(spec).await, "1 MiB");
}

#[tokio::test]
async fn writes_reach_the_root_and_nowhere_else() {
    let root = workspace();
    let outside = workspace();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    let script = format!(
        "echo kept > inside; mkdir -p {0} 2>/dev/null; cat {0}/secret; echo x > {0}/planted",
        outside.path().display()
    );
    let outcome = run(within(sh(&script), root.path())).await;
    assert!(
        !printed(&outcome).contains("secret\n"),
        "{}",
        printed(&outcome)
    );
    assert_eq!(fs::read(root.path().join("inside")).unwrap(), b"kept\n");
    assert!(!outside.path().join("planted").exists());
}

#[tokio::test]
async fn a_read_only_root_is_read_only_inside_a_writable_one_too() {
    let root = workspace();
    let inner = root.path().join("inner");
    fs::create_dir(&inner).unwrap();
    fs::write(inner.join("file"), "x").unwrap();
    let mut spec = within(
        sh("cat inner/file && touch new && ! touch inner/new"),
        root.path(),
    );
    spec.boundary
        .roots
        .push(open_root(&inner, Access::ReadOnly));
    let outcome = run(spec).await;
    assert_eq!(outcome.status, Status::Exited(0), "{}", printed(&outcome));
    assert!(!inner.join("new").exists());
}

#[tokio::test]
async fn a_root_that_was_replaced_is_not_opened() {
    let parent = workspace();
    let (root, other) = (parent.path().join("root"), parent.path().join("other"));
    fs::create_dir(&root).unwrap();
    let spec = within(sh("true"), &root);
    fs::rename(&root, &other).unwrap();
    fs::create_dir(&root).unwrap();
    runner().run(spec, drop).await.unwrap_err();
}

#[tokio::test]
async fn has_no_way_to_the_kernel_that_tools_do_not_need() {
    let root = workspace();
    let scripts = [
        "unshare -U true",
        "unshare -m true",
        "mount -t tmpfs none /tmp",
        "chroot / true",
        "python3 -c 'import socket; socket.socket(socket.AF_INET)'",
        "python3 -c 'import socket; socket.socket(socket.AF_UNIX)'",
        "python3 -c 'import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)'",
        "python3 -c 'import ctypes as c; exit(c.CDLL(None).ptrace(0, 0, 0, 0) != 0)'",
        // io_uring_setup, bpf, keyctl, userfaultfd, perf_event_open, by number.
        "python3 -c 'import ctypes as c; exit(c.CDLL(None).syscall(425, 1, 0) < 0)'",
        "python3 -c 'import ctypes as c; exit(c.CDLL(None).syscall(321, 0, 0, 0) < 0)'",
        "python3 -c 'import ctypes as c; exit(c.CDLL(None).syscall(250, 0, 0) < 0)'",
        "python3 -c 'import ctypes as c; exit(c.CDLL(None).syscall(323, 0) < 0)'",
        "python3 -c 'import ctypes as c; exit(c.CDLL(None).syscall(298, 0, 0, 0, 0, 0) < 0)'",
        // getpid by its x32 number.
        "python3 -c 'import ctypes as c; exit(c.CDLL(None).syscall(0x40000027) < 0)'",
        "python3 -c 'import os, fcntl; m, s = os.openpty(); fcntl.ioctl(s, 0x5412, b\"x\")'",
        "python3 -c 'import socket as s; s.socketpair(s.AF_UNIX, s.SOCK_DGRAM)'",
        "echo x > /proc/sysrq-trigger",
        "echo x > /proc/sys/kernel/hostname",
        "cat /proc/1/environ",
        "ls /proc/1/root/",
        "kill -KILL 1 && sleep 0.2 && ! kill -0 1",
    ];
    for script in scripts {
        let script = format!("({script}) >/dev/null 2>&1 && echo open || echo held");
        assert_held(&run(within(sh(&script), root.path())).await, &script);
    }
    let pair = "python3 -c 'import socket; a, b = socket.socketpair(); a.send(b\"x\"); b.recv(1)'";
    let outcome = run(sh(pair)).await;
    assert_eq!(outcome.status, Status::Exited(0), "{}", printed(&outcome));
}

#[tokio::test]
async fn sees_only_its_own_processes() {
    let outcome = run(sh("ls -d /proc/[0-9]* | wc -l")).await;
    let count: u32 = printed(&outcome).trim().parse().unwrap();
    assert!(count <= 4, "{count}");
}

#[tokio::test]
async fn a_fork_bomb_and_a_memory_hog_end_in_it() {
    let mark = mark();
    let mut bomb = sh(&format!(
        "f() {{ f | f & sleep {mark}; }}; f 2>/dev/null & exec sleep {mark}"
    ));
    bomb.timeout = Duration::from_secs(3);
    bomb.boundary.limits.processes = 200;
    assert!(run(bomb).await.timed_out);
    assert_eq!(alive_with(&mark), Vec::<i32>::new());
    let hog = "python3 -c 'bytearray(64 << 30)' 2>/dev/null && echo open || echo held";
    assert_held(&run(sh(hog)).await, "64 GiB");
}

#[tokio::test]
async fn reaches_its_own_loopback_and_not_the_hosts() {
    let host = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = host.local_addr().unwrap().port();
    let script = format!(
        "python3 -c 'import socket as s\n\
         own = s.create_server((\"127.0.0.1\", 0))\n\
         s.create_connection(own.getsockname()).close()\n\
         print(\"own\")\n\
         s.create_connection((\"127.0.0.1\", {port}), 1)' 2>/dev/null; echo held"
    );
    let spec = with_ground(sh(&script), |ground| ground.network = Network::Loopback);
    assert_eq!(printed(&run(spec).await), "own\nheld\n");
}

#[tokio::test]
async fn a_root_of_everything_is_refused() {
    let mut spec = sh("true");
    spec.boundary
        .roots
        .push(open_root(Path::new("/"), Access::ReadWrite));
    runner().run(spec, drop).await.unwrap_err();
}
