//! Protected paths inside the roots: hidden, or read-only, or kept from being made.
//!
//! A name that does not exist can only be kept by mounting something over it, and that needs
//! something beneath: a place-holder is made on the host and removed when the last command that
//! uses it has ended. A shared lock on the root tells who does. What a killed helper left is known
//! by its mark and removed by the next command.
//!
//! The place-holder is a named pipe that nobody may open: version control ignores it, copying it
//! opens nothing, and it takes no block of the disk, where a directory may cost milliseconds to
//! remove (ext4: 3 ms each on one machine, a pipe 10 µs). All names in a root are links to one pipe.

mod pinned;

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, unmount};

use self::pinned::{Found, Pinned};
use super::Failure;
use super::mounts::{DIRECTORY, HANDLE, bind, find, restrict};
use super::private_root::{PrivateRoot, kind};
use crate::boundary::{Access, FileId, Ground, Guard, Guarded, Place, Root};
use crate::wire::Stage;

/// What is held, let go when it is dropped: every process of the command is gone by then.
pub(super) struct Guards {
    roots: Vec<Pinned>,
    /// Links on the way to protected names, and these names.
    links: Vec<PathBuf>,
    behind_links: Vec<(PathBuf, Guard)>,
    unpinned: Vec<String>,
}

impl Guards {
    /// Puts every protection in place. The roots are open already.
    pub(super) fn hold(
        root: &PrivateRoot,
        ground: &Ground,
        roots: &[Root],
        guarded: Vec<Guarded>,
    ) -> Result<Self, Failure> {
        let mut guards = Self {
            roots: Vec::new(),
            links: Vec::new(),
            behind_links: Vec::new(),
            unpinned: Vec::new(),
        };
        let failed = |error| Stage::Guard.failed(error);
        for open in roots {
            let pinned = Pinned::open(root, open).map_err(failed)?;
            if open.access == Access::ReadWrite {
                pinned.lock().map_err(|error| Stage::Lock.failed(error))?;
            }
            guards.roots.push(pinned);
        }
        guards
            .put_all_up(root, ground, roots, guarded)
            .map_err(failed)?;
        Ok(guards)
    }

    fn put_all_up(
        &mut self,
        root: &PrivateRoot,
        ground: &Ground,
        roots: &[Root],
        mut guarded: Vec<Guarded>,
    ) -> io::Result<()> {
        self.survey(ground, roots, &mut guarded)?;
        guarded.sort_by_key(|it| it.path.components().count());
        guarded.dedup();
        let targets = self.targets(root, &guarded)?;
        Self::anchor(root, roots, (&guarded, &targets))?;
        let mut read_only = Vec::new();
        for it in &guarded {
            self.put_up(root, it, &mut read_only)?;
        }
        self.hold_links(root, &mut read_only)?;
        // Those of the system too: the ground may have been laid long ago.
        for path in &ground.hidden {
            root.hide(path)?;
        }
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::RDONLY;
        let tops: Vec<(&Path, MountFlags)> =
            read_only.iter().map(|path| (&**path, flags)).collect();
        if !tops.is_empty() {
            restrict(&tops)?;
        }
        if roots.iter().any(|open| open.access == Access::ReadWrite) {
            self.unpinned.extend(ground.patterns.iter().cloned());
        }
        Ok(())
    }

    /// What could not be held.
    pub(super) fn unpinned(&mut self) -> Vec<String> {
        std::mem::take(&mut self.unpinned)
    }

    /// Finds the protected names directly beneath the roots, and makes the missing ones.
    fn survey(
        &mut self,
        ground: &Ground,
        roots: &[Root],
        guarded: &mut Vec<Guarded>,
    ) -> io::Result<()> {
        for (pinned, open) in self.roots.iter_mut().zip(roots) {
            let path = &open.place.path;
            for name in &ground.names {
                match pinned.look(name, ground, open.access)? {
                    Found::Thing => guarded.push(Guarded {
                        path: path.join(&name.name),
                        depth: name.name.components().count(),
                        guard: name.guard,
                        file: None,
                    }),
                    Found::StandIn(at) => guarded.push(Guarded {
                        depth: at.components().count(),
                        path: path.join(at),
                        guard: Guard::Hidden,
                        file: None,
                    }),
                    Found::BehindLink(at) => {
                        self.links.push(path.join(at));
                        self.behind_links.push((path.join(&name.name), name.guard));
                    }
                    Found::Unreachable => {}
                    Found::Loose => self.unpinned.push(name.name.display().to_string()),
                }
            }
        }
        Ok(())
    }

    /// What links at protected names, and on the way to them, lead to inside.
    fn targets(&self, root: &PrivateRoot, guarded: &[Guarded]) -> io::Result<Vec<PathBuf>> {
        let named = guarded.iter().map(|it| &it.path);
        let behind = self.behind_links.iter().map(|(path, _)| path);
        let mut targets = Vec::new();
        for path in named.chain(behind) {
            if let Some((_, place)) = self.find_behind(root, path)?
                && place.path != *path
            {
                targets.push(place.path);
            }
        }
        Ok(targets)
    }

    /// Makes the directories that a rule of several names or a link leads through mount points:
    /// what is mounted on cannot be renamed, so nothing can be put in its place.
    fn anchor(
        root: &PrivateRoot,
        roots: &[Root],
        (guarded, targets): (&[Guarded], &[PathBuf]),
    ) -> io::Result<()> {
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
            .chain(targets.iter().flat_map(|path| path.ancestors().skip(1)))
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

    fn put_up(
        &self,
        root: &PrivateRoot,
        guarded: &Guarded,
        read_only: &mut Vec<PathBuf>,
    ) -> io::Result<()> {
        let found = match Self::find_link(root, &guarded.path) {
            Ok(found) => found,
            Err(Errno::ACCESS) => return Ok(()),
            // Another command or its owner removed it, or a link was put on the way to it.
            Err(errno) if is_gone(errno) && guarded.file.is_none() => return Ok(()),
            Err(errno) if is_gone(errno) => return Err(Errno::STALE.into()),
            Err(errno) => return Err(errno.into()),
        };
        if let Some(file) = guarded.file
            && file != FileId::of(&rustix::fs::fstat(&found)?)
        {
            // What was found there may be open under another name now.
            return Err(Errno::STALE.into());
        }
        if kind(&found)? == FileType::Symlink {
            // First what it leads to inside: a dead link is as good as none.
            self.put_up_behind(root, &guarded.path, guarded.guard, read_only)?;
            match guarded.guard {
                Guard::Hidden => root.cover(found)?,
                Guard::ReadOnly => bind(&found, &found)?,
            }
            return Ok(());
        }
        match guarded.guard {
            Guard::Hidden => root.cover(found),
            Guard::ReadOnly => {
                bind(&found, &found)?;
                read_only.push(guarded.path.clone());
                Ok(())
            }
        }
    }

    /// What is at `path`, a link itself.
    fn find_link(root: &PrivateRoot, path: &Path) -> rustix::io::Result<OwnedFd> {
        let (top, _) = root.tops();
        let flags = HANDLE | OFlags::NOFOLLOW;
        find(top, path, flags, ResolveFlags::NO_SYMLINKS)
    }

    /// What `path` leads to in a root, links followed, and where that is.
    fn find_behind(&self, root: &PrivateRoot, path: &Path) -> io::Result<Option<(OwnedFd, Place)>> {
        let (top, _) = root.tops();
        let found = match find(top, path, HANDLE, ResolveFlags::empty()) {
            Ok(found) => found,
            Err(errno) if is_gone(errno) || errno == Errno::ACCESS => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        let place = Place::of(&found)?;
        let is_ours = self.may_be_covered(&place.path, path);
        Ok(is_ours.then_some((found, place)))
    }

    /// Protects what `path` leads to in a root, links followed; false when that is nothing.
    fn put_up_behind(
        &self,
        root: &PrivateRoot,
        path: &Path,
        guard: Guard,
        read_only: &mut Vec<PathBuf>,
    ) -> io::Result<bool> {
        let Some((found, place)) = self.find_behind(root, path)? else {
            return Ok(false);
        };
        match guard {
            Guard::Hidden => root.cover(found)?,
            Guard::ReadOnly => {
                bind(&found, &found)?;
                read_only.push(place.path);
            }
        }
        Ok(true)
    }

    /// Whether what `link` leads to is part of a root. A command may have planted a link to the
    /// system, or upwards, to have all of that covered from the next command.
    fn may_be_covered(&self, place: &Path, link: &Path) -> bool {
        let mut roots = self.roots.iter().map(|pinned| pinned.path.as_path());
        let is_inside = roots
            .clone()
            .any(|root| place != root && place.starts_with(root));
        is_inside && !link.starts_with(place) && !roots.any(|root| root.starts_with(place))
    }

    /// Makes the links on the way to protected names mount points, so that they cannot be
    /// replaced, and protects what the names lead to.
    fn hold_links(&mut self, root: &PrivateRoot, read_only: &mut Vec<PathBuf>) -> io::Result<()> {
        self.links.sort();
        self.links.dedup();
        for path in &self.links {
            match Self::find_link(root, path) {
                Ok(link) => bind(&link, &link)?,
                Err(errno) if is_gone(errno) || errno == Errno::ACCESS => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        for (path, guard) in std::mem::take(&mut self.behind_links) {
            if !self.put_up_behind(root, &path, guard, read_only)? {
                self.unpinned.push(path.display().to_string());
            }
        }
        Ok(())
    }
}

/// Whether nothing is there, or a link is on the way.
fn is_gone(errno: Errno) -> bool {
    matches!(errno, Errno::NOENT | Errno::NOTDIR | Errno::LOOP)
}

impl Drop for Guards {
    fn drop(&mut self) {
        for pinned in self.roots.iter().filter(|pinned| !pinned.made.is_empty()) {
            // Covered names cannot be removed; what stays is removed by the next command.
            unmount(&pinned.path, UnmountFlags::DETACH).ok();
        }
        for pinned in &self.roots {
            pinned.clear();
        }
    }
}
