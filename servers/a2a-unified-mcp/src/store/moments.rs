//! Which moment of the file it is, asked of SQLite only after something was committed.
//!
//! What a reader of SQLite compares to know whether what it has in memory is still the newest commit
//! are the first 48 bytes of the wal-index, the file `-shm`
//! (<https://sqlite.org/walformat.html#the_wal_index_header>): each commit of any process changes them,
//! before it is acknowledged. Reading them costs a system call and wakes no thread.

use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};

use super::file;

/// How far the file had come, as far as it matters to what is kept of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Moment {
    /// The last change of an entry.
    pub(crate) entries: i64,
    /// The last change of a vector.
    pub(crate) vectors: i64,
    /// The model in use.
    pub(crate) model: i64,
}

/// The first copy of the header of the wal-index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark([u8; 48]);

/// The newest moment that was read.
#[derive(Debug)]
pub(super) struct Moments {
    wal_index: PathBuf,
    /// Open until the process ends: closing any descriptor of a file lets go all locks that the process
    /// has on it (fcntl(2), "Advisory record locking"), those of SQLite too.
    file: OnceLock<ManuallyDrop<File>>,
    newest: Mutex<Option<(Mark, Moment)>>,
}

impl Moments {
    /// Of the database at `path`.
    pub(super) fn of(path: &Path) -> Self {
        Self {
            wal_index: file::beside(path, "-shm"),
            file: OnceLock::new(),
            newest: Mutex::default(),
        }
    }

    /// What changes with each commit; `None` when it cannot be told, as before the first read.
    pub(super) fn mark(&self) -> Option<Mark> {
        let file = match self.file.get() {
            Some(file) => file,
            None => {
                let opened = ManuallyDrop::new(file::open_to_look(&self.wal_index)?);
                self.file.get_or_init(|| opened)
            }
        };
        let mut header = [0; 48];
        file.read_exact_at(&mut header, 0).ok()?;
        Some(Mark(header))
    }

    /// The moment, when nothing was committed since it was read.
    pub(super) fn known(&self) -> Option<Moment> {
        let mark = self.mark()?;
        let (read, moment) = (*self.newest())?;
        (read == mark).then_some(moment)
    }

    /// Takes note of a moment that was read after `mark`.
    pub(super) fn learn(&self, mark: Option<Mark>, moment: Moment) {
        if let Some(mark) = mark {
            *self.newest() = Some((mark, moment));
        }
    }

    fn newest(&self) -> MutexGuard<'_, Option<(Mark, Moment)>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
