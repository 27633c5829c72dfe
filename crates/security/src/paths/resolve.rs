//! The system calls that turn names into descriptors, and descriptors back into names.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

/// How often a lookup is repeated that a rename elsewhere disturbed (EAGAIN in openat2(2)).
const LOOKUP_ATTEMPTS: usize = 128;

/// Flags of a handle that names an object without opening it.
pub(crate) const HANDLE: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
/// Flags of a directory that can be synced.
pub(crate) const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC);

/// Opens `path` beneath `directory`; no link, `..` or magic link leads out of it.
pub(crate) fn open_beneath(
    directory: impl AsFd,
    path: &Path,
    flags: OFlags,
    links: ResolveFlags,
) -> Result<OwnedFd, Errno> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | links;
    for _ in 0..LOOKUP_ATTEMPTS {
        match rustix::fs::openat2(&directory, path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    }
    Err(Errno::AGAIN)
}

/// Opens the very object that `handle` names, for reading or writing.
///
/// `O_NONBLOCK | O_NOCTTY` keep the open from waiting or from taking a terminal.
pub(crate) fn reopen(handle: impl AsFd, flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open(own_link(handle), flags, Mode::empty())
}

/// Where the object of `handle` is now, without any link.
pub(crate) fn real_path(handle: impl AsFd) -> io::Result<PathBuf> {
    let target = rustix::fs::readlinkat(CWD, own_link(handle), Vec::new())?;
    let path = PathBuf::from(OsStr::from_bytes(target.as_bytes()));
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}

fn own_link(handle: impl AsFd) -> String {
    format!("/proc/self/fd/{}", handle.as_fd().as_raw_fd())
}

/// The path without links of what `path` names now.
pub(super) fn place_of(path: &Path) -> Option<PathBuf> {
    let handle = rustix::fs::openat(CWD, path, HANDLE, Mode::empty()).ok()?;
    real_path(&handle).ok()
}

/// What makes an object itself: device and inode number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub(crate) fn of(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
        }
    }

    /// The identity of what `path` names now, links followed.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        let stat = rustix::fs::statat(CWD, path, AtFlags::NO_AUTOMOUNT).ok()?;
        Some(Self::of(&stat))
    }

    /// A number that spreads objects over `stripes` stripes.
    pub(crate) fn stripe(self, stripes: u64) -> u64 {
        self.inode
            .wrapping_add(self.device)
            .checked_rem(stripes)
            .unwrap_or(0)
    }
}

/// What an object of a file system is. Displayed with its article.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    RegularFile,
    /// A directory.
    Directory,
    /// A link that was not followed, because it leads to nothing.
    DeadLink,
    /// A named pipe.
    NamedPipe,
    /// A Unix socket.
    Socket,
    /// A character or block device.
    Device,
    /// Something this program does not know.
    Unknown,
}

impl Kind {
    pub(crate) fn of(stat: &Stat) -> Self {
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Self::RegularFile,
            FileType::Directory => Self::Directory,
            FileType::Symlink => Self::DeadLink,
            FileType::Fifo => Self::NamedPipe,
            FileType::Socket => Self::Socket,
            FileType::CharacterDevice | FileType::BlockDevice => Self::Device,
            FileType::Unknown => Self::Unknown,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RegularFile => "a regular file",
            Self::Directory => "a directory",
            Self::DeadLink => "a link to nothing",
            Self::NamedPipe => "a named pipe",
            Self::Socket => "a socket",
            Self::Device => "a device",
            Self::Unknown => "a special file",
        })
    }
}
