//! Where the server may make groups.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, Mode, mkdirat, unlinkat};
use rustix::io::Errno;
use rustix::process::RawPid;

use super::{CONTROLLERS, Group, NoCgroups, SERVER, read, write};

/// Where the server `pid` may make groups with limits: in the kernel's second version, or in the first
/// where that has the controllers. May move the server.
pub(super) fn find(pid: RawPid) -> Result<Group, NoCgroups> {
    let table = |path| read(Path::new(path)).unwrap_or_default();
    let (memberships, mounts) = (table("/proc/self/cgroup"), table("/proc/self/mountinfo"));
    let own = directory_of(None, &memberships, &mounts);
    let second = own
        .ok_or(NoCgroups::Unmounted)
        .and_then(|own| prepare(own, pid));
    match second {
        Ok(directory) => Ok(Group::Second(directory)),
        Err(NoCgroups::Unmounted | NoCgroups::Controllers(_)) => {
            let own = |controller| directory_of(Some(controller), &memberships, &mounts);
            match (own("memory"), own("pids"), second) {
                (Some(memory), Some(pids), _) => Ok(Group::First { memory, pids }),
                (_, _, second) => second.map(Group::Second),
            }
        }
        Err(reason) => Err(reason),
    }
}

/// The group of this process in the hierarchy of a controller, or in the one of the second version,
/// from what `/proc/PID/cgroup` (cgroups(7)) and `/proc/PID/mountinfo` (`proc_pid_mountinfo`(5)) say.
pub(super) fn directory_of(
    controller: Option<&str>,
    memberships: &str,
    mounts: &str,
) -> Option<PathBuf> {
    // `4:memory:/path`, or `0::/path` in the second version.
    let group = memberships.lines().find_map(|line| {
        let (_, line) = line.split_once(':')?;
        let (controllers, path) = line.split_once(':')?;
        let is_it = match controller {
            Some(controller) => has(controllers, controller),
            None => controllers.is_empty(),
        };
        is_it.then_some(path)
    })?;
    mounts.lines().find_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        let (kind, options) = file_system.split_once(' ')?;
        let is_it = match controller {
            Some(controller) => kind == "cgroup" && has(options.split(' ').nth(1)?, controller),
            None => kind == "cgroup2",
        };
        if !is_it {
            return None;
        }
        let mut fields = mount.split(' ').skip(3);
        let (top, mounted_at) = (fields.next()?, fields.next()?);
        // Names with blanks are escaped there; nobody mounts it on one.
        let below = Path::new(group).strip_prefix(top).ok()?;
        Some(Path::new(mounted_at).join(below))
    })
}

/// Whether a name is in a list with commas.
fn has(list: &str, name: &str) -> bool {
    list.split(',').any(|it| it == name)
}

/// The group in which leaves with limits can be made, for the server `pid` that is in `own`.
pub(super) fn prepare(own: PathBuf, pid: RawPid) -> Result<PathBuf, NoCgroups> {
    // A server moved itself there before it took over another configuration.
    if own.ends_with(SERVER)
        && let Some(above) = own.parent()
        && has_all(&above.join("cgroup.subtree_control"))
    {
        return Ok(above.to_owned());
    }
    if has_all(&own.join("cgroup.subtree_control")) {
        return Ok(own);
    }
    if !has_all(&own.join("cgroup.controllers")) {
        return Err(NoCgroups::Controllers(own));
    }
    let members = read(&own.join("cgroup.procs"));
    let is_alone = members.is_ok_and(|members| members.trim() == pid.to_string());
    if !is_alone {
        return Err(NoCgroups::Shared(own));
    }
    match make_room(&own, pid) {
        Ok(()) => Ok(own),
        Err(error) => Err(NoCgroups::Refused {
            version: 2,
            directory: own,
            reason: Arc::new(error),
        }),
    }
}

fn has_all(file: &Path) -> bool {
    let text = read(file).unwrap_or_default();
    let has = |wanted: &str| text.split_whitespace().any(|it| it == wanted);
    CONTROLLERS.iter().all(|it| has(it))
}

/// Moves the server `pid` out of its group into one beneath, and hands the controllers down.
fn make_room(own: &Path, pid: RawPid) -> io::Result<()> {
    let server = own.join(SERVER);
    match mkdirat(CWD, &server, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno.into()),
    }
    let pid = pid.to_string();
    let handed_down = write(&server.join("cgroup.procs"), &pid).and_then(|()| {
        let all = CONTROLLERS.map(|controller| format!("+{controller}"));
        write(&own.join("cgroup.subtree_control"), &all.join(" "))
    });
    if handed_down.is_err() {
        // As it was before.
        write(&own.join("cgroup.procs"), &pid).ok();
        unlinkat(CWD, &server, AtFlags::REMOVEDIR).ok();
    }
    handed_down
}
