//! Control groups: limits of a command as a whole, where they are delegated to the server
//! (cgroups(7); "Control Group v2" and "Control Groups version 1" in the kernel's admin guide).
//!
//! Each helper has a leaf of its own and enters it before anything else, ahead of need: moving a
//! process waits for all processors, 11 ms on the machine this was measured on (Linux 6.18, without
//! the mount option `favordynmods`), while making and removing a leaf takes 0.1 ms. A command that
//! starts before its helper is ready waits for the rest of that.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Dir, Mode, OFlags, open};
use rustix::io::Errno;
use rustix::process::{RawPid, getpid};

mod group;
mod place;

pub use group::Group;
pub(crate) use group::enter;

/// What limits are set by.
const CONTROLLERS: [&str; 2] = ["memory", "pids"];
/// The group that the server moves to when it has one to itself: only leaves may hold processes.
const SERVER: &str = "mcp-server";
/// Before the server's process namespace and number, and a count.
const LEAF: &str = "mcp-command-";
/// How long the last groups are waited for: what is in them has been told to end.
const LAST_PATIENCE: Duration = Duration::from_millis(100);
/// Bytes of the largest file that is read.
const LARGEST_FILE: u64 = 1 << 20;

/// Why commands have no control groups; they have the limits of each process only.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NoCgroups {
    /// There is no hierarchy with what sets limits, or the server is in no part of it that it sees.
    #[error("no cgroup file system is mounted that shows the server's group")]
    Unmounted,
    /// What sets limits is not handed down to the server's group.
    #[error("{} has not all of the controllers memory and pids", .0.display())]
    Controllers(PathBuf),
    /// A group that holds processes cannot hand controllers down, and the server may not move
    /// others.
    #[error("{} holds other processes than the server", .0.display())]
    Shared(PathBuf),
    /// It is not delegated.
    #[error("groups cannot be made in {}: {reason}", directory.display())]
    Refused {
        /// Of the kernel's interface.
        version: u8,
        /// Where.
        directory: PathBuf,
        /// What the kernel said.
        reason: Arc<io::Error>,
    },
}

/// A group of the server's in which leaves are made.
#[derive(Debug)]
pub(crate) struct Groups {
    above: Group,
    made: AtomicU64,
    /// Leaves that still held dying processes when they were let go.
    left: Mutex<Vec<Group>>,
}

/// The group of one helper and its command. Removed on drop, or when the next one is made.
#[derive(Debug)]
pub(crate) struct Leaf {
    groups: Arc<Groups>,
    group: Group,
}

impl Groups {
    /// The place for leaves beneath the server's own group. May move the server.
    pub(crate) fn find() -> Result<Arc<Self>, NoCgroups> {
        Self::beneath(place::find(getpid().as_raw_nonzero().get())?)
    }

    /// Leaves are made in `above`.
    pub(crate) fn beneath(above: Group) -> Result<Arc<Self>, NoCgroups> {
        let groups = Arc::new(Self {
            above,
            made: AtomicU64::new(0),
            left: Mutex::default(),
        });
        groups.remove_stale();
        match groups.leaf() {
            Ok(trial) => drop(trial),
            Err((directory, reason)) => {
                return Err(NoCgroups::Refused {
                    version: groups.above.version(),
                    directory,
                    reason: Arc::new(reason),
                });
            }
        }
        Ok(groups)
    }

    /// A new one; on failure, where it could not be made.
    pub(crate) fn leaf(self: &Arc<Self>) -> Result<Leaf, (PathBuf, io::Error)> {
        lock(&self.left).retain(|left| left.remove().is_err());
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let pid = getpid().as_raw_nonzero();
        let group = self
            .above
            .child(&format!("{LEAF}{}-{pid}-{number}", process_namespace()));
        group.make()?;
        Ok(Leaf {
            groups: Arc::clone(self),
            group,
        })
    }

    /// Removes what servers left that were killed.
    fn remove_stale(&self) {
        let names = self.above.directories().into_iter().flat_map(entries);
        for name in names.flatten() {
            // Process numbers of another namespace say nothing here.
            let ours = format!("{LEAF}{}-", process_namespace());
            let server = name.strip_prefix(&ours).and_then(|it| it.split('-').next());
            let server = server.and_then(|pid| pid.parse::<RawPid>().ok());
            if server.is_some_and(|pid| !is_alive(pid)) {
                let group = self.above.child(&name);
                group.kill().ok();
                // What is still dying is removed by a later server.
                group.remove().ok();
            }
        }
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        let left = self.left.get_mut().unwrap_or_else(PoisonError::into_inner);
        let began = Instant::now();
        loop {
            left.retain(|left| left.remove().is_err());
            if left.is_empty() || began.elapsed() > LAST_PATIENCE {
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Leaf {
    pub(crate) fn group(&self) -> &Group {
        &self.group
    }
}

impl Drop for Leaf {
    fn drop(&mut self) {
        if self.group.remove().is_err() {
            lock(&self.groups.left).push(self.group.clone());
        }
    }
}

fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

/// The inode of the process namespace that this process is in (namespaces(7)).
fn process_namespace() -> u64 {
    rustix::fs::stat("/proc/self/ns/pid").map_or(0, |stat| stat.st_ino)
}

/// Whether there is such a process, whoever's it is.
fn is_alive(pid: RawPid) -> bool {
    let Some(pid) = rustix::process::Pid::from_raw(pid) else {
        return false;
    };
    rustix::process::test_kill_process(pid) != Err(Errno::SRCH)
}

fn entries(directory: &Path) -> io::Result<Vec<String>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let entries = Dir::new(open(directory, flags, Mode::empty())?)?;
    entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect()
}

fn read(path: &Path) -> io::Result<String> {
    let file = open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut text = String::new();
    File::from(file)
        .take(LARGEST_FILE)
        .read_to_string(&mut text)?;
    Ok(text)
}

/// One write(2): the kernel takes each as a whole message.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let file = open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(file, text.as_bytes())?;
    Ok(())
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
