//! Why something could not be kept or found.

use std::io;
use std::path::PathBuf;

use crate::knowledge::Revision;

/// The store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The entry is not as the writer expected it.
    #[error("{}", conflict(*current))]
    Conflict {
        /// The revision it has; `None` when there is no such entry.
        current: Option<Revision>,
    },
    /// One of several writes that belong together failed, so none was made.
    #[error("item {index}: {source}")]
    Item {
        /// Its place, from 0.
        index: usize,
        /// Why.
        source: Box<StoreError>,
    },
    /// Revisions of an imported entry that do not grow.
    #[error("the revisions of the history do not grow")]
    Disordered,
    /// A cursor that is not one, or that of another list.
    #[error("the cursor does not belong to this list: begin again without one")]
    Cursor,
    /// Other processes kept the file for longer than `patience`.
    #[error("other processes keep the file busy; try again")]
    Busy,
    /// The disk is full, or the user's share of it.
    #[error("there is no room on the disk")]
    Full,
    /// The file, its directory, or the disk that they are on, cannot be written.
    #[error("the file, its directory or the disk cannot be written")]
    ReadOnly,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// What the file holds cannot be right. Nothing is written to such a file.
    #[error("the file is damaged ({reason}): restore a backup")]
    Damaged {
        /// What was found.
        reason: String,
    },
    /// The file was written by a newer version of this program.
    #[error("the file has version {found} of the schema, this program knows {known}: update it")]
    Newer {
        /// The version of the file.
        found: i64,
        /// The newest that is known.
        known: i64,
    },
    /// The file belongs to something else.
    #[error("the file holds something else ({reason}): name another")]
    Foreign {
        /// Why.
        reason: String,
    },
    /// While a backup was put in the place of the file, another process made it anew.
    #[error(
        "another process made the file anew; what was there is `{}` now: end the servers, then restore again",
        aside.display()
    )]
    Overtaken {
        /// What the file that was there is called now.
        aside: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Its reason.
        #[source]
        source: io::Error,
    },
    /// The operating system did not let SQLite read or write: a quota or a limit on the size of
    /// files, permissions that were taken away, too many open files, a disk that fails.
    #[error("the file cannot be used ({reason})")]
    Unusable {
        /// What SQLite says of it.
        reason: String,
    },
    /// SQLite refused.
    #[error("the database refused")]
    Database(#[source] sqlx::Error),
}

fn conflict(current: Option<Revision>) -> String {
    match current {
        Some(current) => format!("the entry has revision {current} now"),
        None => "there is no such entry now".to_owned(),
    }
}

/// Primary result codes of SQLite (<https://sqlite.org/rescode.html>).
mod code {
    pub(super) const BUSY: u32 = 5;
    pub(super) const LOCKED: u32 = 6;
    pub(super) const PERMISSION: u32 = 3;
    pub(super) const NO_MEMORY: u32 = 7;
    pub(super) const READ_ONLY: u32 = 8;
    pub(super) const IO: u32 = 10;
    pub(super) const CORRUPT: u32 = 11;
    pub(super) const FULL: u32 = 13;
    pub(super) const CANNOT_OPEN: u32 = 14;
    pub(super) const PROTOCOL: u32 = 15;
    pub(super) const TOO_BIG: u32 = 18;
    pub(super) const CONSTRAINT: u32 = 19;
    pub(super) const NOT_A_DATABASE: u32 = 26;

    /// Extended ones, of constraints: that a row is there already, that a column has no value, another
    /// type or one that cannot be. No statement here tries that on a sound file.
    pub(super) const IMPOSSIBLE: [u32; 6] = [275, 1299, 1555, 2067, 2579, 3091];

    /// What SQLite's functions and FTS5 say, with the code for any error, of pages that were spoilt.
    pub(super) const SAID_OF_DAMAGE: [&str; 3] = [
        "JSON cannot hold BLOB values",
        "malformed JSON",
        "invalid fts5 file format",
    ];
}

fn extended(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.code()?.parse().ok()
}

/// The primary result code, when SQLite answered.
fn primary(error: &sqlx::Error) -> Option<u32> {
    Some(extended(error)? & 0xff)
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if matches!(error, sqlx::Error::PoolTimedOut) {
            return Self::Busy;
        }
        let reason = match error.as_database_error() {
            Some(said) => format!(
                "{}, code {}",
                said.message(),
                said.code().unwrap_or_default()
            ),
            None => error.to_string(),
        };
        let is_impossible =
            extended(&error).is_some_and(|number| code::IMPOSSIBLE.contains(&number));
        // A column of another type than any statement writes is of a page that was overwritten.
        let is_odd = matches!(
            error,
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)
        );
        let is_odd = is_odd
            || code::SAID_OF_DAMAGE
                .iter()
                .any(|said| reason.contains(said));
        if is_impossible || is_odd {
            return Self::Damaged { reason };
        }
        match primary(&error) {
            Some(code::BUSY | code::LOCKED | code::PROTOCOL) => Self::Busy,
            Some(code::CORRUPT | code::NOT_A_DATABASE) => Self::Damaged { reason },
            Some(code::PERMISSION | code::NO_MEMORY | code::IO | code::CANNOT_OPEN) => {
                Self::Unusable { reason }
            }
            Some(code::FULL) => Self::Full,
            Some(code::READ_ONLY) => Self::ReadOnly,
            _ => Self::Database(error),
        }
    }
}

impl StoreError {
    /// Whether a connection that only reads cannot do it.
    pub(super) fn needs_writing(&self) -> bool {
        matches!(self, Self::ReadOnly)
    }

    /// Whether the reason lies in this one write, so that others of its transaction may stand.
    pub(super) fn is_own(&self) -> bool {
        match self {
            Self::Conflict { .. } | Self::Cursor | Self::Disordered => true,
            Self::Item { source, .. } => source.is_own(),
            Self::Database(error) => {
                matches!(primary(error), Some(code::TOO_BIG | code::CONSTRAINT))
            }
            Self::Busy
            | Self::Full
            | Self::ReadOnly
            | Self::Closed
            | Self::Damaged { .. }
            | Self::Newer { .. }
            | Self::Foreign { .. }
            | Self::Unusable { .. }
            | Self::Overtaken { .. }
            | Self::Io { .. } => false,
        }
    }
}
