//! A root as the host has it, with the place-holders that were made in it.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{
    AtFlags, FileType, FlockOperation, Mode, OFlags, ResolveFlags, flock, linkat, mknodat, openat,
    statat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::super::mounts::{DIRECTORY, find, plain_names};
use super::super::private_root::PrivateRoot;
use crate::boundary::{Access, Ground, GuardedName, Root};

/// Mode of a place-holder. The sticky bit, which means nothing on a pipe, marks it.
const STAND_IN: u32 = 0o1000;
/// How long another command's clean-up may hold a root.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
const LOCK_PAUSE: Duration = Duration::from_millis(1);

/// A root with what was made in it.
pub(super) struct Pinned {
    pub(super) path: PathBuf,
    host: OwnedFd,
    /// Place-holders, relative to the root.
    pub(super) made: BTreeSet<PathBuf>,
    /// Directory and name of the first that was made here.
    first: Option<(OwnedFd, OsString)>,
}

/// What is at a protected name.
pub(super) enum Found {
    /// Something to be protected.
    Thing,
    /// Nothing but a place-holder here, relative to the root, at the name or above it.
    StandIn(PathBuf),
    /// Nothing, and the command cannot make anything there either.
    Unreachable,
    /// Whatever this link on the way to it, relative to the root, leads to.
    BehindLink(PathBuf),
    /// Nothing, and it cannot be held.
    Loose,
}

impl Pinned {
    pub(super) fn open(root: &PrivateRoot, open: &Root) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let (_, old) = root.tops();
        let path = open.place.path.clone();
        Ok(Self {
            host: find(old, &path, flags, ResolveFlags::NO_SYMLINKS)?,
            path,
            made: BTreeSet::new(),
            first: None,
        })
    }

    /// Announces that names in this root are in use. Waits for [`LOCK_PATIENCE`] at most.
    pub(super) fn lock(&self) -> io::Result<()> {
        let deadline = Instant::now() + LOCK_PATIENCE;
        loop {
            match flock(&self.host, FlockOperation::NonBlockingLockShared) {
                Err(Errno::WOULDBLOCK) if Instant::now() < deadline => thread::sleep(LOCK_PAUSE),
                other => return Ok(other?),
            }
        }
    }

    /// Removes what was made, unless another command uses it.
    pub(super) fn clear(&self) {
        if flock(&self.host, FlockOperation::NonBlockingLockExclusive).is_err() {
            return;
        }
        for path in &self.made {
            self.remove(path);
        }
    }

    fn remove(&self, path: &Path) {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return;
        };
        // An empty path names nothing, not the root itself.
        let parent = Path::new(".").join(parent);
        let Ok(directory) = find(&self.host, &parent, DIRECTORY, ResolveFlags::NO_SYMLINKS) else {
            return;
        };
        if is_stand_in(&directory, name) {
            // At worst the next command removes it.
            unlinkat(&directory, name, AtFlags::empty()).ok();
        }
    }

    /// Finds a protected name, or holds the first part of it that is missing.
    pub(super) fn look(
        &mut self,
        name: &GuardedName,
        ground: &Ground,
        access: Access,
    ) -> io::Result<Found> {
        let mut at = self.host.try_clone()?;
        let mut path = PathBuf::new();
        let mut names = plain_names(&name.name).peekable();
        while let Some(part) = names.next() {
            let is_first = path.as_os_str().is_empty();
            let is_last = names.peek().is_none();
            path.push(part);
            let found = statat(&at, part, AtFlags::SYMLINK_NOFOLLOW);
            match found.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
                Ok(FileType::Fifo) if is_stand_in(&at, part) => return Ok(self.keep(path)),
                Ok(_) if is_last => return Ok(Found::Thing),
                Ok(FileType::Directory) => {}
                Ok(FileType::Symlink) => return Ok(Found::BehindLink(path)),
                Ok(_) | Err(Errno::ACCESS) => return Ok(Found::Unreachable),
                Err(Errno::NOENT) if access == Access::ReadOnly => return Ok(Found::Unreachable),
                Err(Errno::NOENT) if is_first && !is_last && may_be_made(ground, part) => {
                    return Ok(Found::Loose);
                }
                Err(Errno::NOENT) => return self.stand_in(&at, part, path),
                Err(errno) => return Err(errno.into()),
            }
            at = match openat(&at, part, DIRECTORY, Mode::empty()) {
                Ok(inner) => inner,
                Err(Errno::ACCESS) => return Ok(Found::Unreachable),
                Err(_) => return Ok(Found::Loose),
            };
        }
        Ok(Found::Thing)
    }

    fn stand_in(&mut self, at: &OwnedFd, name: &OsStr, path: PathBuf) -> io::Result<Found> {
        if self.link_first(at, name) {
            return Ok(self.keep(path));
        }
        match mknodat(at, name, FileType::Fifo, Mode::from(STAND_IN), 0) {
            Ok(()) => {
                self.first = Some((at.try_clone()?, name.to_owned()));
                Ok(self.keep(path))
            }
            // Another command's, or somebody else's own.
            Err(Errno::EXIST) if is_stand_in(at, name) => Ok(self.keep(path)),
            Err(Errno::EXIST) => Ok(Found::Loose),
            // The command cannot make anything here either.
            Err(Errno::ACCESS | Errno::PERM | Errno::ROFS) => Ok(Found::Unreachable),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Gives the first place-holder another name, because an inode of its own costs a search on
    /// ext4 past all those that were freed in the last five seconds.
    fn link_first(&self, at: &OwnedFd, name: &OsStr) -> bool {
        let Some((directory, first)) = &self.first else {
            return false;
        };
        if linkat(directory, first, at, name, AtFlags::empty()).is_err() {
            return false;
        }
        if is_stand_in(at, name) {
            return true;
        }
        // Somebody put another thing under the first one's name; this name of it is ours.
        unlinkat(at, name, AtFlags::empty()).ok();
        false
    }

    fn keep(&mut self, path: PathBuf) -> Found {
        self.made.insert(path.clone());
        Found::StandIn(path)
    }
}

fn may_be_made(ground: &Ground, name: &OsStr) -> bool {
    ground
        .creatable
        .iter()
        .any(|creatable| name == creatable.as_str())
}

fn is_stand_in(directory: &OwnedFd, name: &OsStr) -> bool {
    statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| {
        FileType::from_raw_mode(stat.st_mode) == FileType::Fifo
            && stat.st_mode & 0o7777 == STAND_IN
            && stat.st_uid == geteuid().as_raw()
    })
}
