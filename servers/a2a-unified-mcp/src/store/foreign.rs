//! Databases of other programs: read, never changed.

use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use sqlx::SqliteConnection;

use super::file::{Scratch, Stamp};
use super::{Exporter, Filter, Store, StoreConfig, StoreError, backup, connection, file};

/// A database that another program made and may have open.
#[derive(Debug)]
pub(crate) struct Foreign {
    /// Reads it.
    pub(crate) reading: SqliteConnection,
    path: PathBuf,
    /// How it looked when it was opened, if it is read without locks.
    stamp: Option<Stamp>,
}

impl Foreign {
    /// Opens it. Without a log beside it, no lock and no file is made: even a reader makes files beside
    /// a database in WAL mode.
    pub(crate) async fn open(path: &Path, patience: Duration) -> Result<Self, StoreError> {
        file::look_only(path)?;
        let stamp = file::stamp(path)?;
        let (reading, stamp) = if file::is_log_left(path) {
            (connection::open_to_read(path, patience).await?, None)
        } else {
            (connection::open_to_judge(path).await?, Some(stamp))
        };
        let path = path.to_owned();
        Ok(Self {
            reading,
            path,
            stamp,
        })
    }

    /// [`StoreError::Busy`] when another process wrote to it, so that what was read without locks may
    /// be of two moments.
    pub(crate) fn ensure_unchanged(&self) -> Result<(), StoreError> {
        let Some(stamp) = &self.stamp else {
            return Ok(());
        };
        if file::is_log_left(&self.path) || file::stamp(&self.path)? != *stamp {
            return Err(StoreError::Busy);
        }
        Ok(())
    }
}

/// A copy of a database of the original system, or of one of ours, brought to the newest schema. It is
/// gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Adoptable {
    store: Store,
    _scratch: Scratch,
}

impl Adoptable {
    /// Copies `path` into a directory of its own below `beside`, which must have room for it three
    /// times.
    pub(crate) async fn copy(
        path: &Path,
        beside: &Path,
        config: &StoreConfig,
    ) -> Result<Self, StoreError> {
        let mut foreign = Foreign::open(path, config.patience).await?;
        let scratch = Scratch::make(beside.join(format!(".import-{}", process::id())))?;
        let copy = scratch.0.join("copy.db");
        file::make_private(&copy)?;
        backup::fill(&mut foreign.reading, &copy, config.patience).await?;
        foreign.ensure_unchanged()?;
        Ok(Self {
            store: Store::open(&copy, config).await?,
            _scratch: scratch,
        })
    }

    /// All that it holds, with the past.
    pub(crate) async fn records(&self) -> Result<Exporter, StoreError> {
        self.store.export(Filter::default(), true).await
    }

    /// Lets the copy go.
    pub(crate) async fn close(&self) {
        self.store.close().await;
    }
}
