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
use crate::knowledge::Timestamp;

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

/// A time in which nothing comes, changes or goes: after a change of an entry, and until the next entry
/// passes its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch {
    pub(super) since: i64,
    pub(super) until: Option<Timestamp>,
}

/// The first copy of the header of the wal-index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark([u8; 48]);

/// What was read after a mark.
#[derive(Debug, Clone, Copy)]
struct Newest {
    mark: Mark,
    moment: Moment,
    epoch: Epoch,
    read_at: Timestamp,
}

/// The newest moment that was read.
#[derive(Debug)]
pub(super) struct Moments {
    wal_index: PathBuf,
    /// Opened after the first read, when SQLite has it, and open until the process ends: closing any descriptor of a file lets go all locks that the process
    /// has on it (fcntl(2), "Advisory record locking"), those of SQLite too.
    file: OnceLock<ManuallyDrop<File>>,
    newest: Mutex<Option<Newest>>,
}

impl Moments {
    /// Of the database at `path`; SQLite has its other files beside the file that links lead to.
    pub(super) fn of(path: &Path) -> Self {
        Self {
            wal_index: file::beside(&file::real(path), "-shm"),
            file: OnceLock::new(),
            newest: Mutex::default(),
        }
    }

    /// What changes with each commit; `None` before the first read.
    pub(super) fn mark(&self) -> Option<Mark> {
        let mut header = [0; 48];
        self.file.get()?.read_exact_at(&mut header, 0).ok()?;
        Some(Mark(header))
    }

    /// The moment, when nothing was committed since it was read.
    pub(super) fn known(&self) -> Option<Moment> {
        Some(self.unchanged()?.moment)
    }

    /// The epoch, when nothing was committed since it was read and it still lasts.
    pub(super) fn lasting(&self) -> Option<Epoch> {
        let Newest { epoch, read_at, .. } = self.unchanged()?;
        let now = Timestamp::now();
        // Where the clock was set back, entries may be there again.
        let lasts = read_at <= now && epoch.until.is_none_or(|until| now < until);
        lasts.then_some(epoch)
    }

    /// Takes note of what was read after `mark`; entries pass their time at `until` and not before.
    pub(super) fn learn(&self, mark: Option<Mark>, moment: Moment, until: Option<Timestamp>) {
        let since = moment.entries;
        *self.newest() = mark.map(|mark| Newest {
            mark,
            moment,
            epoch: Epoch { since, until },
            read_at: Timestamp::now(),
        });
        if self.file.get().is_none()
            && let Some(opened) = file::open_to_look(&self.wal_index)
        {
            let opened = ManuallyDrop::new(opened);
            self.file.get_or_init(|| opened);
        }
    }

    fn unchanged(&self) -> Option<Newest> {
        let mark = self.mark()?;
        self.newest().filter(|newest| newest.mark == mark)
    }

    fn newest(&self) -> MutexGuard<'_, Option<Newest>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
