//! Records that come from another file, or from something else altogether.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::{OnConflict, Record};
use crate::knowledge::{Draft, Identity, Revision, Timestamp, Value, Version};
use crate::store::StoreError;
use crate::store::row;
use crate::store::write::{expire, json, put};
use crate::store::writer::Job;
use crate::words;

/// What became of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Adopted {
    /// Records that are here now and were not before.
    pub created: u64,
    /// Entries that say something else now.
    pub updated: u64,
    /// Records that changed nothing.
    pub skipped: u64,
    /// Those of them whose entry says something else and was left as it is.
    pub kept: u64,
}

impl Adopted {
    fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Created => self.created += 1,
            Outcome::Updated => self.updated += 1,
            Outcome::Same => self.skipped += 1,
            Outcome::Kept => {
                self.skipped += 1;
                self.kept += 1;
            }
        }
    }
}

/// Writes all records, or none.
pub(in crate::store) struct AdoptAll {
    pub(in crate::store) records: Vec<Record>,
    pub(in crate::store) on_conflict: OnConflict,
}

impl Job for AdoptAll {
    type Done = Adopted;

    async fn apply(&self, connection: &mut SqliteConnection) -> Result<Adopted, StoreError> {
        let mut adopted = Adopted::default();
        for (index, record) in self.records.iter().enumerate() {
            let outcome = adopt(connection, record, self.on_conflict).await;
            adopted.count(outcome.map_err(|source| at(index, source))?);
        }
        Ok(adopted)
    }
}

/// What would become of each record; nothing is written.
pub(in crate::store) async fn preview(
    reading: &mut SqliteConnection,
    records: &[Record],
    on_conflict: OnConflict,
) -> Result<Adopted, StoreError> {
    let (mut adopted, now) = (Adopted::default(), Timestamp::now());
    for (index, record) in records.iter().enumerate() {
        let mut newest = newest(reading, &record.identity()).await?;
        if let Some(there) = &mut newest
            && there.version.expires_at.is_some_and(|end| end <= now)
        {
            there.is_entry = false;
        }
        let outcome = decide(newest.as_ref(), record, on_conflict, now);
        adopted.count(outcome.map_err(|source| at(index, source))?);
    }
    Ok(adopted)
}

fn at(index: usize, source: StoreError) -> StoreError {
    let source = Box::new(source);
    StoreError::Item { index, source }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Created,
    Updated,
    /// There is nothing to change.
    Same,
    /// What is there says something else, and stays.
    Kept,
}

/// What becomes of a record where `there` is the newest that is known of its name.
fn decide(
    there: Option<&Newest>,
    record: &Record,
    on_conflict: OnConflict,
    now: Timestamp,
) -> Result<Outcome, StoreError> {
    if record.value.is_none() {
        let is_new = !record.history.is_empty() && continues(there, record);
        return Ok(if is_new {
            Outcome::Created
        } else {
            Outcome::Same
        });
    }
    let is_later = |there: &Version| record.updated_at.unwrap_or(now) > there.updated_at;
    let there = match there {
        Some(Newest {
            version,
            is_entry: true,
        }) => version,
        // It was deleted here after it was written there.
        Some(Newest { version, .. })
            if version.value.is_none()
                && on_conflict == OnConflict::Newer
                && !is_later(version) =>
        {
            return Ok(Outcome::Kept);
        }
        Some(_) | None => return Ok(Outcome::Created),
    };
    let is_same = there.value == record.value
        && there.metadata == record.metadata
        && there.tags == record.tags
        && there.expires_at == record.expires_at;
    match on_conflict {
        OnConflict::Fail => Err(StoreError::Conflict {
            current: Some(there.revision),
        }),
        _ if is_same => Ok(Outcome::Same),
        OnConflict::Overwrite => Ok(Outcome::Updated),
        OnConflict::Newer if is_later(there) => Ok(Outcome::Updated),
        OnConflict::Newer | OnConflict::Skip => Ok(Outcome::Kept),
    }
}

async fn adopt(
    connection: &mut SqliteConnection,
    record: &Record,
    on_conflict: OnConflict,
) -> Result<Outcome, StoreError> {
    let identity = record.identity();
    let now = Timestamp::now();
    expire(connection, &identity, now).await?;
    let newest = newest(connection, &identity).await?;
    let outcome = decide(newest.as_ref(), record, on_conflict, now)?;
    match (&record.value, outcome) {
        (_, Outcome::Same | Outcome::Kept) => {}
        (None, _) => insert_history(connection, &identity, &record.history).await?,
        (Some(value), Outcome::Created) if continues(newest.as_ref(), record) => {
            insert(connection, record, value, now).await?;
        }
        (Some(value), Outcome::Created | Outcome::Updated) => {
            put(connection, &draft(record, value), now).await?;
        }
    }
    Ok(outcome)
}

fn draft(record: &Record, value: &Value) -> Draft {
    Draft {
        metadata: record.metadata.clone(),
        tags: record.tags.clone(),
        expires_at: record.expires_at,
        ..Draft::new(record.identity(), value.clone())
    }
}

/// The newest that is known of a name: the entry, or else what came last in its past.
struct Newest {
    version: Version,
    is_entry: bool,
}

/// Whether a record brings what comes after all that is known here, so that its numbers hold.
fn continues(there: Option<&Newest>, record: &Record) -> bool {
    let first = record.history.first().map(|version| version.revision);
    match there {
        None => true,
        Some(there) if there.is_entry => false,
        Some(there) => first
            .or(record.revision)
            .is_some_and(|first| first > there.version.revision),
    }
}

async fn newest(
    connection: &mut SqliteConnection,
    identity: &Identity,
) -> Result<Option<Newest>, StoreError> {
    let row = sqlx::query(
        "SELECT revision, value, metadata, tags, updated_at, expires_at, 1 AS is_entry FROM knowledge
        WHERE source = ?1 AND category = ?2 AND key = ?3
        UNION ALL
        SELECT revision, value, metadata, tags, updated_at, expires_at, 0 FROM knowledge_history
        WHERE source = ?1 AND category = ?2 AND key = ?3
        ORDER BY revision DESC LIMIT 1",
    )
    .bind(identity.source.as_str())
    .bind(identity.category.as_str())
    .bind(identity.key.as_str())
    .fetch_optional(connection)
    .await?;
    let known = |row: &SqliteRow| {
        Ok(Newest {
            version: row::version(row)?,
            is_entry: row.try_get("is_entry")?,
        })
    };
    row.as_ref().map(known).transpose()
}

/// Writes an entry with its numbers and times. Its life began after it was last deleted, or with the
/// first revision that is known.
async fn insert(
    connection: &mut SqliteConnection,
    record: &Record,
    value: &Value,
    now: Timestamp,
) -> Result<(), StoreError> {
    let identity = record.identity();
    insert_history(connection, &identity, &record.history).await?;
    let past = record.history.last().map(|version| version.revision);
    let least = past.map_or(Some(Revision::FIRST), Revision::next);
    let given = record.revision.or(least);
    let Some(revision) = given.filter(|given| past.is_none_or(|past| past < *given)) else {
        return Err(StoreError::Disordered);
    };
    let updated = record.updated_at.unwrap_or(now);
    sqlx::query(
        "INSERT INTO knowledge (source, category, key, value, metadata, tags,
            revision, first_revision, created_at, updated_at, expires_at, parts)
        SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7,
            coalesce(max(iif(value IS NULL, revision + 1, NULL)), min(revision), ?7),
            ?8, ?9, ?10, ?11
        FROM knowledge_history WHERE source = ?1 AND category = ?2 AND key = ?3",
    )
    .bind(identity.source.as_str())
    .bind(identity.category.as_str())
    .bind(identity.key.as_str())
    .bind(value.as_str())
    .bind(json(&record.metadata)?)
    .bind(json(&record.tags)?)
    .bind(revision.get())
    .bind(record.created_at.unwrap_or(updated).as_millis())
    .bind(updated.as_millis())
    .bind(record.expires_at.map(Timestamp::as_millis))
    .bind(words::parts(draft(record, value).texts()))
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes a past, or what comes next of it.
async fn insert_history(
    connection: &mut SqliteConnection,
    identity: &Identity,
    history: &[Version],
) -> Result<(), StoreError> {
    if !history.is_sorted_by(|one, next| one.revision < next.revision) {
        return Err(StoreError::Disordered);
    }
    for version in history {
        sqlx::query(
            "INSERT INTO knowledge_history (source, category, key, revision, value, metadata, tags,
                updated_at, expires_at)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )
        .bind(identity.source.as_str())
        .bind(identity.category.as_str())
        .bind(identity.key.as_str())
        .bind(version.revision.get())
        .bind(version.value.as_ref().map(Value::as_str))
        .bind(json(&version.metadata)?)
        .bind(json(&version.tags)?)
        .bind(version.updated_at.as_millis())
        .bind(version.expires_at.map(Timestamp::as_millis))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
