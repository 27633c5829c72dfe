//! Which processes a caller may end, and what the kernel says of processes.
//!
//! A process is named by a number that the kernel uses again. [`ProcessPolicy::vet`] therefore
//! opens a pidfd first, judges what `/proc` says of that number, and then makes sure that the
//! process behind the pidfd still lives: while it does, its number cannot stand for another one
//! (`pidfd_open(2)`). The signal goes through the same pidfd.

mod facts;
mod killable;

use std::io;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names::{NameList, NameListError};

pub use facts::{ProcessStat, ProcessState, ProcessStatus, USER_HZ, scan};
pub use killable::{KillableProcess, SignalError};

/// Length that the kernel cuts a process name to (`TASK_COMM_LEN` less its NUL, `proc_pid_comm(5)`).
const COMM_BYTES: usize = 15;

/// Parents looked up when asking whether a process is an ancestor of this one.
const DEEPEST_ANCESTRY: usize = 256;

/// Which processes are never ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProcessesConfig {
    /// Names, or prefixes followed by `*`, compared with the name of the process and with the
    /// file name of its program. Default: init systems, session buses, remote access, container
    /// and network daemons, display servers and desktop shells.
    pub critical: Vec<String>,
}

impl Default for ProcessesConfig {
    fn default() -> Self {
        const CRITICAL: [&str; 38] = [
            "init",
            "systemd",
            "systemd-*",
            "runit",
            "s6-svscan",
            "tini",
            "dumb-init",
            "docker-init",
            "dbus-daemon",
            "dbus-broker",
            "dbus-broker-launch",
            "sshd",
            "sshd-*",
            "login",
            "agetty",
            "polkitd",
            "udevd",
            "dockerd",
            "containerd",
            "containerd-shim*",
            "conmon",
            "crio",
            "podman",
            "kubelet",
            "NetworkManager",
            "wpa_supplicant",
            "dhclient",
            "dhcpcd",
            "Xorg",
            "Xwayland",
            "gdm*",
            "sddm",
            "lightdm",
            "gnome-shell",
            "gnome-session*",
            "plasmashell",
            "kwin_wayland",
            "kwin_x11",
        ];
        Self {
            critical: CRITICAL.map(str::to_owned).into(),
        }
    }
}

impl ProcessesConfig {
    /// The policy. Fails on an entry that is neither a name nor a prefix followed by `*`.
    pub fn build(self) -> Result<ProcessPolicy, NameListError> {
        Ok(ProcessPolicy {
            critical: NameList::parse(self.critical)?,
        })
    }
}

/// Decides which processes may be sent a signal.
#[derive(Debug, Clone)]
pub struct ProcessPolicy {
    critical: NameList,
}

/// Why a process may not be sent a signal.
#[derive(Debug, thiserror::Error)]
pub enum ProcessDenied {
    /// No process has that number, or it has exited and only waits for its parent.
    #[error("no running process has the pid {pid}")]
    Missing {
        /// The number asked for.
        pid: u64,
    },
    /// Number 0 stands for a process group and number 1 is the init process.
    #[error("pid {pid} is reserved for the system")]
    Reserved {
        /// The number asked for.
        pid: u64,
    },
    /// This server.
    #[error("pid {pid} is this server")]
    Myself {
        /// The number asked for.
        pid: u32,
    },
    /// A process that this server descends from.
    #[error("process {pid} ({name}) is an ancestor of this server")]
    Ancestor {
        /// The number asked for.
        pid: u32,
        /// Its name.
        name: String,
    },
    /// A thread of the kernel.
    #[error("process {pid} ({name}) is a kernel thread")]
    KernelThread {
        /// The number asked for.
        pid: u32,
        /// Its name.
        name: String,
    },
    /// The number of a thread and not of a process.
    #[error("{pid} is a thread of process {leader}")]
    Thread {
        /// The number asked for.
        pid: u32,
        /// The process that the thread belongs to.
        leader: u32,
    },
    /// A process that runs, in part at least, with the rights of another user.
    #[error("process {pid} ({name}) belongs to another user")]
    OtherUser {
        /// The number asked for.
        pid: u32,
        /// Its name.
        name: String,
    },
    /// A process on the list of critical names.
    #[error("process {pid} ({name}) is on the list of critical processes")]
    Critical {
        /// The number asked for.
        pid: u32,
        /// Its name.
        name: String,
    },
    /// The kernel did not say enough to judge the process.
    #[error("process {pid} cannot be judged")]
    Unreadable {
        /// The number asked for.
        pid: u32,
        /// What the kernel answered.
        #[source]
        source: io::Error,
    },
}

impl ProcessPolicy {
    /// Asks whether the process with that number may be sent a signal.
    pub fn vet(&self, pid: u64) -> Result<KillableProcess, ProcessDenied> {
        if pid <= 1 {
            return Err(ProcessDenied::Reserved { pid });
        }
        let number = u32::try_from(pid).map_err(|_| ProcessDenied::Missing { pid })?;
        let pidfd = killable::open(number)?;
        let target = facts::Facts::read(number).map_err(|source| unreadable(number, source))?;
        if killable::has_exited(&pidfd) {
            return Err(ProcessDenied::Missing { pid });
        }
        let name = self.judge(target, &Viewer::this_process())?;
        Ok(KillableProcess::new(number, name, pidfd))
    }

    /// The rules, in the order of how much they tell the caller; gives back the process's name.
    fn judge(&self, target: facts::Facts, viewer: &Viewer) -> Result<String, ProcessDenied> {
        let facts::Facts {
            stat,
            status,
            program,
        } = target;
        let (pid, name) = (stat.pid, stat.name);
        if status.leader != pid {
            return Err(ProcessDenied::Thread {
                pid,
                leader: status.leader,
            });
        }
        if pid == viewer.pid {
            return Err(ProcessDenied::Myself { pid });
        }
        if stat.is_kernel_thread {
            return Err(ProcessDenied::KernelThread { pid, name });
        }
        if viewer.ancestors.contains(&pid) {
            return Err(ProcessDenied::Ancestor { pid, name });
        }
        if status.users().iter().any(|&user| user != viewer.user) {
            return Err(ProcessDenied::OtherUser { pid, name });
        }
        let is_critical = self.critical.contains_cut(&name, COMM_BYTES)
            || program.is_some_and(|program| self.critical.contains(&program));
        if is_critical {
            return Err(ProcessDenied::Critical { pid, name });
        }
        Ok(name)
    }
}

/// Who asks: the server itself.
struct Viewer {
    pid: u32,
    user: u32,
    ancestors: Vec<u32>,
}

impl Viewer {
    fn this_process() -> Self {
        let pid = std::process::id();
        let parent = |&child: &u32| {
            let parent = ProcessStat::read(child).ok()?.parent;
            (parent > 0).then_some(parent)
        };
        let ancestors = std::iter::successors(Some(pid), parent);
        Self {
            pid,
            user: rustix::process::geteuid().as_raw(),
            ancestors: ancestors.skip(1).take(DEEPEST_ANCESTRY).collect(),
        }
    }
}

fn unreadable(pid: u32, source: io::Error) -> ProcessDenied {
    if facts::is_gone(&source) {
        ProcessDenied::Missing { pid: pid.into() }
    } else {
        ProcessDenied::Unreadable { pid, source }
    }
}

#[cfg(test)]
mod tests;
