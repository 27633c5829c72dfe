//! The writes that there are.

use std::num::NonZeroU32;

use sqlx::SqliteConnection;

use super::list::Filter;
use super::writer::Job;
use super::{StoreError, batch};
use crate::knowledge::{Draft, Expected, Identity, Revision, Timestamp};
use crate::words;

/// How many changes are kept for processes that ask what happened ([`super::Changes::Lost`]).
const CHANGES_KEPT: i64 = 100_000;

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The number of the entry in the file.
    pub id: i64,
    /// The revision it has now.
    pub revision: Revision,
    /// Whether there was no such entry before.
    pub created: bool,
}

pub(super) struct Put(pub(super) Draft);

impl Job for Put {
    type Done = Written;

    async fn apply(&self, connection: &mut SqliteConnection) -> Result<Written, StoreError> {
        put(connection, &self.0, Timestamp::now()).await
    }

    fn draft(&self) -> Option<&Draft> {
        batch::plain(&self.0)
    }

    fn done(written: Written) -> Option<Written> {
        Some(written)
    }
}

const UPSERT: &str = "
    INSERT INTO knowledge (source, category, key, value, metadata, tags,
        revision, first_revision, created_at, updated_at, expires_at, parts)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, before.revision + 1, before.revision + 1, ?7, ?7, ?8, ?10
    FROM (
        SELECT coalesce(max(revision), 0) AS revision FROM knowledge_history
        WHERE source = ?1 AND category = ?2 AND key = ?3
    ) AS before
    WHERE ?9 IS NULL OR ?9 = 0 OR EXISTS (
        SELECT 1 FROM knowledge WHERE source = ?1 AND category = ?2 AND key = ?3 AND revision = ?9
    )
    ON CONFLICT (source, category, key) DO UPDATE SET
        value = excluded.value, metadata = excluded.metadata, tags = excluded.tags,
        revision = revision + 1, updated_at = max(updated_at, excluded.updated_at),
        expires_at = excluded.expires_at, parts = excluded.parts
    WHERE ?9 IS NULL OR revision = ?9
    RETURNING id, revision, revision = first_revision";

pub(super) async fn put(
    connection: &mut SqliteConnection,
    draft: &Draft,
    now: Timestamp,
) -> Result<Written, StoreError> {
    let identity = &draft.identity;
    expire(connection, identity, now).await?;
    let row: Option<(i64, i64, bool)> = sqlx::query_as(UPSERT)
        .bind(identity.source.as_str())
        .bind(identity.category.as_str())
        .bind(identity.key.as_str())
        .bind(draft.value.as_str())
        .bind(json(&draft.metadata)?)
        .bind(json(&draft.tags)?)
        .bind(now.as_millis())
        .bind(draft.expires_at.map(Timestamp::as_millis))
        .bind(draft.expected.map(expected_number))
        .bind(words::parts(draft.texts()))
        .fetch_optional(&mut *connection)
        .await?;
    let Some((id, number, created)) = row else {
        let current = current(connection, identity).await?;
        return Err(StoreError::Conflict { current });
    };
    Ok(Written {
        id,
        revision: revision(number)?,
        created,
    })
}

pub(super) fn json(part: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(part)
        .map_err(|error| StoreError::Database(sqlx::Error::Encode(error.into())))
}

/// No entry has revision 0.
fn expected_number(expected: Expected) -> i64 {
    match expected {
        Expected::Absent => 0,
        Expected::Revision(revision) => revision.get().into(),
    }
}

pub(super) fn revision(number: i64) -> Result<Revision, StoreError> {
    Revision::try_from(number).map_err(|error| StoreError::Damaged {
        reason: error.to_string(),
    })
}

async fn current(
    connection: &mut SqliteConnection,
    identity: &Identity,
) -> Result<Option<Revision>, StoreError> {
    let number: Option<i64> = sqlx::query_scalar(
        "SELECT revision FROM knowledge WHERE source = ?1 AND category = ?2 AND key = ?3",
    )
    .bind(identity.source.as_str())
    .bind(identity.category.as_str())
    .bind(identity.key.as_str())
    .fetch_optional(connection)
    .await?;
    number.map(revision).transpose()
}

/// An entry past its time is gone for writers too, though nothing has swept it yet.
pub(super) async fn expire(
    connection: &mut SqliteConnection,
    identity: &Identity,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM knowledge
        WHERE source = ?1 AND category = ?2 AND key = ?3 AND expires_at <= ?4",
    )
    .bind(identity.source.as_str())
    .bind(identity.category.as_str())
    .bind(identity.key.as_str())
    .bind(now.as_millis())
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) struct Delete {
    pub(super) identity: Identity,
    pub(super) expected: Option<Revision>,
}

impl Job for Delete {
    type Done = Option<Revision>;

    async fn apply(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<Option<Revision>, StoreError> {
        expire(connection, &self.identity, Timestamp::now()).await?;
        let deleted: Option<i64> = sqlx::query_scalar(
            "DELETE FROM knowledge
            WHERE source = ?1 AND category = ?2 AND key = ?3 AND (?4 IS NULL OR revision = ?4)
            RETURNING revision + 1",
        )
        .bind(self.identity.source.as_str())
        .bind(self.identity.category.as_str())
        .bind(self.identity.key.as_str())
        .bind(self.expected.map(|revision| i64::from(revision.get())))
        .fetch_optional(&mut *connection)
        .await?;
        if deleted.is_none() && self.expected.is_some() {
            let current = current(connection, &self.identity).await?;
            return Err(StoreError::Conflict { current });
        }
        deleted.map(revision).transpose()
    }
}

/// Deletes what a filter lets through.
pub(super) struct DeleteWhere(pub(super) Filter);

impl Job for DeleteWhere {
    type Done = u64;

    async fn apply(&self, connection: &mut SqliteConnection) -> Result<u64, StoreError> {
        let mut query = sqlx::QueryBuilder::new("DELETE FROM knowledge AS k WHERE ");
        self.0.push_to(&mut query, Timestamp::now());
        let deleted = query.build().execute(connection).await?;
        Ok(deleted.rows_affected())
    }
}

/// Removes some entries past their time, and changes that are older than any that are kept.
pub(super) struct Sweep {
    pub(super) most: NonZeroU32,
}

impl Job for Sweep {
    type Done = u64;

    async fn apply(&self, connection: &mut SqliteConnection) -> Result<u64, StoreError> {
        let swept = sqlx::query(
            "DELETE FROM knowledge WHERE id IN (
                SELECT id FROM knowledge WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2
            )",
        )
        .bind(Timestamp::now().as_millis())
        .bind(self.most.get())
        .execute(&mut *connection)
        .await?;
        sqlx::query(
            "DELETE FROM knowledge_change
            WHERE seq <= (SELECT max(seq) FROM knowledge_change) - ?1",
        )
        .bind(CHANGES_KEPT)
        .execute(&mut *connection)
        .await?;
        sqlx::query(
            "DELETE FROM embedding_change
            WHERE seq <= (SELECT max(seq) FROM embedding_change) - ?1",
        )
        .bind(CHANGES_KEPT)
        .execute(connection)
        .await?;
        Ok(swept.rows_affected())
    }
}

/// Whether the full-text index says what the entries say; made anew when it is to be repaired.
pub(super) enum Index {
    Check,
    Rebuild,
}

impl Job for Index {
    type Done = ();

    async fn apply(&self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        // Rank 1 has the index compared with the table (https://sqlite.org/fts5.html, 6.4).
        let command = match self {
            Self::Check => {
                "INSERT INTO knowledge_fts (knowledge_fts, rank) VALUES ('integrity-check', 1)"
            }
            Self::Rebuild => "INSERT INTO knowledge_fts (knowledge_fts) VALUES ('rebuild')",
        };
        sqlx::query(command).execute(&mut *connection).await?;
        if matches!(self, Self::Rebuild) {
            // What was found with the old index.
            let forget = sqlx::query("DELETE FROM search_cache");
            forget.execute(connection).await?;
        }
        Ok(())
    }
}
