//! A server's process: what it says on standard error, what memory it takes, how it ends.

use std::fs;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::{PATIENCE, until};

/// Standard error past this is thrown away.
const KEPT_BYTES: usize = 1024 * 1024;

/// A running server. Killed on drop; what it wrote to standard error is printed if a test fails.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pidfd: OwnedFd,
    errors: Arc<Errors>,
    keeping: JoinHandle<()>,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With this exit code.
    Exited(i32),
    /// By this signal.
    Signaled(i32),
}

/// Memory of a process, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// What it holds now (`VmRSS`, see `proc_pid_status(5)`).
    pub resident: u64,
    /// The most it ever held (`VmHWM`).
    pub peak: u64,
}

#[derive(Debug, Default)]
struct Errors {
    text: Mutex<Vec<u8>>,
    more: Condvar,
    unread: Mutex<bool>,
    read_on: Condvar,
}

impl Process {
    /// Starts `command` and hands over its standard input and output.
    pub(crate) fn start(command: &mut Command) -> (Self, ChildStdin, ChildStdout) {
        let piped = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = piped
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let pid = i32::try_from(child.id())
            .ok()
            .and_then(Pid::from_raw)
            .expect("a pid");
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).expect("the child is not reaped yet");
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let errors = Arc::new(Errors::default());
        let stderr = child.stderr.take().unwrap();
        let keeper = Arc::clone(&errors);
        let keeping = thread::spawn(move || keeper.keep(stderr));
        (
            Self {
                child,
                pidfd,
                errors,
                keeping,
            },
            input,
            output,
        )
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        pidfd_send_signal(&self.pidfd, signal).expect("the server runs");
    }

    /// Waits at most `limit` for its end.
    #[track_caller]
    pub fn ended_within(&mut self, limit: Duration) -> Ended {
        assert!(
            is_ready(&self.pidfd, PollFlags::IN, limit),
            "the server did not end in {limit:?}"
        );
        let status = self.child.wait().expect("the child can be reaped");
        match (status.code(), status.signal()) {
            (Some(code), _) => Ended::Exited(code),
            (None, signal) => Ended::Signaled(signal.expect("a code or a signal")),
        }
    }

    /// What it has written to standard error so far.
    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&self.errors.lock()).into_owned()
    }

    /// From now on its standard error is not read, so that the pipe fills.
    pub fn leave_errors_unread(&self) {
        *self.errors.unread.lock().expect("the flag") = true;
    }

    /// Standard error is read again.
    pub fn read_errors(&self) {
        *self.errors.unread.lock().expect("the flag") = false;
        self.errors.read_on.notify_all();
    }

    /// All that it wrote to standard error, once it has ended.
    #[track_caller]
    pub fn last_errors(&self) -> String {
        until("the end of standard error", || self.keeping.is_finished());
        self.errors()
    }

    /// The word after `label` on standard error; waits for its line.
    #[track_caller]
    pub(crate) fn announced(&mut self, label: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut text = self.errors.lock();
        loop {
            let said = String::from_utf8_lossy(&text).into_owned();
            let whole = said.rsplit_once('\n').map_or("", |(whole, _)| whole);
            let after = whole
                .split_once(label)
                .and_then(|(_, after)| after.split_whitespace().next());
            if let Some(word) = after {
                return word.to_owned();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "waited {PATIENCE:?} for `{label}` on standard error"
            );
            let woken = self.errors.more.wait_timeout(text, left);
            text = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// What memory it takes.
    pub fn memory(&self) -> Memory {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let field = |name: &str| -> u64 {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .expect(name);
            let kibibytes = line.trim_start_matches(':').trim().trim_end_matches(" kB");
            kibibytes.parse::<u64>().expect(name) * 1024
        };
        Memory {
            resident: field("VmRSS"),
            peak: field("VmHWM"),
        }
    }
}

impl Drop for Process {
    #[expect(
        clippy::print_stderr,
        reason = "shown by the test runner when the test failed"
    )]
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("the server could not be ended: {error}");
        }
        self.read_errors();
        if thread::panicking() {
            eprintln!("--- standard error of the server ---\n{}---", self.errors());
        }
    }
}

impl Errors {
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, mut stderr: ChildStderr) {
        let mut part = [0; 4096];
        loop {
            let unread = self.unread.lock().expect("the flag");
            let read_on = self.read_on.wait_while(unread, |unread| *unread);
            drop(read_on.expect("the flag"));
            match stderr.read(&mut part) {
                Ok(0) => return,
                Ok(read) => {
                    let mut text = self.lock();
                    let room = KEPT_BYTES.saturating_sub(text.len());
                    text.extend_from_slice(&part[..read.min(room)]);
                    self.more.notify_all();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}

/// Whether one of `events` is seen on a descriptor within `limit`.
pub(crate) fn is_ready(descriptor: impl AsFd, events: PollFlags, limit: Duration) -> bool {
    let timeout = Timespec::try_from(limit).expect("a limit in range");
    let mut polled = [PollFd::new(&descriptor, events)];
    poll(&mut polled, Some(&timeout)).expect("poll(2)") > 0
}
