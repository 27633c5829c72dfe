//! The first stage of the strict tier: makes the namespaces and starts the second stage in them.
//!
//! Only a child can be the first process of a new process namespace (unshare(2)), and without
//! unsafe code a child is a program executed anew, so the second stage is the same binary again.
//! It is the init of its namespace: when it ends, the kernel ends everything in there.
#![expect(
    clippy::disallowed_methods,
    reason = "the helper is what starts processes"
)]

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode, Stdio};

use nix::sched::CloneFlags;
use rustix::fs::{Mode, OFlags, open};
use rustix::process::{getegid, geteuid};
use rustix::thread::{
    CapabilitySet, capabilities, configure_capability_in_ambient_set, set_capabilities,
};

use super::{Failure, HELPER_ARG, Role, failed, isolate, null, release_pipes};
use crate::tier::Layer;
use crate::wire::{self, Stage};

/// What the second stage needs, which executing a program takes from everyone but root.
const NEEDED: CapabilitySet = CapabilitySet::SYS_ADMIN
    .union(CapabilitySet::NET_ADMIN)
    .union(CapabilitySet::SETPCAP);

/// Entry point of the first stage. It says nothing unless it fails; the second stage has the
/// control socket.
pub(super) fn main(group: Option<Layer>) -> ExitCode {
    let run = || {
        // First, because a process that cannot be traced cannot write its own maps.
        enter_namespaces().map_err(|error| Stage::Namespaces.failed(error))?;
        isolate().map_err(|error| Stage::Isolate.failed(error))?;
        start_inside(group).map_err(|error| Stage::Namespaces.failed(error))
    };
    match run() {
        Ok(code) => code,
        Err(failure) => {
            // Nobody else can be told.
            report(&failure).ok();
            ExitCode::FAILURE
        }
    }
}

fn report(failure: &Failure) -> io::Result<()> {
    let mut control = UnixStream::from(rustix::stdio::stdin().try_clone_to_owned()?);
    control.write_all(&wire::encode(&failed(failure))?)
}

fn enter_namespaces() -> io::Result<()> {
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    nix::sched::unshare(
        CloneFlags::CLONE_NEWUSER
            | CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWCGROUP,
    )?;
    // The order is the kernel's: a group map needs setgroups(2) given up (user_namespaces(7)).
    write_own("uid_map", &format!("{user} {user} 1"))?;
    write_own("setgroups", "deny")?;
    write_own("gid_map", &format!("{group} {group} 1"))?;
    let mut sets = capabilities(None)?;
    sets.inheritable = NEEDED;
    set_capabilities(None, sets)?;
    for capability in NEEDED.iter() {
        configure_capability_in_ambient_set(capability, true)?;
    }
    Ok(())
}

fn write_own(name: &str, text: &str) -> io::Result<()> {
    let path = format!("/proc/self/{name}");
    let file = open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(file, text.as_bytes())?;
    Ok(())
}

fn start_inside(group: Option<Layer>) -> io::Result<ExitCode> {
    let control: OwnedFd = rustix::stdio::stdin().try_clone_to_owned()?;
    // The second stage takes this one along to its own root, where there is none at first.
    let null = null()?;
    let mut inside = Command::new("/proc/self/exe")
        .arg(HELPER_ARG)
        .arg(Role::Inside.as_str())
        // The version: it is in the group already.
        .args(group.and_then(|_| std::env::args_os().nth(3)))
        .env_clear()
        .stdin(Stdio::from(control))
        .spawn()?;
    rustix::stdio::dup2_stdin(&null)?;
    release_pipes(&null)?;
    let status = inside.wait()?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
