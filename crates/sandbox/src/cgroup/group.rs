//! One group, in either version of the kernel's interface.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, Mode, mkdirat, unlinkat};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, RawPid, Signal, pidfd_open, pidfd_send_signal};

use super::{is_absent, read, write};
use crate::config::Limits;
use crate::tier::Layer;

/// Tasks of the helper's own in a leaf, at most: two processes, a thread, and one to spare.
const HELPER_TASKS: u64 = 4;
/// Looks at a group whose processes are killed one by one, at most.
const ROUNDS: usize = 200;
/// Processes that are killed in one, which takes a descriptor for each.
const AT_ONCE: usize = 256;
/// Between two: a process that was killed is listed until it is gone.
const PAUSE: Duration = Duration::from_millis(1);

/// A group, by where its directories are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Group {
    /// In the first version each controller has a hierarchy of its own.
    First {
        /// What limits memory.
        memory: PathBuf,
        /// What limits processes and threads.
        pids: PathBuf,
    },
    /// In the second there is one hierarchy.
    Second(PathBuf),
}

impl Group {
    /// One for each hierarchy.
    pub(crate) fn directories(&self) -> Vec<&Path> {
        match self {
            // Both controllers may be mounted as one.
            Self::First { memory, pids } if memory == pids => vec![memory],
            Self::First { memory, pids } => vec![memory, pids],
            Self::Second(directory) => vec![directory],
        }
    }

    /// The group of this name in it, whether or not there is one.
    pub(super) fn child(&self, name: &str) -> Self {
        match self {
            Self::First { memory, pids } => Self::First {
                memory: memory.join(name),
                pids: pids.join(name),
            },
            Self::Second(directory) => Self::Second(directory.join(name)),
        }
    }

    /// Makes its directories; on failure, which of those above them did not take it.
    pub(super) fn make(&self) -> Result<(), (PathBuf, io::Error)> {
        for directory in self.directories() {
            if let Err(errno) = mkdirat(CWD, directory, Mode::from_raw_mode(0o755)) {
                self.remove().ok();
                let above = directory.parent().unwrap_or(directory);
                return Err((above.to_owned(), errno.into()));
            }
        }
        Ok(())
    }

    /// Removes its directories, which takes that no process is in it. One that is not there is no
    /// failure.
    pub(super) fn remove(&self) -> io::Result<()> {
        for directory in self.directories() {
            match unlinkat(CWD, directory, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// Sets the limits of all processes together. Without its controller a limit is not there.
    pub(crate) fn limit(&self, limits: &Limits) -> io::Result<()> {
        for (file, value) in self.settings(limits) {
            match write(&file, &value) {
                // There is no file for swap where swap is not accounted for.
                Err(error) if is_absent(&error) => {}
                written => written?,
            }
        }
        Ok(())
    }

    /// The files of a new group and what is written to them. The group as a whole is not killed when
    /// memory runs out (`memory.oom.group`): the helper is in it, and has to clean up.
    fn settings(&self, limits: &Limits) -> Vec<(PathBuf, String)> {
        let tasks = match limits.processes {
            0 => "max".to_owned(),
            processes => processes.saturating_add(HELPER_TASKS).to_string(),
        };
        let memory_or = |none: &str| match limits.total_memory_bytes {
            0 => none.to_owned(),
            bytes => bytes.to_string(),
        };
        match self {
            Self::First { memory, pids } => vec![
                (pids.join("pids.max"), tasks),
                (memory.join("memory.limit_in_bytes"), memory_or("-1")),
                // Of memory and swap together, which is never less than that of memory.
                (memory.join("memory.memsw.limit_in_bytes"), memory_or("-1")),
            ],
            Self::Second(directory) => {
                let swap = match limits.total_memory_bytes {
                    0 => "max",
                    _ => "0",
                };
                vec![
                    (directory.join("pids.max"), tasks),
                    (directory.join("memory.max"), memory_or("max")),
                    (directory.join("memory.swap.max"), swap.to_owned()),
                ]
            }
        }
    }

    /// Kills every process in it.
    pub(crate) fn kill(&self) -> io::Result<()> {
        match self {
            Self::First { pids, .. } => kill_each(pids),
            Self::Second(directory) => write(&directory.join("cgroup.kill"), "1"),
        }
    }

    /// As arguments of a helper that is to enter it.
    pub(crate) fn words(&self) -> impl Iterator<Item = OsString> {
        let directories = self.directories();
        let version = self.version().to_string().into();
        let directories = directories.into_iter().map(|it| it.as_os_str().to_owned());
        std::iter::once(version).chain(directories)
    }

    /// Of the kernel's interface.
    pub(super) fn version(&self) -> u8 {
        match self {
            Self::First { .. } => 1,
            Self::Second(_) => 2,
        }
    }
}

/// Moves the calling process into the group of these [`Group::words`]; without directories it is in
/// it already. Returns what holds it then.
pub(crate) fn enter(mut words: impl Iterator<Item = OsString>) -> Option<Layer> {
    let version = words.next()?.to_str()?.parse().ok()?;
    let mut directories = words.map(PathBuf::from);
    directories
        .all(|directory| write(&directory.join("cgroup.procs"), "0").is_ok())
        .then_some(Layer::Cgroup { version })
}

/// Kills what is in a group of processes of the first version, which has no order for it.
fn kill_each(group: &Path) -> io::Result<()> {
    // What is being started now is the last that is.
    write(&group.join("pids.max"), "0")?;
    for _ in 0..ROUNDS {
        let listed = members(group)?;
        if listed.is_empty() {
            return Ok(());
        }
        let held: HashMap<_, _> = listed.into_iter().take(AT_ONCE).filter_map(hold).collect();
        // A number that is there still is that of the process which is held: it cannot have been given
        // to another in between.
        let remaining = members(group)?;
        for process in remaining.iter().filter_map(|number| held.get(number)) {
            match pidfd_send_signal(process, Signal::KILL) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        thread::sleep(PAUSE);
    }
    Err(io::ErrorKind::TimedOut.into())
}

fn hold(number: RawPid) -> Option<(RawPid, OwnedFd)> {
    let process = pidfd_open(Pid::from_raw(number)?, PidfdFlags::empty()).ok()?;
    Some((number, process))
}

fn members(group: &Path) -> io::Result<Vec<RawPid>> {
    let listed = read(&group.join("cgroup.procs"))?;
    Ok(listed.lines().filter_map(|it| it.parse().ok()).collect())
}
