//! Writing: replacing and creating in one step, and appending.
//!
//! A write that was answered is durable; a write that failed or was interrupted left what was
//! there. Content goes to a temporary name, is synced, and then takes its place by `rename(2)`.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::draft::{Draft, sync_directory};
use super::{Digest, FileError, Interrupt, OpenedFile};
use crate::paths::resolve::{DIRECTORY, Identity, open_beneath, reopen};
use crate::paths::{ConfinedTarget, Existing, FileLimits, Missing, Target};

/// Only one writer of this process at a time may judge and change a name, or two that expect the
/// same content would both find it. Striped by directory; nothing but the last steps is under it.
static TURNS: [Mutex<()>; 16] = [const { Mutex::new(()) }; 16];

/// What a write left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Size of the whole file, in bytes.
    pub size: u64,
    /// Whether the file is new.
    pub created: bool,
    /// SHA-256 of the whole file; none after an append to a file larger than `append_hash_bytes`.
    pub digest: Option<Digest>,
}

impl ConfinedTarget {
    /// Makes `content` the whole content of the file, if its content was the expected one.
    ///
    /// A new inode takes the name: the permissions are kept, extended attributes and further hard
    /// links are not.
    pub fn overwrite(
        self,
        content: &[u8],
        expected: Option<Digest>,
        interrupt: &Interrupt,
    ) -> Result<Written, FileError> {
        let Self {
            target,
            shown,
            limits,
        } = self;
        require_room(&shown, 0, content, limits)?;
        match target {
            Target::Existing(old) => {
                replace(&old, &shown, (content, expected, limits), interrupt)?;
                Ok(Written::whole(content, false))
            }
            Target::Missing(_) if expected.is_some() => Err(missing_expected(shown)),
            Target::Missing(new) => {
                let parent = make_directories(new.ancestor, &new.directories, &shown)?;
                let draft = new_draft(&parent, &shown, content, interrupt)?;
                let taken = draft.claim(&new.name)?;
                let created = taken.is_none();
                taken.map_or(Ok(()), |draft| draft.replace(&new.name))?;
                Ok(Written::whole(content, created))
            }
        }
    }

    /// Creates the file with `content`; [`FileError::Exists`] if it is there already.
    pub fn create_new(self, content: &[u8], interrupt: &Interrupt) -> Result<Written, FileError> {
        let Self {
            target,
            shown,
            limits,
        } = self;
        require_room(&shown, 0, content, limits)?;
        match target {
            Target::Existing(_) => Err(FileError::Exists { path: shown }),
            Target::Missing(new) => create(new, &shown, content, interrupt),
        }
    }

    /// Adds `content` to the end of the file, or creates it, if its content was the expected one.
    pub fn append(
        self,
        content: &[u8],
        expected: Option<Digest>,
        interrupt: &Interrupt,
    ) -> Result<Written, FileError> {
        let Self {
            target,
            shown,
            limits,
        } = self;
        match target {
            Target::Existing(old) => extend(&old, &shown, (content, expected, limits), interrupt),
            Target::Missing(_) if expected.is_some() => Err(missing_expected(shown)),
            Target::Missing(new) => {
                require_room(&shown, 0, content, limits)?;
                create(new, &shown, content, interrupt)
            }
        }
    }
}

impl Written {
    fn whole(content: &[u8], created: bool) -> Self {
        Self {
            size: length(content),
            created,
            digest: Some(Digest::of(content)),
        }
    }
}

/// Content, the digest expected of what it meets, and the limits.
type Order<'a> = (&'a [u8], Option<Digest>, FileLimits);

fn replace(
    old: &Existing,
    path: &str,
    (content, expected, limits): Order<'_>,
    interrupt: &Interrupt,
) -> Result<(), FileError> {
    let mut draft = Draft::create(&old.parent, path, Mode::RUSR | Mode::WUSR)?;
    draft.fill(content, interrupt)?;
    let stat = rustix::fs::fstat(&old.handle).map_err(FileError::io("inspect", path))?;
    draft.take_after(&stat)?;
    draft.sync()?;
    let _turn = turn(&old.parent);
    if let Some(expected) = expected {
        require_content(old, path, expected, limits, interrupt)?;
    }
    interrupt.check()?;
    draft.replace(&old.name)
}

fn create(
    new: Missing,
    path: &str,
    content: &[u8],
    interrupt: &Interrupt,
) -> Result<Written, FileError> {
    let parent = make_directories(new.ancestor, &new.directories, path)?;
    match new_draft(&parent, path, content, interrupt)?.claim(&new.name)? {
        None => Ok(Written::whole(content, true)),
        Some(_) => Err(FileError::Exists {
            path: path.to_owned(),
        }),
    }
}

fn extend(
    old: &Existing,
    path: &str,
    (content, expected, limits): Order<'_>,
    interrupt: &Interrupt,
) -> Result<Written, FileError> {
    let failed = FileError::io("append to", path);
    let handle = reopen(&old.handle, OFlags::WRONLY | OFlags::APPEND);
    let mut file = File::from(handle.map_err(FileError::io("open", path))?);
    let size = {
        let _turn = turn(&old.parent);
        match expected {
            Some(expected) => require_content(old, path, expected, limits, interrupt)?,
            None => require_in_place(old, path)?,
        }
        let before = size_of(&file, path)?;
        let size = require_room(path, before, content, limits)?;
        interrupt.check()?;
        if let Err(error) = file.write_all(content) {
            take_back(&file, before, size);
            return Err(failed(error));
        }
        size
    };
    rustix::fs::fsync(&file).map_err(FileError::io("store", path))?;
    // The append stands whatever becomes of the hash, so that is no error.
    let digest = (size <= limits.rehashed)
        .then(|| OpenedFile::of(&old.handle, path, limits.rehashed)?.digest(interrupt))
        .and_then(Result::ok);
    Ok(Written {
        size,
        created: false,
        digest,
    })
}

/// Cuts off the part of an append that was written, unless someone else wrote behind it.
fn take_back(file: &File, before: u64, intended: u64) {
    let grown = rustix::fs::fstat(file).is_ok_and(|stat| {
        u64::try_from(stat.st_size).is_ok_and(|now| (before..=intended).contains(&now))
    });
    if grown {
        // The error that led here is the one to report.
        rustix::fs::ftruncate(file, before).unwrap_or(());
    }
}

fn new_draft<'a>(
    parent: &'a OwnedFd,
    path: &'a str,
    content: &[u8],
    interrupt: &Interrupt,
) -> Result<Draft<'a>, FileError> {
    let mut draft = Draft::create(parent, path, Mode::from_raw_mode(0o666))?;
    draft.fill(content, interrupt)?;
    draft.sync()?;
    interrupt.check()?;
    Ok(draft)
}

/// Creates `names` below `ancestor`, each in the handle of the one before; links are not followed.
pub(super) fn make_directories(
    ancestor: OwnedFd,
    names: &[OsString],
    path: &str,
) -> Result<OwnedFd, FileError> {
    let failed = FileError::io("create a directory for", path);
    names.iter().try_fold(ancestor, |directory, name| {
        match rustix::fs::mkdirat(&directory, name, Mode::from_raw_mode(0o777)) {
            Ok(()) => sync_directory(&directory, path)?,
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(failed(errno)),
        }
        open_beneath(
            &directory,
            Path::new(name),
            DIRECTORY,
            ResolveFlags::NO_SYMLINKS,
        )
        .map_err(failed)
    })
}

fn turn(directory: impl AsFd) -> MutexGuard<'static, ()> {
    let identity = rustix::fs::fstat(directory).map(|stat| Identity::of(&stat));
    let stripes = length(&TURNS);
    let stripe = identity.map_or(0, |identity| identity.stripe(stripes));
    let [first, ..] = &TURNS;
    let mutex = usize::try_from(stripe)
        .ok()
        .and_then(|at| TURNS.get(at))
        .unwrap_or(first);
    // The lock guards no data, so a panic under it leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn require_in_place(old: &Existing, path: &str) -> Result<(), FileError> {
    if old.is_in_place() {
        return Ok(());
    }
    Err(FileError::Changed {
        path: path.to_owned(),
        what: "another file took its name",
    })
}

fn require_content(
    old: &Existing,
    path: &str,
    expected: Digest,
    limits: FileLimits,
    interrupt: &Interrupt,
) -> Result<(), FileError> {
    let found = OpenedFile::of(&old.handle, path, limits.read)?.digest(interrupt)?;
    if found != expected {
        let what = "its content has another hash than expected";
        return Err(FileError::Changed {
            path: path.to_owned(),
            what,
        });
    }
    require_in_place(old, path)
}

fn missing_expected(path: String) -> FileError {
    FileError::Changed {
        path,
        what: "it does not exist, though a hash was expected",
    }
}

/// The size that `content` behind `before` bytes makes, if it is allowed.
fn require_room(
    path: &str,
    before: u64,
    content: &[u8],
    limits: FileLimits,
) -> Result<u64, FileError> {
    let (size, limit) = (before.saturating_add(length(content)), limits.written);
    if size <= limit {
        Ok(size)
    } else {
        Err(FileError::TooLarge {
            path: path.to_owned(),
            size,
            limit,
        })
    }
}

fn size_of(file: &File, path: &str) -> Result<u64, FileError> {
    let stat = rustix::fs::fstat(file).map_err(FileError::io("inspect", path))?;
    Ok(u64::try_from(stat.st_size).unwrap_or(0))
}

pub(super) fn length<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}
