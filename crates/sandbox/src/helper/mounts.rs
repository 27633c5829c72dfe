//! Mounts in a mount namespace of the helper's own (mount(2), `mount_namespaces`(7)).

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, StatxFlags, open, openat2, statx};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount_bind_recursive, mount_remount};

/// A handle that names an object without opening it.
pub(super) const HANDLE: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
/// A handle of a directory.
pub(super) const DIRECTORY: OFlags = HANDLE.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW);

/// How often a lookup is repeated that a rename elsewhere disturbed (EAGAIN in openat2(2)).
const LOOKUP_ATTEMPTS: usize = 128;

/// The object at the absolute `path` as a process with the root `top` finds it.
pub(super) fn find(
    top: impl AsFd,
    path: &Path,
    flags: OFlags,
    links: ResolveFlags,
) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | links;
    for _ in 0..LOOKUP_ATTEMPTS {
        match openat2(&top, path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    }
    Err(Errno::AGAIN)
}

/// Shows `source`, with what is mounted beneath it, at `target` too.
pub(super) fn bind(source: impl AsFd, target: impl AsFd) -> rustix::io::Result<()> {
    mount_bind_recursive(own_link(&source), own_link(&target))
}

fn own_link(handle: impl AsFd) -> String {
    format!("/proc/self/fd/{}", handle.as_fd().as_raw_fd())
}

/// The names of a path that leads downwards only.
pub(super) fn plain_names(path: &Path) -> impl Iterator<Item = &OsStr> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name),
        Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => {
            None
        }
    })
}

/// Restricts every mount at and beneath each of `tops` further; the deepest top counts.
///
/// A bind mount keeps the flags of its source, and so does everything mounted beneath that; what a
/// more privileged namespace has set cannot be taken away, only added to.
pub(super) fn restrict(tops: &[(&Path, MountFlags)]) -> io::Result<()> {
    for mount in mounts()? {
        let Some((_, flags)) = tops
            .iter()
            .filter(|(top, _)| mount.path.starts_with(top))
            .max_by_key(|(top, _)| top.components().count())
        else {
            continue;
        };
        let wanted = mount.flags | *flags;
        if wanted != mount.flags && mount.is_in_sight()? {
            mount_remount(&mount.path, MountFlags::BIND | wanted, "")?;
        }
    }
    Ok(())
}

/// A line of `/proc/self/mountinfo` (`proc_pid_mountinfo`(5)).
#[derive(Debug, PartialEq, Eq)]
struct Mounted {
    id: u64,
    path: PathBuf,
    flags: MountFlags,
}

impl Mounted {
    fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.split(|byte| *byte == b' ');
        let id = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
        let path = unescape(fields.nth(3)?);
        let flags = fields
            .next()?
            .split(|byte| *byte == b',')
            .map(|option| match option {
                b"ro" => MountFlags::RDONLY,
                b"nosuid" => MountFlags::NOSUID,
                b"nodev" => MountFlags::NODEV,
                b"noexec" => MountFlags::NOEXEC,
                // Times of access stay as they are when none is named (mount(2)).
                _ => MountFlags::empty(),
            })
            .collect();
        Some(Self {
            id,
            path: path.into(),
            flags,
        })
    }

    /// Whether its path still leads to it: another mount may cover it, and a directory on the way
    /// may be closed to this user, and so to the command.
    fn is_in_sight(&self) -> io::Result<bool> {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        match statx(CWD, &self.path, flags, StatxFlags::MNT_ID) {
            Ok(found) => Ok(found.stx_mnt_id == self.id),
            Err(Errno::ACCESS | Errno::NOENT | Errno::NOTDIR) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}

fn mounts() -> io::Result<Vec<Mounted>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let mut text = Vec::new();
    File::from(open("/proc/self/mountinfo", flags, Mode::empty())?).read_to_end(&mut text)?;
    let lines = text.split(|byte| *byte == b'\n');
    lines
        .filter(|line| !line.is_empty())
        .map(|line| Mounted::parse(line).ok_or_else(|| io::ErrorKind::InvalidData.into()))
        .collect()
}

/// Spaces, tabs, newlines and backslashes are written as octal numbers.
fn unescape(text: &[u8]) -> OsString {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let code = after.first_chunk::<3>().filter(|_| *first == b'\\');
        let byte = code
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        plain.push(byte.unwrap_or(*first));
        rest = if byte.is_some() {
            after.get(3..).unwrap_or_default()
        } else {
            after
        };
    }
    OsString::from_vec(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_line_of_mountinfo() {
        let line = br"36 35 98:0 /mnt1 /mnt\0402\134x rw,noexec,nosuid,noatime master:1 - ext3 /dev/root rw";
        let expect = Mounted {
            id: 36,
            path: PathBuf::from("/mnt 2\\x"),
            flags: MountFlags::NOEXEC | MountFlags::NOSUID,
        };
        assert_eq!(Mounted::parse(line), Some(expect));
        assert_eq!(Mounted::parse(b"36 35"), None);
    }

    #[test]
    fn reads_the_mounts_of_this_system() {
        assert!(mounts().unwrap().iter().any(|it| it.path == Path::new("/")));
    }

    #[test]
    fn backslashes_that_start_no_number_stay() {
        for (text, plain) in [
            (r"a\b", r"a\b"),
            (r"\04", r"\04"),
            (r"\999", r"\999"),
            (r"\040", " "),
        ] {
            assert_eq!(unescape(text.as_bytes()), plain);
        }
    }
}
