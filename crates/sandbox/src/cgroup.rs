//! Control groups: limits of a command as a whole, where the kernel's second version of them is
//! delegated to the server (cgroups(7); "Control Group v2" in the kernel's admin guide).
//!
//! Each helper has a leaf of its own and enters it before anything else, ahead of need: moving a
//! process waits for all processors, 11 ms on the machine this was measured on (Linux 6.18, without
//! the mount option `favordynmods`), while making and removing a leaf takes 0.1 ms. A command that
//! starts before its helper is ready waits for the rest of that.
//!
//! The first version is left alone: only root could write it, and systemd has given it up.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, mkdirat, open, unlinkat};
use rustix::io::Errno;
use rustix::process::{RawPid, getpid};

use crate::config::Limits;

mod place;

/// What limits are set by.
const CONTROLLERS: [&str; 2] = ["memory", "pids"];
/// The group that the server moves to when it has one to itself: only leaves may hold processes.
const SERVER: &str = "mcp-server";
/// Before the server's process namespace and number, and a count.
const LEAF: &str = "mcp-command-";
/// Tasks of the helper's own in a leaf, at most: two processes, a thread, and one to spare.
const HELPER_TASKS: u64 = 4;
/// Bytes of the largest file that is read.
const LARGEST_FILE: u64 = 1 << 20;

/// Why commands have no control groups; they have the limits of each process only.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NoCgroups {
    /// There is no hierarchy of the second version, or the server is in no part of it that it sees.
    #[error("no cgroup2 file system is mounted that shows the server's group")]
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
        /// Where.
        directory: PathBuf,
        /// What the kernel said.
        reason: Arc<io::Error>,
    },
}

/// A group of the server's in which leaves are made.
#[derive(Debug)]
pub(crate) struct Groups {
    directory: PathBuf,
    made: AtomicU64,
    /// Leaves that still held dying processes when they were let go.
    left: Mutex<Vec<PathBuf>>,
}

/// The group of one helper and its command. Removed on drop, or when the next one is made.
#[derive(Debug)]
pub(crate) struct Leaf {
    groups: Arc<Groups>,
    path: PathBuf,
}

impl Groups {
    /// The place for leaves beneath the server's own group. May move the server.
    pub(crate) fn find() -> Result<Arc<Self>, NoCgroups> {
        let own = place::own_directory().ok_or(NoCgroups::Unmounted)?;
        let directory = place::prepare(own, getpid().as_raw_nonzero().get())?;
        Self::beneath(directory)
    }

    /// Leaves are made in `directory`.
    pub(crate) fn beneath(directory: PathBuf) -> Result<Arc<Self>, NoCgroups> {
        let groups = Arc::new(Self {
            directory,
            made: AtomicU64::new(0),
            left: Mutex::default(),
        });
        groups.remove_stale();
        match groups.leaf() {
            Ok(trial) => drop(trial),
            Err(error) => return Err(refused(&groups.directory, error)),
        }
        Ok(groups)
    }

    pub(crate) fn leaf(self: &Arc<Self>) -> io::Result<Leaf> {
        lock(&self.left).retain(|path| remove(path).is_err());
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let pid = getpid().as_raw_nonzero();
        let name = format!("{LEAF}{}-{pid}-{number}", process_namespace());
        let path = self.directory.join(name);
        mkdirat(CWD, &path, Mode::from_raw_mode(0o755))?;
        Ok(Leaf {
            groups: Arc::clone(self),
            path,
        })
    }

    /// Removes what servers left that were killed.
    fn remove_stale(&self) {
        for name in entries(&self.directory).unwrap_or_default() {
            // Process numbers of another namespace say nothing here.
            let ours = format!("{LEAF}{}-", process_namespace());
            let server = name.strip_prefix(&ours).and_then(|it| it.split('-').next());
            let server = server.and_then(|pid| pid.parse::<RawPid>().ok());
            if server.is_some_and(|pid| !is_alive(pid)) {
                let path = self.directory.join(name);
                kill(&path).ok();
                // What is still dying is removed by a later server.
                remove(&path).ok();
            }
        }
    }
}

impl Leaf {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Sets the limits of all processes together. Without its controller a limit is not there.
    pub(crate) fn limit(&self, limits: &Limits) -> io::Result<()> {
        for (file, value) in settings(limits) {
            match write(&self.path.join(file), &value) {
                // There is no file for swap where swap is not accounted for.
                Err(error) if is_absent(&error) => {}
                written => written?,
            }
        }
        Ok(())
    }

    /// Kills every process in it at once.
    pub(crate) fn kill(&self) -> io::Result<()> {
        kill(&self.path)
    }
}

impl Drop for Leaf {
    fn drop(&mut self) {
        match remove(&self.path) {
            Ok(()) => {}
            Err(error) if is_absent(&error) => {}
            Err(_) => lock(&self.groups.left).push(self.path.clone()),
        }
    }
}

/// Moves the calling process into the leaf at `path`.
pub(crate) fn enter(path: &Path) -> io::Result<()> {
    write(&path.join("cgroup.procs"), "0")
}

/// The group's files and what is written to them. The group as a whole is not killed when memory
/// runs out (`memory.oom.group`): the helper is in it, and has to clean up.
fn settings(limits: &Limits) -> [(&'static str, String); 3] {
    let or_max = |limit: u64, value: String| if limit == 0 { "max".to_owned() } else { value };
    let tasks = limits.processes.saturating_add(HELPER_TASKS).to_string();
    let memory = limits.total_memory_bytes;
    [
        ("pids.max", or_max(limits.processes, tasks)),
        ("memory.max", or_max(memory, memory.to_string())),
        ("memory.swap.max", or_max(memory, "0".to_owned())),
    ]
}

fn refused(directory: &Path, error: io::Error) -> NoCgroups {
    NoCgroups::Refused {
        directory: directory.to_owned(),
        reason: Arc::new(error),
    }
}

fn kill(group: &Path) -> io::Result<()> {
    write(&group.join("cgroup.kill"), "1")
}

fn remove(group: &Path) -> io::Result<()> {
    Ok(unlinkat(CWD, group, AtFlags::REMOVEDIR)?)
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
