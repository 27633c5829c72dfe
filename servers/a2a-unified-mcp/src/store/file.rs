//! The file itself: judged by its first bytes before SQLite sees it, and put in place whole.
#![expect(
    clippy::disallowed_methods,
    reason = "the store's directory is the server's own, never a call's"
)]

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};

use super::StoreError;

/// The header of a database file (<https://sqlite.org/fileformat2.html#the_database_header>).
const HEADER_BYTES: usize = 100;
const MAGIC: &[u8] = b"SQLite format 3\0";

/// What the first look says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// Whether a log was left that was not written back: by a process that was killed, or by one
    /// that still runs.
    pub(super) log_left: bool,
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io {
        action,
        path,
        source,
    }
}

/// Makes an empty file when there is none, mode 0600 in directories of mode 0700; judges the header
/// of one that is there. Writes nothing to a file that exists.
pub(super) fn look(path: &Path) -> Result<Found, StoreError> {
    let parent = path.parent().filter(|parent| parent != &Path::new(""));
    if let Some(parent) = parent {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)
            .map_err(failed("make the directory", parent))?;
    }
    let new = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match new {
        Ok(_) => return Ok(Found { log_left: false }),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed("make", path)(error)),
    }
    let log_left = is_log_left(path);
    judge(path, log_left)?;
    Ok(Found { log_left })
}

/// Judges the header of a file that must be there.
pub(super) fn look_only(path: &Path) -> Result<(), StoreError> {
    judge(path, is_log_left(path))
}

/// Where a path leads; itself where that cannot be told.
pub(super) fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// A file to be read that may not be there.
pub(super) fn open_to_look(path: &Path) -> Option<File> {
    File::open(path).ok()
}

/// Whether there is anything at that path.
pub(super) fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Whether what was written lies in a log or a journal beside the file.
pub(super) fn is_log_left(path: &Path) -> bool {
    ["-wal", "-journal"]
        .into_iter()
        .any(|suffix| fs::metadata(beside(path, suffix)).is_ok_and(|log| log.len() > 0))
}

fn judge(path: &Path, log_left: bool) -> Result<(), StoreError> {
    let metadata = fs::metadata(path).map_err(failed("look at", path))?;
    if !metadata.is_file() {
        let reason = "it is not a regular file".to_owned();
        return Err(StoreError::Foreign { reason });
    }
    if metadata.len() == 0 {
        // SQLite would delete the log of an empty file, and with it what it holds. A journal beside one
        // is of a first write that was interrupted.
        if log_left && fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0) {
            let reason = "it is empty, and its log is not".to_owned();
            return Err(StoreError::Damaged { reason });
        }
        return Ok(());
    }
    let mut header = [0; HEADER_BYTES];
    let mut file = File::open(path).map_err(failed("open", path))?;
    let read = file.read_exact(&mut header);
    if read.is_err() || !header.starts_with(MAGIC) {
        let reason = "it is not a SQLite database".to_owned();
        return Err(StoreError::Foreign { reason });
    }
    let damaged = |reason: String| Err(StoreError::Damaged { reason });
    let page_bytes = match u64::from(big_endian(&header, 16, 2)) {
        1 => 65536,
        bytes if bytes.is_power_of_two() && (512..=32768).contains(&bytes) => bytes,
        bytes => return damaged(format!("pages of {bytes} bytes")),
    };
    // The count is in force when the last writer knew of it; a log may hold the missing pages.
    let counted = big_endian(&header, 24, 4) == big_endian(&header, 92, 4);
    let expected = u64::from(big_endian(&header, 28, 4)).saturating_mul(page_bytes);
    if counted && !log_left && metadata.len() < expected {
        let got = metadata.len();
        return damaged(format!("{got} bytes of {expected}"));
    }
    Ok(())
}

fn big_endian(header: &[u8], at: usize, bytes: usize) -> u32 {
    let field = header.iter().skip(at).take(bytes);
    field.fold(0, |number, byte| (number << 8) | u32::from(*byte))
}

/// The path with `suffix` after its name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Forces `from` to the disk and gives it the name `to`, which nothing may have.
pub(super) fn put_in_place(from: &Path, to: &Path) -> Result<(), StoreError> {
    let file = File::open(from).map_err(failed("open", from))?;
    file.sync_all().map_err(failed("write", from))?;
    rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)
        .map_err(|errno| failed("put in place", to)(errno.into()))?;
    let directory = to.parent().filter(|parent| parent != &Path::new(""));
    let directory = directory.unwrap_or(Path::new("."));
    let opened = File::open(directory).map_err(failed("open", directory))?;
    opened.sync_all().map_err(failed("write", directory))
}

/// Removes what a copy that failed left behind.
pub(super) fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "a failed copy is left");
    }
}

/// How a file looks from outside: another one after every write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp(u64, std::time::SystemTime);

/// How the file at `path` looks from outside.
pub(super) fn stamp(path: &Path) -> Result<Stamp, StoreError> {
    let metadata = fs::metadata(path).map_err(failed("look at", path))?;
    let modified = metadata.modified().map_err(failed("look at", path))?;
    Ok(Stamp(metadata.len(), modified))
}

/// A directory that is gone, with what is in it, when this is dropped.
#[derive(Debug)]
pub(super) struct Scratch(pub(super) PathBuf);

impl Scratch {
    /// Makes it, mode 0700.
    pub(super) fn make(path: PathBuf) -> Result<Self, StoreError> {
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(failed("make the directory", &path))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "a copy is left");
        }
    }
}

/// An empty file for a copy, readable by its owner only.
pub(super) fn make_private(path: &Path) -> Result<(), StoreError> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    made.map(drop).map_err(failed("make", path))
}
