//! The directory that holds the audit, and its files, opened so that nobody else can have put
//! something in their place.
#![expect(
    clippy::disallowed_methods,
    reason = "the audit's directory is the server's own, never a call's"
)]

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::AuditError;

/// Bits of a mode that let somebody but the owner write.
const OTHERS_WRITE: u32 = 0o022;
/// Bits of a mode that let somebody but the owner do anything.
const OTHERS: u32 = 0o077;

const NO_FILE: &str = "is not a regular file";

/// The directory that holds the audit.
#[derive(Debug)]
pub(crate) struct Place {
    directory: OwnedFd,
    path: PathBuf,
    name: OsString,
}

/// Which file a name stands for, as long as it exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity(u64, u64);

impl Identity {
    pub(crate) fn of(stat: &Stat) -> Self {
        Self(stat.st_dev, stat.st_ino)
    }
}

impl Place {
    /// Opens the directory of the audit at `path`, making it with mode 0700 when there is none.
    pub(crate) fn open(path: &Path) -> Result<Self, AuditError> {
        let unfit = |path: &Path, reason| AuditError::Unfit {
            path: path.to_owned(),
            reason,
        };
        let (Some(parent), Some(name), true) =
            (path.parent(), path.file_name(), path.is_absolute())
        else {
            return Err(unfit(path, "is not the absolute path of a file"));
        };
        let failed = |action| {
            move |source: io::Error| AuditError::Io {
                action,
                path: parent.to_owned(),
                source,
            }
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)
            .map_err(failed("make the directory"))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(CWD, parent, flags, Mode::empty())
            .map_err(|errno| failed("open")(errno.into()))?;
        let stat =
            rustix::fs::fstat(&directory).map_err(|errno| failed("look at")(errno.into()))?;
        if !is_own(&stat) {
            return Err(unfit(parent, "belongs to another user"));
        }
        if stat.st_mode & OTHERS_WRITE != 0 {
            return Err(unfit(
                parent,
                "can be written by others; run chmod go-w on it",
            ));
        }
        Ok(Self {
            directory,
            path: fs::canonicalize(parent).map_err(failed("find"))?,
            name: name.to_owned(),
        })
    }

    /// The current file, made when there is none and `make` says so.
    pub(crate) fn current(&self, make: Make) -> Result<Option<(OwnedFd, Stat)>, AuditError> {
        let create = match make {
            Make::New => OFlags::CREATE | OFlags::EXCL,
            Make::Nothing => OFlags::empty(),
        };
        self.open_file(&self.name, create | OFlags::RDWR | OFlags::APPEND)
    }

    /// A rotated file, to be read.
    pub(crate) fn rotated(&self, number: u64) -> Result<Option<(OwnedFd, Stat)>, AuditError> {
        self.open_file(&self.rotated_name(number), OFlags::RDONLY)
    }

    /// The file that is locked while the audit is written.
    pub(crate) fn lock_file(&self) -> Result<OwnedFd, AuditError> {
        let name = self.lock_name();
        let opened = self.open_file(&name, OFlags::RDWR | OFlags::CREATE)?;
        opened
            .map(|(file, _)| file)
            .ok_or_else(|| self.io("open", &name)(Errno::NOENT))
    }

    fn open_file(
        &self,
        name: &OsStr,
        flags: OFlags,
    ) -> Result<Option<(OwnedFd, Stat)>, AuditError> {
        // A FIFO must not make the open wait, and no link is followed.
        let safe = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = match rustix::fs::openat(&self.directory, name, flags | safe, mode) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err(self.unfit(name, "is a symbolic link")),
            Err(Errno::ISDIR) => return Err(self.unfit(name, NO_FILE)),
            Err(errno) => return Err(self.io("open", name)(errno)),
        };
        let stat = rustix::fs::fstat(&file).map_err(self.io("look at", name))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(self.unfit(name, NO_FILE));
        }
        if !is_own(&stat) {
            return Err(self.unfit(name, "belongs to another user"));
        }
        if stat.st_mode & OTHERS != 0 {
            return Err(self.unfit(name, "is open to others; run chmod 600 on it"));
        }
        if stat.st_nlink > 1 {
            return Err(self.unfit(name, "has a second name; remove the other hard link"));
        }
        Ok(Some((file, stat)))
    }

    /// What the name of the current file stands for now.
    pub(crate) fn look(&self) -> Result<Option<Stat>, AuditError> {
        match rustix::fs::statat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.io("look at", &self.name)(errno)),
        }
    }

    /// Gives the current file the name of a rotated one.
    pub(crate) fn set_aside(&self, number: u64) -> Result<(), AuditError> {
        let to = self.rotated_name(number);
        rustix::fs::renameat(&self.directory, &self.name, &self.directory, &to)
            .map_err(self.io("rename", &self.name))
    }

    /// Removes a rotated file.
    pub(crate) fn remove(&self, number: u64) -> Result<(), AuditError> {
        let name = self.rotated_name(number);
        rustix::fs::unlinkat(&self.directory, &name, AtFlags::empty())
            .map_err(self.io("remove", &name))
    }

    /// The numbers of the rotated files, in order.
    pub(crate) fn numbers(&self) -> Result<Vec<u64>, AuditError> {
        let entries = Dir::read_from(&self.directory).map_err(self.io("list", OsStr::new(".")))?;
        let mut numbers = Vec::new();
        for entry in entries {
            let entry = entry.map_err(self.io("list", OsStr::new(".")))?;
            numbers.extend(rotated_number(&self.name, entry.file_name().to_bytes()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    pub(crate) fn rotated_name(&self, number: u64) -> OsString {
        let mut name = self.name.clone();
        name.push(format!(".{number:06}"));
        name
    }

    fn lock_name(&self) -> OsString {
        let mut name = self.name.clone();
        name.push(".lock");
        name
    }

    /// The directory, without links.
    pub(crate) fn directory(&self) -> &Path {
        &self.path
    }

    /// The current file.
    pub(crate) fn file(&self) -> PathBuf {
        self.path.join(&self.name)
    }

    /// The lock file.
    pub(crate) fn lock_path(&self) -> PathBuf {
        self.path.join(self.lock_name())
    }

    /// Makes the names in the directory durable.
    pub(crate) fn sync(&self) -> Result<(), AuditError> {
        rustix::fs::fsync(self.directory.as_fd()).map_err(self.io("store", OsStr::new(".")))
    }

    fn unfit(&self, name: &OsStr, reason: &'static str) -> AuditError {
        AuditError::Unfit {
            path: self.path.join(name),
            reason,
        }
    }

    /// Wraps a failure of `action` on the current file.
    pub(crate) fn failed(&self, action: &'static str) -> impl Fn(Errno) -> AuditError {
        self.io(action, &self.name)
    }

    /// Wraps a failure of `action` on a file here.
    pub(crate) fn io(&self, action: &'static str, name: &OsStr) -> impl Fn(Errno) -> AuditError {
        let path = self.path.join(name);
        move |errno| match errno {
            Errno::NOSPC | Errno::DQUOT => AuditError::Full { path: path.clone() },
            errno => AuditError::Io {
                action,
                path: path.clone(),
                source: errno.into(),
            },
        }
    }
}

/// Whether the current file is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Make {
    /// It is; there must be none.
    New,
    /// It is not.
    Nothing,
}

/// The number of a rotated file of the audit called `name`.
pub(crate) fn rotated_number(name: &OsStr, file: &[u8]) -> Option<u64> {
    let digits = file
        .strip_prefix(name.as_encoded_bytes())?
        .strip_prefix(b".")?;
    let all_digits = digits.len() >= 6 && digits.iter().all(u8::is_ascii_digit);
    str::from_utf8(digits)
        .ok()
        .filter(|_| all_digits)?
        .parse()
        .ok()
}

fn is_own(stat: &Stat) -> bool {
    stat.st_uid == rustix::process::geteuid().as_raw()
}
