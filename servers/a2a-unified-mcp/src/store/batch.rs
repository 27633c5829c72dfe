//! Many entries in one statement.
//!
//! FTS5 writes what it gathered to its tables at the end of each statement that changes it, so a
//! statement for each entry costs five times what one for all of them does: 10,000 entries a second
//! against 54,000, of 40 words each and in one transaction.

use std::collections::{HashMap, HashSet};

use serde_json::json;
use sqlx::SqliteConnection;

use super::StoreError;
use super::write::{Written, json, put, revision};
use super::writer::Job;
use crate::knowledge::{Draft, Identity, Timestamp};
use crate::words;

/// Values of one statement, in bytes: more are split.
const STATEMENT_BYTES: usize = 4 << 20;

/// Writes all or none.
pub(super) struct PutAll(pub(super) Vec<Draft>);

impl Job for PutAll {
    type Done = Vec<Written>;

    async fn apply(&self, connection: &mut SqliteConnection) -> Result<Vec<Written>, StoreError> {
        let now = Timestamp::now();
        let mut written = Vec::with_capacity(self.0.len());
        let mut rest = self.0.as_slice();
        while !rest.is_empty() {
            let together = first_together(rest.iter().map(plain)).max(1);
            let (drafts, after) = rest.split_at(together.min(rest.len()));
            rest = after;
            if drafts.len() > 1 {
                let drafts: Vec<&Draft> = drafts.iter().collect();
                match put_together(connection, &drafts, now).await {
                    Ok(all) => {
                        written.extend(all);
                        continue;
                    }
                    Err(error) if !error.is_own() => return Err(error),
                    // The statement is undone. One by one it is known which cannot be written.
                    Err(_) => {}
                }
            }
            put_one_by_one(connection, drafts, now, &mut written).await?;
        }
        Ok(written)
    }
}

/// The draft, if it is to be written whatever is there.
pub(super) fn plain(draft: &Draft) -> Option<&Draft> {
    draft.expected.is_none().then_some(draft)
}

/// How many of these, from the first on, can be written by one statement: entries that are not too
/// much for it, and of different names, so that the order of the writes does not matter.
pub(super) fn first_together<'a>(drafts: impl Iterator<Item = Option<&'a Draft>>) -> usize {
    let mut seen = HashSet::new();
    let mut bytes = 0;
    for draft in drafts.map_while(|draft| draft) {
        bytes += draft.value.as_str().len();
        let fits = seen.is_empty() || bytes <= STATEMENT_BYTES;
        if !fits || !seen.insert(&draft.identity) {
            break;
        }
    }
    seen.len()
}

async fn put_one_by_one(
    connection: &mut SqliteConnection,
    drafts: &[Draft],
    now: Timestamp,
    written: &mut Vec<Written>,
) -> Result<(), StoreError> {
    for draft in drafts {
        let index = written.len();
        let put = put(connection, draft, now).await;
        written.push(put.map_err(|source| StoreError::Item {
            index,
            source: Box::new(source),
        })?);
    }
    Ok(())
}

const EXPIRE_ALL: &str = "
    DELETE FROM knowledge WHERE expires_at <= ?2 AND (source, category, key) IN (
        SELECT d.value ->> 0, d.value ->> 1, d.value ->> 2 FROM json_each(?1) AS d
    )";

const UPSERT_ALL: &str = "
    INSERT INTO knowledge (source, category, key, value, metadata, tags,
        revision, first_revision, created_at, updated_at, expires_at, parts)
    SELECT source, category, key, value, metadata, tags, before + 1, before + 1, ?2, ?2, expires_at, parts
    FROM (
        SELECT d.value ->> 0 AS source, d.value ->> 1 AS category, d.value ->> 2 AS key,
            d.value ->> 3 AS value, d.value ->> 4 AS metadata, d.value ->> 5 AS tags,
            d.value ->> 6 AS expires_at, d.value ->> 7 AS parts,
            (
                SELECT coalesce(max(h.revision), 0) FROM knowledge_history AS h
                WHERE h.source = d.value ->> 0 AND h.category = d.value ->> 1
                    AND h.key = d.value ->> 2
            ) AS before
        FROM json_each(?1) AS d
    )
    WHERE true
    ON CONFLICT (source, category, key) DO UPDATE SET
        value = excluded.value, metadata = excluded.metadata, tags = excluded.tags,
        revision = revision + 1, updated_at = max(updated_at, excluded.updated_at),
        expires_at = excluded.expires_at, parts = excluded.parts
    RETURNING id, revision, revision = first_revision, source, category, key";

/// Writes entries as [`first_together`] chooses them, with two statements.
pub(super) async fn put_together(
    connection: &mut SqliteConnection,
    drafts: &[&Draft],
    now: Timestamp,
) -> Result<Vec<Written>, StoreError> {
    let mut items = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let Identity {
            source,
            category,
            key,
        } = &draft.identity;
        items.push(json!([
            source.as_str(),
            category.as_str(),
            key.as_str(),
            draft.value.as_str(),
            json(&draft.metadata)?,
            json(&draft.tags)?,
            draft.expires_at.map(Timestamp::as_millis),
            words::parts(draft.texts()),
        ]));
    }
    let items = json(&items)?;
    sqlx::query(EXPIRE_ALL)
        .bind(&items)
        .bind(now.as_millis())
        .execute(&mut *connection)
        .await?;
    let rows: Vec<(i64, i64, bool, String, String, String)> = sqlx::query_as(UPSERT_ALL)
        .bind(&items)
        .bind(now.as_millis())
        .fetch_all(&mut *connection)
        .await?;
    let mut written = HashMap::with_capacity(rows.len());
    for (id, number, created, source, category, key) in rows {
        let revision = revision(number)?;
        let one = Written {
            id,
            revision,
            created,
        };
        written.insert((source, category, key), one);
    }
    let of = |draft: &Draft| {
        let Identity {
            source,
            category,
            key,
        } = draft.identity.clone();
        written
            .get(&(source.into(), category.into(), key.into()))
            .copied()
    };
    let written: Option<Vec<Written>> = drafts.iter().copied().map(of).collect();
    written.ok_or_else(|| StoreError::Damaged {
        reason: "an entry was written under another name".to_owned(),
    })
}
