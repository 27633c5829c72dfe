//! Proof that the policy was asked about a path: values that only [`super::Roots`] makes.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::AtFlags;

use super::resolve::Identity;
use super::{Access, FileLimits};

/// A regular file that may be read. Holds the file itself, not its name.
#[derive(Debug)]
pub struct ConfinedPath {
    pub(crate) handle: OwnedFd,
    pub(crate) shown: String,
    pub(crate) limits: FileLimits,
}

impl ConfinedPath {
    /// The absolute path, for replies.
    pub fn path(&self) -> &str {
        &self.shown
    }
}

/// A directory that a command may work in. Holds the directory itself, not its name.
#[derive(Debug)]
pub struct ConfinedDir {
    pub(super) handle: OwnedFd,
    pub(super) shown: String,
    pub(super) real: PathBuf,
    pub(super) access: Access,
}

impl ConfinedDir {
    /// The absolute path, for replies.
    pub fn path(&self) -> &str {
        &self.shown
    }

    /// Where the directory was when it was judged, without links.
    pub fn real_path(&self) -> &Path {
        &self.real
    }

    /// What may be done in it.
    pub fn access(&self) -> Access {
        self.access
    }

    /// Another descriptor of the directory (`O_PATH`, close-on-exec).
    pub fn try_clone(&self) -> io::Result<OwnedFd> {
        self.handle.try_clone()
    }
}

impl AsFd for ConfinedDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

/// A place that may be written: a regular file, or a name in a directory that may be extended.
#[derive(Debug)]
pub struct ConfinedTarget {
    pub(crate) target: Target,
    pub(crate) shown: String,
    pub(crate) limits: FileLimits,
}

impl ConfinedTarget {
    /// The absolute path, for replies.
    pub fn path(&self) -> &str {
        &self.shown
    }

    /// Whether a file was there when the place was judged.
    pub fn exists(&self) -> bool {
        matches!(self.target, Target::Existing(_))
    }
}

/// What is at a place to be written.
#[derive(Debug)]
pub(crate) enum Target {
    Existing(Existing),
    Missing(Missing),
}

/// A file with the directory and name it was found under, links followed.
#[derive(Debug)]
pub(crate) struct Existing {
    pub(crate) parent: OwnedFd,
    pub(crate) name: OsString,
    pub(crate) handle: OwnedFd,
}

impl Existing {
    /// Whether the name still stands for the file that was judged.
    pub(crate) fn is_in_place(&self) -> bool {
        let named = rustix::fs::statat(&self.parent, &self.name, AtFlags::SYMLINK_NOFOLLOW);
        let judged = rustix::fs::fstat(&self.handle);
        matches!((named, judged), (Ok(a), Ok(b)) if Identity::of(&a) == Identity::of(&b))
    }
}

/// A name to be created beneath an existing directory.
#[derive(Debug)]
pub(crate) struct Missing {
    pub(crate) ancestor: OwnedFd,
    pub(crate) directories: Vec<OsString>,
    pub(crate) name: OsString,
}
