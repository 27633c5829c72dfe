//! A file under a temporary name, until it takes its place in one step.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::{FileError, Interrupt};

/// Bytes written between two looks at the interrupt.
const PIECE: usize = 1024 * 1024;
/// Bits of a mode that a replacement keeps. Set-user-ID, set-group-ID and sticky are not among
/// them: new content must not inherit them.
const KEPT_MODE: u32 = 0o777;

/// New content beside the place it is meant for. Dropped before it is published, it is gone.
pub(super) struct Draft<'a> {
    directory: &'a OwnedFd,
    name: String,
    file: File,
    path: &'a str,
    published: bool,
}

impl<'a> Draft<'a> {
    /// An empty draft in `directory` for what the caller knows as `path`, with the permissions
    /// that the umask leaves of `mode`.
    pub(super) fn create(
        directory: &'a OwnedFd,
        path: &'a str,
        mode: Mode,
    ) -> Result<Self, FileError> {
        let failed = FileError::io("create a temporary file beside", path);
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|_| failed(std::io::Error::from(Errno::IO)))?;
        let name = format!(".omnipotent-{:032x}", u128::from_ne_bytes(random));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let file = rustix::fs::openat2(directory, &name, flags | OFlags::CLOEXEC, mode, resolve)
            .map_err(|errno| failed(errno.into()))?;
        Ok(Self {
            directory,
            name,
            file: file.into(),
            path,
            published: false,
        })
    }

    /// Writes all of `content`.
    pub(super) fn fill(&mut self, content: &[u8], interrupt: &Interrupt) -> Result<(), FileError> {
        for piece in content.chunks(PIECE) {
            interrupt.check()?;
            self.file
                .write_all(piece)
                .map_err(FileError::io("write", self.path))?;
        }
        Ok(())
    }

    /// Takes over permissions, and owner and group where that is allowed, of the file to replace.
    pub(super) fn take_after(&self, old: &Stat) -> Result<(), FileError> {
        let failed = FileError::io("keep the permissions of", self.path);
        let own = rustix::fs::fstat(&self.file).map_err(failed)?;
        if (own.st_uid, own.st_gid) != (old.st_uid, old.st_gid) {
            let owner = rustix::fs::Uid::from_raw(old.st_uid);
            let group = rustix::fs::Gid::from_raw(old.st_gid);
            match rustix::fs::fchown(&self.file, Some(owner), Some(group)) {
                // Only root may give a file away; anyone else ends up owning what they wrote.
                Ok(()) | Err(Errno::PERM) => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
        let mode = Mode::from_raw_mode(old.st_mode & KEPT_MODE);
        rustix::fs::fchmod(&self.file, mode).map_err(failed)
    }

    /// Makes the content durable, before any name leads to it.
    pub(super) fn sync(&self) -> Result<(), FileError> {
        rustix::fs::fsync(&self.file).map_err(FileError::io("store", self.path))
    }

    /// Takes the place of whatever `name` is.
    pub(super) fn replace(mut self, name: &OsStr) -> Result<(), FileError> {
        rustix::fs::renameat(self.directory, &self.name, self.directory, name)
            .map_err(FileError::io("replace", self.path))?;
        self.published = true;
        sync_directory(self.directory, self.path)
    }

    /// Takes `name` if it is free, otherwise gives the draft back.
    pub(super) fn claim(mut self, name: &OsStr) -> Result<Option<Self>, FileError> {
        let (directory, temporary) = (self.directory, Path::new(&self.name));
        let flags = RenameFlags::NOREPLACE;
        let claimed = match rustix::fs::renameat_with(directory, temporary, directory, name, flags)
        {
            // Some network file systems know no flags, see renameat2(2); they know linkat(2),
            // after which dropping the draft takes its temporary name away.
            Err(Errno::INVAL) => {
                rustix::fs::linkat(directory, temporary, directory, name, AtFlags::empty())
            }
            other => other.inspect(|()| self.published = true),
        };
        match claimed {
            Ok(()) => sync_directory(directory, self.path).map(|()| None),
            Err(Errno::EXIST) => Ok(Some(self)),
            Err(errno) => Err(FileError::io("create", self.path)(errno)),
        }
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if !self.published {
            // Nobody is left to tell; the name says where it comes from.
            rustix::fs::unlinkat(self.directory, &self.name, AtFlags::empty()).unwrap_or(());
        }
    }
}

/// Makes the names in `directory` durable.
pub(super) fn sync_directory(directory: impl AsFd, path: &str) -> Result<(), FileError> {
    rustix::fs::fsync(directory).map_err(FileError::io("store the directory of", path))
}
