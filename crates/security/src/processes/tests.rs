//! What may be signalled and what may not, on live processes.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests start the processes that they end"
)]

use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use super::*;

/// A child that is ended and reaped when the test is over.
struct Sleeper(Child);

impl Sleeper {
    fn start(command: &mut Command) -> Self {
        Self(
            command
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap(),
        )
    }

    fn plain() -> Self {
        Self::start(Command::new("sleep").arg("600"))
    }

    fn pid(&self) -> u64 {
        self.0.id().into()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let ended = self.0.kill().and_then(|()| self.0.wait());
        assert!(ended.is_ok() || std::thread::panicking(), "{ended:?}");
    }
}

fn policy() -> ProcessPolicy {
    ProcessesConfig::default().build().unwrap()
}

fn facts(pid: u32) -> facts::Facts {
    facts::Facts {
        stat: ProcessStat {
            pid,
            parent: 1,
            name: "worker".into(),
            state: ProcessState::Sleeping,
            is_kernel_thread: false,
            cpu_ticks: 0,
            start_ticks: 0,
            resident_pages: 0,
        },
        status: ProcessStatus {
            leader: pid,
            real_user: 1000,
            effective_user: 1000,
            saved_user: 1000,
        },
        program: None,
    }
}

#[test]
fn judges_by_thread_kind_ancestry_user_and_name() {
    let viewer = Viewer {
        pid: 50,
        user: 1000,
        ancestors: vec![40, 1],
    };
    let check = |pid: u32, change: &dyn Fn(&mut facts::Facts), denied: &str| {
        let mut target = facts(pid);
        change(&mut target);
        let answer = policy().judge(target, &viewer);
        let text = answer.unwrap_or_else(|denial| denial.to_string());
        assert_eq!(text, denied);
    };
    check(60, &|_| {}, "worker");
    check(50, &|_| {}, "pid 50 is this server");
    check(
        40,
        &|_| {},
        "process 40 (worker) is an ancestor of this server",
    );
    check(
        60,
        &|target| target.status.leader = 59,
        "60 is a thread of process 59",
    );
    check(
        60,
        &|target| target.stat.is_kernel_thread = true,
        "process 60 (worker) is a kernel thread",
    );
    let other = "process 60 (worker) belongs to another user";
    check(60, &|target| target.status.real_user = 0, other);
    check(60, &|target| target.status.effective_user = 0, other);
    check(60, &|target| target.status.saved_user = 0, other);
    let by_program = "process 60 (worker) is on the list of critical processes";
    check(
        60,
        &|target| target.program = Some("sshd".into()),
        by_program,
    );
    let by_name = "process 60 (systemd-journal) is on the list of critical processes";
    check(
        60,
        &|target| target.stat.name = "systemd-journal".into(),
        by_name,
    );
    let cut = "process 60 (dbus-broker-lau) is on the list of critical processes";
    check(
        60,
        &|target| target.stat.name = "dbus-broker-lau".into(),
        cut,
    );
}

#[test]
fn refuses_reserved_missing_and_related_processes() {
    let check = |pid: u64, expected: &str| {
        let denial = policy().vet(pid).expect_err("must be refused");
        assert!(denial.to_string().contains(expected), "{pid}: {denial}");
    };
    check(0, "reserved");
    check(1, "reserved");
    check(4_194_304, "no running process");
    check(u64::MAX, "no running process");
    check(std::process::id().into(), "this server");
    check(std::os::unix::process::parent_id().into(), "ancestor");
}

#[test]
fn refuses_the_number_of_a_thread() {
    let (tell, told) = std::sync::mpsc::channel();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        let link = rustix::fs::readlink("/proc/thread-self", Vec::new()).unwrap();
        let number = link
            .to_str()
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap()
            .parse::<u64>();
        tell.send(number.unwrap()).unwrap();
        stopped.recv().unwrap_err();
    });
    let denial = policy()
        .vet(told.recv().unwrap())
        .expect_err("must be refused");
    drop(stop);
    thread.join().unwrap();
    assert!(matches!(denial, ProcessDenied::Thread { leader, .. } if leader == std::process::id()));
}

#[test]
fn refuses_kernel_threads_where_they_can_be_seen() {
    for process in scan()
        .unwrap()
        .into_iter()
        .filter(|process| process.is_kernel_thread)
    {
        match policy().vet(process.pid.into()) {
            Err(ProcessDenied::KernelThread { .. } | ProcessDenied::Missing { .. }) => {}
            answer => panic!("{process:?}: {answer:?}"),
        }
    }
}

/// Only root can start a process of another user; elsewhere init's children stand in for it.
#[test]
fn refuses_processes_of_other_users() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let other = Sleeper::start(Command::new("sleep").arg("600").uid(65534));
    let answer = policy().vet(other.pid());
    assert!(
        matches!(answer, Err(ProcessDenied::OtherUser { .. })),
        "{answer:?}"
    );
}

#[tokio::test]
async fn ends_a_process_and_says_so() {
    let mut child = Sleeper::plain();
    let process = policy().vet(child.pid()).unwrap();
    assert_eq!(process.name(), "sleep");
    assert!(!process.exited(Duration::ZERO).await.unwrap());
    process.terminate().unwrap();
    assert!(process.exited(Duration::from_secs(10)).await.unwrap());
    assert_eq!(child.0.wait().unwrap().signal(), Some(15));
}

#[tokio::test]
async fn says_when_a_process_ignores_the_request() {
    let script = "trap '' TERM; echo ready; while :; do sleep 600; done";
    let mut child = Sleeper::start(Command::new("sh").args(["-c", script]).process_group(0));
    let mut ready = [0; 6];
    child
        .0
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut ready)
        .unwrap();
    let process = policy().vet(child.pid()).unwrap();
    process.terminate().unwrap();
    assert!(!process.exited(Duration::from_millis(50)).await.unwrap());
    process.kill().unwrap();
    assert!(process.exited(Duration::from_secs(10)).await.unwrap());
    let group = Pid::from_child(&child.0);
    kill_process_group(group, Signal::KILL).unwrap();
}

#[tokio::test]
async fn never_reaches_a_later_process_with_the_same_number() {
    let mut child = Sleeper::plain();
    let process = policy().vet(child.pid()).unwrap();
    child.0.kill().unwrap();
    child.0.wait().unwrap();
    process.kill().unwrap();
    assert!(process.exited(Duration::ZERO).await.unwrap());
    assert!(matches!(
        policy().vet(child.pid()),
        Err(ProcessDenied::Missing { .. })
    ));
}

#[test]
fn counts_a_zombie_as_gone() {
    let child = Sleeper::plain();
    let process = policy().vet(child.pid()).unwrap();
    process.kill().unwrap();
    while !killable::has_exited(&process_handle(&child)) {
        std::thread::yield_now();
    }
    assert!(matches!(
        policy().vet(child.pid()),
        Err(ProcessDenied::Missing { .. })
    ));
}

fn process_handle(child: &Sleeper) -> OwnedFd {
    killable::open(child.0.id()).unwrap()
}
