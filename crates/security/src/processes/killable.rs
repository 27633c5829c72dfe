//! A process that may be sent a signal, held by its pidfd.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::ProcessDenied;
use super::facts::ProcessStatus;

/// A process that the policy lets callers end. A later process with the same number is never
/// reached through it.
#[derive(Debug)]
pub struct KillableProcess {
    pid: u32,
    name: String,
    pidfd: OwnedFd,
}

/// The kernel did not deliver a signal, or did not say whether the process ended.
#[derive(Debug, thiserror::Error)]
#[error("process {pid} could not be signalled")]
pub struct SignalError {
    /// The process.
    pub pid: u32,
    /// What the kernel answered.
    #[source]
    pub source: io::Error,
}

impl KillableProcess {
    pub(super) fn new(pid: u32, name: String, pidfd: OwnedFd) -> Self {
        Self { pid, name, pidfd }
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Its name, at most 15 bytes long.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends SIGTERM: the process may clean up, or ignore it.
    pub fn terminate(&self) -> Result<(), SignalError> {
        self.signal(Signal::TERM)
    }

    /// Sends SIGKILL: the process ends without being asked.
    pub fn kill(&self) -> Result<(), SignalError> {
        self.signal(Signal::KILL)
    }

    /// Waits at most that long for the process to end and says whether it has. One that has
    /// ended and waits for its parent (a zombie) has.
    ///
    /// # Errors
    /// When the runtime cannot watch the pidfd.
    pub async fn exited(&self, wait: Duration) -> Result<bool, SignalError> {
        let watched = self.watch().map_err(|source| self.error(source))?;
        match tokio::time::timeout(wait, watched.readable()).await {
            Ok(Ok(_)) => Ok(true),
            Ok(Err(source)) => Err(self.error(source)),
            Err(_) => Ok(has_exited(&self.pidfd)),
        }
    }

    fn signal(&self, signal: Signal) -> Result<(), SignalError> {
        match rustix::process::pidfd_send_signal(&self.pidfd, signal) {
            // ESRCH: it ended by itself in between, which is what the caller wants.
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(errno) => Err(self.error(errno.into())),
        }
    }

    #[expect(
        deprecated,
        reason = "its successor is unsafe for types that may swap their descriptor; a borrowed \
                  one cannot be closed or swapped while it is borrowed"
    )]
    fn watch(&self) -> io::Result<AsyncFd<BorrowedFd<'_>>> {
        AsyncFd::with_interest(self.pidfd.as_fd(), Interest::READABLE)
    }

    fn error(&self, source: io::Error) -> SignalError {
        SignalError {
            pid: self.pid,
            source,
        }
    }
}

/// Opens the process with that number. The kernel gives no pidfd for the number of a thread:
/// EINVAL, or ENOENT since Linux 6.16.
pub(super) fn open(pid: u32) -> Result<OwnedFd, ProcessDenied> {
    let missing = || ProcessDenied::Missing { pid: pid.into() };
    let target = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(missing)?;
    let errno = match rustix::process::pidfd_open(target, PidfdFlags::empty()) {
        Ok(pidfd) => return Ok(pidfd),
        Err(errno) => errno,
    };
    match ProcessStatus::read(pid) {
        Ok(status) if status.leader != pid => Err(ProcessDenied::Thread {
            pid,
            leader: status.leader,
        }),
        Ok(_) if errno != rustix::io::Errno::SRCH => Err(ProcessDenied::Unreadable {
            pid,
            source: errno.into(),
        }),
        Ok(_) | Err(_) => Err(missing()),
    }
}

/// Whether the process has ended; a pidfd is readable from then on (`pidfd_open(2)`).
pub(super) fn has_exited(pidfd: &OwnedFd) -> bool {
    let mut watched = [PollFd::new(pidfd, PollFlags::IN)];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    rustix::io::retry_on_intr(|| rustix::event::poll(&mut watched, Some(&at_once)))
        .is_ok_and(|ready| ready > 0)
}
