//! Ends and buries processes: the helper's descendants, and the server's adopted orphans.
//!
//! Only processes that are the caller's own unreaped children are signalled by number, and only
//! process groups that such a child is in: neither number can have been reused. Deeper
//! descendants become children when their parents die (`PR_SET_CHILD_SUBREAPER`), and a signal
//! to a group cannot be outrun by forking, because fork(2) fails while one is pending.
#![expect(
    clippy::disallowed_methods,
    reason = "reads /proc of the process itself"
)]

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{
    Pid, RawPid, Signal, WaitOptions, WaitStatus, getpgid, getpgrp, getpid, getsid, kill_process,
    kill_process_group, wait, waitpid,
};
use serde::{Deserialize, Serialize};

const FIRST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(5);

/// Ends `leader`, its group and every other descendant of this process; returns the status of
/// `leader` and whether everything is gone. Takes at most `patience`.
///
/// For the helper only: it reaps every child of the process.
pub(crate) fn end_family(leader: Pid, patience: Duration) -> (Option<WaitStatus>, Remains) {
    let deadline = Instant::now() + patience;
    let mut pause = FIRST_PAUSE;
    let mut status = None;
    signal_group(leader);
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, ended))) if pid == leader => status = Some(ended),
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) if Instant::now() < deadline => {
                children().into_iter().for_each(end);
                rest(&mut pause);
            }
            Ok(None) => return (status, Remains::Some),
            Err(_) => return (status, Remains::Nothing),
        }
    }
}

/// Whether descendants are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Remains {
    Nothing,
    Some,
}

/// The live helpers of this process. Children belong to the process, so this does too.
static HELPERS: Mutex<BTreeSet<RawPid>> = Mutex::new(BTreeSet::new());

/// A helper that [`end_orphans`] spares until this is dropped.
#[derive(Debug)]
pub(crate) struct Spared(RawPid);

impl Spared {
    /// Starts a helper so that no sweep sees it before it is spared.
    pub(crate) fn start<T>(
        start: impl FnOnce() -> io::Result<(T, RawPid)>,
    ) -> io::Result<(T, Self)> {
        let mut helpers = helpers();
        let (child, pid) = start()?;
        helpers.insert(pid);
        Ok((child, Self(pid)))
    }
}

impl Drop for Spared {
    fn drop(&mut self) {
        helpers().remove(&self.0);
    }
}

/// Ends and reaps the orphans this process adopted from helpers that died. Takes at most
/// `patience`; blocks.
///
/// An orphan is a child in another session than ours that is no helper: helpers start a session
/// before they start anything, and the server's own children stay in the server's.
pub(crate) fn end_orphans(patience: Duration) -> Remains {
    let deadline = Instant::now() + patience;
    let mut pause = FIRST_PAUSE;
    let mut quiet = false;
    while Instant::now() < deadline {
        let orphans = orphans();
        // The kernel may skip a child in its list while others exit (proc_pid_children(5)), so
        // one empty answer is not enough.
        if orphans.is_empty() && quiet {
            return Remains::Nothing;
        }
        quiet = orphans.is_empty();
        rest(&mut pause);
    }
    Remains::Some
}

fn orphans() -> Vec<Pid> {
    let own_session = getsid(None).ok();
    let helpers = helpers();
    let orphans: Vec<Pid> = children()
        .into_iter()
        .filter(|pid| !helpers.contains(&pid.as_raw_pid()))
        .filter(|pid| getsid(Some(*pid)).is_ok_and(|session| Some(session) != own_session))
        .collect();
    for orphan in &orphans {
        end(*orphan);
        // Reaped now or in the next round.
        waitpid(Some(*orphan), WaitOptions::NOHANG).ok();
    }
    orphans
}

fn helpers() -> MutexGuard<'static, BTreeSet<RawPid>> {
    HELPERS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn rest(pause: &mut Duration) {
    thread::sleep(*pause);
    *pause = (*pause * 2).min(LONGEST_PAUSE);
}

/// Kills a child and, unless it is ours, the group it is in.
fn end(child: Pid) {
    if let Ok(group) = getpgid(Some(child))
        && group != getpgrp()
    {
        signal_group(group);
    }
    // A child that is gone already is as good as killed.
    kill_process(child, Signal::KILL).ok();
}

fn signal_group(group: Pid) {
    // A group that is gone already is as good as killed.
    kill_process_group(group, Signal::KILL).ok();
}

/// Children of all threads of this process, zombies included.
fn children() -> Vec<Pid> {
    listed_children().unwrap_or_else(|_| scanned_children())
}

/// From `/proc/self/task/*/children`, which needs `CONFIG_PROC_CHILDREN`.
fn listed_children() -> io::Result<Vec<Pid>> {
    let mut children = parse_pids(&fs::read_to_string("/proc/thread-self/children")?);
    for task in fs::read_dir("/proc/self/task")? {
        // A thread may end while the list is read; its children move to another thread.
        if let Ok(list) = fs::read_to_string(task?.path().join("children")) {
            children.extend(parse_pids(&list));
        }
    }
    children.sort_unstable_by_key(|pid| pid.as_raw_pid());
    children.dedup();
    Ok(children)
}

fn parse_pids(list: &str) -> Vec<Pid> {
    list.split_ascii_whitespace()
        .filter_map(parse_pid)
        .collect()
}

fn parse_pid(text: &str) -> Option<Pid> {
    text.parse().ok().and_then(Pid::from_raw)
}

/// From the parent field of every `/proc/<pid>/stat`.
fn scanned_children() -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str().and_then(parse_pid))
        .filter(|pid| parent_of(*pid) == Some(getpid()))
        .collect()
}

fn parent_of(pid: Pid) -> Option<Pid> {
    let mut path = OsStr::new("/proc/").to_owned();
    path.push(pid.as_raw_pid().to_string());
    path.push("/stat");
    let stat = fs::read_to_string(path).ok()?;
    // The name in parentheses may hold anything, parentheses included (proc_pid_stat(5)).
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split_ascii_whitespace().nth(1).and_then(parse_pid)
}
