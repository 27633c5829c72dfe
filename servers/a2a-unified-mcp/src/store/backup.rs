//! Copies of the file, made while it is in use.

use std::path::Path;
use std::time::Duration;

use super::{Depth, StoreError, connection, file, schema};

/// Writes a copy of `path` as it is now to `to`, where nothing may be, and puts it there only once it
/// is whole, on the disk and found sound. Writers of `path` go on (`VACUUM INTO`).
pub(super) async fn copy(path: &Path, to: &Path, patience: Duration) -> Result<(), StoreError> {
    let partial = file::beside(to, ".partial");
    file::make_private(&partial)?;
    let copied = fill(path, &partial, patience).await;
    let copied = copied.and_then(|()| file::put_in_place(&partial, to));
    if copied.is_err() {
        file::remove(&partial);
    }
    copied
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
