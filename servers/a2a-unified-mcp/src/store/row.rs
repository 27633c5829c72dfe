//! Rows of the tables as what they stand for.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Deserialize;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::StoreError;
use crate::knowledge::{
    Category, Change, Entry, Identity, Key, Metadata, Revision, Source, Tag, Tags, Timestamp,
    Value, Version,
};

/// What [`entry`] needs of `knowledge AS k`.
pub(super) const COLUMNS: &str = "k.id, k.source, k.category, k.key, k.value, k.metadata, k.tags, \
    k.revision, k.created_at, k.updated_at, k.expires_at";

pub(super) fn entry(row: &SqliteRow) -> Result<Entry, StoreError> {
    Ok(Entry {
        id: row.try_get("id")?,
        identity: identity(row)?,
        value: Value::stored(row.try_get("value")?),
        metadata: metadata(row)?,
        tags: tags(row)?,
        revision: revision(row)?,
        created_at: Timestamp::from_millis(row.try_get("created_at")?),
        updated_at: Timestamp::from_millis(row.try_get("updated_at")?),
        expires_at: expires_at(row)?,
    })
}

/// An entry of `knowledge AS k` and its `score` as a JSON array, which [`Scored`] reads.
pub(super) const SCORED: &str = "json_array(k.id, k.source, k.category, k.key, k.value, k.metadata, \
    k.tags, k.revision, k.created_at, k.updated_at, k.expires_at, f.score)";

/// The columns of an entry, and how well it fits.
#[derive(Deserialize)]
pub(super) struct Scored<'a> {
    id: i64,
    source: String,
    category: String,
    key: String,
    value: String,
    #[serde(borrow)]
    metadata: Cow<'a, str>,
    #[serde(borrow)]
    tags: Cow<'a, str>,
    revision: i64,
    created_at: i64,
    updated_at: i64,
    expires_at: Option<i64>,
    pub(super) score: f64,
}

impl Scored<'_> {
    pub(super) fn entry(self) -> Result<Entry, StoreError> {
        Ok(Entry {
            id: self.id,
            identity: Identity {
                source: Source::stored(self.source),
                category: Category::stored(self.category),
                key: Key::stored(self.key),
            },
            value: Value::stored(self.value),
            metadata: metadata_of(&self.metadata)?,
            tags: tags_of(&self.tags)?,
            revision: revision_of(self.revision)?,
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
            expires_at: self.expires_at.map(Timestamp::from_millis),
        })
    }
}

/// Rows that were made one text: for each row the runtime's thread and SQLite's would wait for each
/// other, which takes longer than finding it.
pub(super) fn rows_of<'a, T: Deserialize<'a>>(rows: &'a str) -> Result<Vec<T>, StoreError> {
    Ok(serde_json::from_str(rows).map_err(|error| sqlx::Error::Decode(error.into()))?)
}

pub(super) fn version(row: &SqliteRow) -> Result<Version, StoreError> {
    let value: Option<String> = row.try_get("value")?;
    Ok(Version {
        revision: revision(row)?,
        value: value.map(Value::stored),
        metadata: metadata(row)?,
        tags: tags(row)?,
        updated_at: Timestamp::from_millis(row.try_get("updated_at")?),
        expires_at: expires_at(row)?,
    })
}

pub(super) fn change(row: &SqliteRow) -> Result<Change, StoreError> {
    Ok(Change {
        identity: identity(row)?,
        revision: revision(row)?,
    })
}

pub(super) fn identity(row: &SqliteRow) -> Result<Identity, StoreError> {
    Ok(Identity {
        source: Source::stored(row.try_get("source")?),
        category: Category::stored(row.try_get("category")?),
        key: Key::stored(row.try_get("key")?),
    })
}

fn metadata(row: &SqliteRow) -> Result<Metadata, StoreError> {
    metadata_of(row.try_get("metadata")?)
}

fn metadata_of(text: &str) -> Result<Metadata, StoreError> {
    let members = serde_json::from_str(text).map_err(damaged)?;
    Ok(Metadata::stored(members))
}

pub(super) fn tags(row: &SqliteRow) -> Result<Tags, StoreError> {
    tags_of(row.try_get("tags")?)
}

fn tags_of(text: &str) -> Result<Tags, StoreError> {
    let tags: BTreeSet<String> = serde_json::from_str(text).map_err(damaged)?;
    Ok(Tags::stored(tags.into_iter().map(Tag::stored).collect()))
}

fn revision(row: &SqliteRow) -> Result<Revision, StoreError> {
    revision_of(row.try_get("revision")?)
}

fn revision_of(number: i64) -> Result<Revision, StoreError> {
    Revision::try_from(number).map_err(damaged)
}

fn expires_at(row: &SqliteRow) -> Result<Option<Timestamp>, StoreError> {
    let millis: Option<i64> = row.try_get("expires_at")?;
    Ok(millis.map(Timestamp::from_millis))
}

fn damaged(error: impl std::fmt::Display) -> StoreError {
    StoreError::Damaged {
        reason: error.to_string(),
    }
}
