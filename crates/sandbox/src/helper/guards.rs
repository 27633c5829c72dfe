//! Protected paths inside the roots: hidden, or read-only, or kept from being made.
//!
//! A name that does not exist can only be kept by mounting something over it, and that needs
//! something beneath: a place-holder is made on the host and removed when the last command that
//! uses it has ended. A shared lock on the root tells who does. What a killed helper left is known
//! by its mark and removed by the next command.
//!
//! The place-holder is a named pipe that nobody may open: version control ignores it, copying it
//! opens nothing, and it takes no block of the disk, where a directory may cost milliseconds to
//! remove (ext4: 3 ms each on one machine, a pipe 10 µs).

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{
    AtFlags, FileType, FlockOperation, Mode, OFlags, ResolveFlags, flock, mknodat, openat, statat,
    unlinkat,
};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, unmount};
use rustix::process::geteuid;

use super::mounts::{DIRECTORY, HANDLE, bind, find, plain_names, restrict};
use super::private_root::{PrivateRoot, kind};
use crate::boundary::{Access, Ground, Guard, Guarded, GuardedName, Root};

/// Mode of a place-holder. The sticky bit, which means nothing on a pipe, marks it.
const STAND_IN: u32 = 0o1000;
/// How long another command's clean-up may hold a root.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
const LOCK_PAUSE: Duration = Duration::from_millis(1);

/// What is held, to be let go in the end.
pub(super) struct Guards {
    roots: Vec<Pinned>,
    unpinned: Vec<String>,
}

/// A writable root with what was made in it.
struct Pinned {
    path: PathBuf,
    host: OwnedFd,
    /// Place-holders, relative to the root.
    made: BTreeSet<PathBuf>,
}

impl Guards {
    /// Puts every protection in place. The roots are open already.
    pub(super) fn hold(
        root: &PrivateRoot,
        ground: &Ground,
        roots: &[Root],
        guarded: Vec<Guarded>,
    ) -> io::Result<Self> {
        let mut guards = Self {
            roots: Vec::new(),
            unpinned: Vec::new(),
        };
        let mut guarded = guarded;
        for open in roots {
            guards.survey(root, ground, open, &mut guarded)?;
        }
        guarded.sort_by_key(|it| it.path.components().count());
        guarded.dedup();
        Self::anchor(root, roots, &guarded)?;
        let mut read_only = Vec::new();
        for it in &guarded {
            guards.put_up(root, it, &mut read_only)?;
        }
        for path in &ground.hidden {
            if roots.iter().any(|open| path.starts_with(&open.place.path)) {
                root.hide(path)?;
            }
        }
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::RDONLY;
        let tops: Vec<(&Path, MountFlags)> = read_only
            .iter()
            .map(|path: &&Path| (*path, flags))
            .collect();
        if !tops.is_empty() {
            restrict(&tops)?;
        }
        if roots.iter().any(|open| open.access == Access::ReadWrite) {
            guards.unpinned.extend(ground.patterns.iter().cloned());
        }
        Ok(guards)
    }

    /// What could not be held.
    pub(super) fn unpinned(&mut self) -> Vec<String> {
        std::mem::take(&mut self.unpinned)
    }

    /// Removes what was made. Every process of the command is gone by now.
    pub(super) fn let_go(self) {
        for pinned in self.roots.iter().filter(|pinned| !pinned.made.is_empty()) {
            // Covered names cannot be removed; what stays is removed by the next command.
            unmount(&pinned.path, UnmountFlags::DETACH).ok();
        }
        for pinned in self.roots {
            if flock(&pinned.host, FlockOperation::NonBlockingLockExclusive).is_err() {
                continue;
            }
            for path in &pinned.made {
                pinned.remove(path);
            }
        }
    }

    /// Finds the protected names directly beneath a root, and makes the missing ones.
    fn survey(
        &mut self,
        root: &PrivateRoot,
        ground: &Ground,
        open: &Root,
        guarded: &mut Vec<Guarded>,
    ) -> io::Result<()> {
        let path = &open.place.path;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let (_, old) = root.tops();
        let host = find(old, path, flags, ResolveFlags::NO_SYMLINKS)?;
        let mut pinned = Pinned {
            path: path.clone(),
            host,
            made: BTreeSet::new(),
        };
        if open.access == Access::ReadWrite {
            pinned.lock()?;
        }
        for name in &ground.names {
            match pinned.look(name, ground, open.access)? {
                Found::Thing => guarded.push(Guarded {
                    path: path.join(&name.name),
                    depth: name.name.components().count(),
                    guard: name.guard,
                }),
                Found::StandIn(at) => guarded.push(Guarded {
                    depth: at.components().count(),
                    path: path.join(at),
                    guard: Guard::Hidden,
                }),
                Found::Unreachable => {}
                Found::Loose => self.unpinned.push(name.name.display().to_string()),
            }
        }
        self.roots.push(pinned);
        Ok(())
    }

    /// Makes the directories that a rule of several names leads through mount points: what is
    /// mounted on cannot be renamed, so nothing can be put in its place.
    fn anchor(root: &PrivateRoot, roots: &[Root], guarded: &[Guarded]) -> io::Result<()> {
        let is_inside = |path: &Path| {
            roots.iter().any(|open| {
                open.access == Access::ReadWrite
                    && path != open.place.path
                    && path.starts_with(&open.place.path)
            })
        };
        let anchors: BTreeSet<&Path> = guarded
            .iter()
            .flat_map(|it| it.path.ancestors().take(it.depth).skip(1))
            .filter(|path| is_inside(path))
            .collect();
        let (top, _) = root.tops();
        // A directory comes before those in it.
        for path in anchors {
            match find(top, path, DIRECTORY, ResolveFlags::NO_SYMLINKS) {
                Ok(found) => bind(&found, &found)?,
                // It is gone, or a link was put in its place: `put_up` tells.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    fn put_up<'a>(
        &mut self,
        root: &PrivateRoot,
        guarded: &'a Guarded,
        read_only: &mut Vec<&'a Path>,
    ) -> io::Result<()> {
        let (top, _) = root.tops();
        let flags = HANDLE | OFlags::NOFOLLOW;
        let found = match find(top, &guarded.path, flags, ResolveFlags::NO_SYMLINKS) {
            Ok(found) => found,
            // Another command or its owner removed it, or nobody here can reach it.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => return Ok(()),
            Err(Errno::LOOP) => {
                self.unpinned.push(guarded.path.display().to_string());
                return Ok(());
            }
            Err(errno) => return Err(errno.into()),
        };
        if kind(&found)? == FileType::Symlink {
            // A link cannot be covered; what it leads to inside the roots is.
            self.unpinned.push(guarded.path.display().to_string());
            return root.hide(&guarded.path);
        }
        match guarded.guard {
            Guard::Hidden => root.cover(found),
            Guard::ReadOnly => {
                bind(&found, &found)?;
                read_only.push(&guarded.path);
                Ok(())
            }
        }
    }
}

/// What is at a protected name.
enum Found {
    /// Something to be protected.
    Thing,
    /// Nothing but a place-holder here, relative to the root, at the name or above it.
    StandIn(PathBuf),
    /// Nothing, and the command cannot make anything there either.
    Unreachable,
    /// Nothing, and it cannot be held.
    Loose,
}

impl Pinned {
    /// Announces that names in this root are in use.
    fn lock(&self) -> io::Result<()> {
        let deadline = Instant::now() + LOCK_PATIENCE;
        loop {
            match flock(&self.host, FlockOperation::NonBlockingLockShared) {
                Err(Errno::WOULDBLOCK) if Instant::now() < deadline => thread::sleep(LOCK_PAUSE),
                other => return Ok(other?),
            }
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
    fn look(&mut self, name: &GuardedName, ground: &Ground, access: Access) -> io::Result<Found> {
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
                Ok(FileType::Symlink) => return Ok(Found::Loose),
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
        match mknodat(at, name, FileType::Fifo, Mode::from(STAND_IN), 0) {
            Ok(()) => Ok(self.keep(path)),
            // Another command's, or somebody else's own.
            Err(Errno::EXIST) if is_stand_in(at, name) => Ok(self.keep(path)),
            Err(Errno::EXIST) => Ok(Found::Loose),
            // The command cannot make anything here either.
            Err(Errno::ACCESS | Errno::PERM | Errno::ROFS) => Ok(Found::Unreachable),
            Err(errno) => Err(errno.into()),
        }
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
