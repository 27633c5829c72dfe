//! Copies of the file, made while it is in use.

use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use super::{Depth, StoreError, connection, file, schema};
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
    fill(path, &partial.0, patience).await?;
    file::put_in_place(&partial.0, to)
}

async fn fill(path: &Path, partial: &Path, patience: Duration) -> Result<(), StoreError> {
    let name = partial.to_str().ok_or_else(|| StoreError::Io {
        action: "name in UTF-8",
        path: partial.to_owned(),
        source: std::io::ErrorKind::InvalidFilename.into(),
    })?;
    let mut reading = connection::open_to_read(path, patience).await?;
    sqlx::query("VACUUM INTO ?1")
        .bind(name)
        .execute(&mut reading)
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
