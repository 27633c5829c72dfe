//! Where the server may make groups.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, mkdirat};
use rustix::io::Errno;
use rustix::process::RawPid;

use super::{CONTROLLERS, NoCgroups, SERVER, read, refused, remove, write};

/// The group of this process, as a directory.
pub(super) fn own_directory() -> Option<PathBuf> {
    let membership = read(Path::new("/proc/self/cgroup")).ok()?;
    let mounts = read(Path::new("/proc/self/mountinfo")).ok()?;
    directory_of(&membership, &mounts)
}

/// From what `/proc/PID/cgroup` (cgroups(7)) and `/proc/PID/mountinfo` (`proc_pid_mountinfo`(5))
/// say.
pub(super) fn directory_of(membership: &str, mounts: &str) -> Option<PathBuf> {
    let group = membership
        .lines()
        .find_map(|line| line.strip_prefix("0::"))?;
    mounts.lines().find_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        if !file_system.starts_with("cgroup2 ") {
            return None;
        }
        let mut fields = mount.split(' ').skip(3);
        let (top, mounted_at) = (fields.next()?, fields.next()?);
        // Names with blanks are escaped there; nobody mounts it on one.
        let below = Path::new(group).strip_prefix(top).ok()?;
        Some(Path::new(mounted_at).join(below))
    })
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
        Err(error) => Err(refused(&own, error)),
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
        remove(&server).ok();
    }
    handed_down
}
