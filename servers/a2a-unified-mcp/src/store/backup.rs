//! Copies of the file, made while it is in use.

use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use sqlx::SqliteConnection;

use super::{Depth, StoreConfig, StoreError, connection, file, schema};
use crate::knowledge::Timestamp;

/// A file that is being filled; gone when it has not got its name by the end.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        file::remove(&self.0);
    }
}

/// Writes a copy of `path` as it is now to `to`, where nothing may be, and puts it there only once it
/// is whole, on the disk and found sound. Writers of `path` go on (`VACUUM INTO`).
pub(super) async fn copy(path: &Path, to: &Path, patience: Duration) -> Result<(), StoreError> {
    let own = (process::id(), Timestamp::now().as_millis());
    let name = file::beside(to, &format!(".{}-{}.partial", own.0, own.1));
    file::make_private(&name)?;
    let partial = Partial(name);
    let mut reading = connection::open_to_read(path, patience).await?;
    fill(&mut reading, &partial.0, patience).await?;
    file::put_in_place(&partial.0, to)
}

/// Puts a copy of the backup `from` in the place of `path`, which no process may have open, and says
/// what the file that was there is called now.
pub(super) async fn restore(
    path: &Path,
    from: &Path,
    config: &StoreConfig,
) -> Result<Option<PathBuf>, StoreError> {
    file::look_only(from)?;
    schema::judge(from, config).await?;
    let aside = file::beside(path, &format!(".{}.before", Timestamp::now().as_millis()));
    let partial = Partial(file::beside(path, &format!(".{}.partial", process::id())));
    file::make_private(&partial.0)?;
    let mut reading = connection::open_to_read(from, config.patience).await?;
    fill(&mut reading, &partial.0, config.patience).await?;
    if file::is_there(path) {
        let mut alone = connection::open_to_write(path, config).await?;
        // Only possible when nobody else has it open; what the log holds is in the file then.
        connection::execute_patiently(&mut alone, "PRAGMA journal_mode = DELETE", Duration::ZERO)
            .await?;
        connection::begin(&mut alone, Duration::ZERO).await?;
        file::put_in_place(path, &aside)?;
    }
    let was_there = file::is_there(&aside);
    if let Err(error) = file::put_in_place(&partial.0, path) {
        // A server made a file in between: it stays, and what was there keeps the name it has now.
        return Err(if was_there {
            StoreError::Overtaken { aside }
        } else {
            error
        });
    }
    Ok(was_there.then_some(aside))
}

/// Writes what `reading` sees to the empty file `partial`, and looks the copy over.
pub(super) async fn fill(
    reading: &mut SqliteConnection,
    partial: &Path,
    patience: Duration,
) -> Result<(), StoreError> {
    let name = partial.to_str().ok_or_else(|| StoreError::Io {
        action: "name in UTF-8",
        path: partial.to_owned(),
        source: std::io::ErrorKind::InvalidFilename.into(),
    })?;
    sqlx::query("VACUUM INTO ?1")
        .bind(name)
        .execute(reading)
        .await?;
    let mut copy = connection::open_to_read(partial, patience).await?;
    match schema::check(&mut copy, Depth::Pages)
        .await?
        .into_iter()
        .next()
    {
        Some(reason) => Err(StoreError::Damaged { reason }),
        None => Ok(()),
    }
}
