//! Vectors: kept, shown, and followed as they change.

use futures_util::TryStreamExt;
use sqlx::{Row, SqliteConnection};

use super::queue::is_in_use;
use super::{Embedded, Lease, ModelNumber, in_use};
use crate::knowledge::Timestamp;
use crate::store::StoreError;
use crate::store::readers::Readers;
use crate::store::write::json;
use crate::store::writer::Job;

/// How far the vectors of the file have come: greater after each change, whichever process made it.
/// The default is where every file begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct VectorToken(i64);

/// The vectors of one entry.
#[derive(Debug, Clone, PartialEq)]
pub struct EntryVectors {
    /// The number of the entry.
    pub entry: i64,
    /// One for each chunk, in their order.
    pub chunks: Vec<Vec<f32>>,
}

/// One vector.
#[derive(Debug, Clone, PartialEq)]
pub struct ChunkVector {
    /// The number of the entry.
    pub entry: i64,
    /// The place of the chunk in the text, from 0.
    pub chunk: usize,
    /// The vector.
    pub vector: Vec<f32>,
}

/// What happened to vectors since a token.
#[derive(Debug, Clone, PartialEq)]
pub enum VectorChanges {
    /// These entries changed, and have these vectors now, or none. The token to ask with next time.
    Since(Vec<EntryVectors>, VectorToken),
    /// More than is kept: show each vector again.
    Lost,
    /// Another model is in use.
    Superseded,
}

/// Entries that may have changed before [`VectorChanges::Lost`] is the answer: reading all vectors
/// in their order is cheaper then.
const MOST_CHANGES: i64 = 5000;

/// Vectors that are shown before others may use the thread: about 0.2 ms of work.
const SHOWN_AT_ONCE: usize = 256;

pub(super) struct Keep {
    pub(super) model: ModelNumber,
    pub(super) lease: Lease,
    pub(super) embedded: Vec<Embedded>,
}

impl Job for Keep {
    type Done = usize;

    async fn apply(&self, connection: &mut SqliteConnection) -> Result<usize, StoreError> {
        if !is_in_use(connection, self.model).await? {
            return Ok(0);
        }
        let mut kept = 0;
        for embedded in &self.embedded {
            let leased = sqlx::query("DELETE FROM embedding_job WHERE entry = ?1 AND lease = ?2")
                .bind(embedded.entry)
                .bind(self.lease.0)
                .execute(&mut *connection)
                .await?;
            if leased.rows_affected() == 1 {
                self.keep(connection, embedded).await?;
                kept += 1;
            }
        }
        Ok(kept)
    }
}

impl Keep {
    async fn keep(
        &self,
        connection: &mut SqliteConnection,
        embedded: &Embedded,
    ) -> Result<(), StoreError> {
        // Those of other models.
        sqlx::query("DELETE FROM embedding WHERE entry = ?1")
            .bind(embedded.entry)
            .execute(&mut *connection)
            .await?;
        for (chunk, vector) in (0_i64..).zip(&embedded.chunks) {
            sqlx::query(
                "INSERT INTO embedding (entry, model, chunk, vector) VALUES (?1, ?2, ?3, ?4)",
            )
            .bind(embedded.entry)
            .bind(self.model.0)
            .bind(chunk)
            .bind(bytes(vector))
            .execute(&mut *connection)
            .await?;
        }
        Ok(())
    }
}

fn bytes(vector: &[f32]) -> Vec<u8> {
    vector
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}

/// What [`bytes()`] was given. A blob of another length is cut; no other model's is ever read.
fn numbers(bytes: &[u8]) -> Vec<f32> {
    let (numbers, _) = bytes.as_chunks();
    numbers.iter().copied().map(f32::from_le_bytes).collect()
}

pub(super) async fn count(pool: &Readers, model: ModelNumber) -> Result<usize, StoreError> {
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM embedding WHERE model = ?1")
        .bind(model.0)
        .fetch_one(pool)
        .await?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// The first and the last change that is kept.
async fn reach(connection: &mut SqliteConnection) -> Result<(i64, VectorToken), StoreError> {
    let (first, last) = sqlx::query_as(
        "SELECT coalesce((SELECT min(seq) FROM embedding_change), 1),
            coalesce((SELECT max(seq) FROM embedding_change), 0)",
    )
    .fetch_one(connection)
    .await?;
    Ok((first, VectorToken(last)))
}

pub(super) async fn each(
    pool: &Readers,
    model: ModelNumber,
    mut show: impl FnMut(i64, &[u8]) + Send,
) -> Result<VectorToken, StoreError> {
    let mut transaction = pool.begin().await?;
    let (_, token) = reach(&mut transaction).await?;
    let query = sqlx::query("SELECT entry, vector FROM embedding WHERE model = ?1 ORDER BY id");
    let mut rows = query.bind(model.0).fetch(&mut *transaction);
    let mut shown = 0_usize;
    while let Some(row) = rows.try_next().await? {
        show(row.try_get("entry")?, row.try_get("vector")?);
        shown += 1;
        if shown.is_multiple_of(SHOWN_AT_ONCE) {
            tokio::task::yield_now().await;
        }
    }
    drop(rows);
    transaction.rollback().await?;
    Ok(token)
}

pub(super) async fn since(
    pool: &Readers,
    model: ModelNumber,
    token: VectorToken,
) -> Result<VectorChanges, StoreError> {
    let mut transaction = pool.begin().await?;
    let newest = in_use(&mut transaction).await?;
    let (first, last) = reach(&mut transaction).await?;
    let at_once = if newest.is_none_or(|(newest, _)| newest != model) {
        Some(VectorChanges::Superseded)
    } else if token.0 < first - 1 || token > last || last.0 - token.0 > MOST_CHANGES {
        Some(VectorChanges::Lost)
    } else if token == last {
        Some(VectorChanges::Since(Vec::new(), last))
    } else {
        None
    };
    if let Some(changes) = at_once {
        transaction.rollback().await?;
        return Ok(changes);
    }
    let mut changed: Vec<EntryVectors> = Vec::new();
    let query = sqlx::query(
        "SELECT c.entry, e.vector
        FROM (SELECT DISTINCT entry FROM embedding_change WHERE seq > ?1) AS c
        LEFT JOIN embedding AS e ON e.entry = c.entry AND e.model = ?2
        ORDER BY c.entry, e.chunk",
    );
    let mut rows = query.bind(token.0).bind(model.0).fetch(&mut *transaction);
    while let Some(row) = rows.try_next().await? {
        let vector: Option<&[u8]> = row.try_get("vector")?;
        push(&mut changed, row.try_get("entry")?, vector);
    }
    drop(rows);
    transaction.rollback().await?;
    Ok(VectorChanges::Since(changed, last))
}

/// Adds a chunk to the last entry, or begins another one.
fn push(entries: &mut Vec<EntryVectors>, entry: i64, vector: Option<&[u8]>) {
    let vector = vector.map(numbers);
    match entries.last_mut() {
        Some(last) if last.entry == entry => last.chunks.extend(vector),
        _ => entries.push(EntryVectors {
            entry,
            chunks: vector.into_iter().collect(),
        }),
    }
}

pub(super) async fn of(
    pool: &Readers,
    model: ModelNumber,
    entries: &[i64],
    now: Timestamp,
) -> Result<Vec<EntryVectors>, StoreError> {
    let query = sqlx::query(
        "SELECT e.entry, e.vector
        FROM (SELECT DISTINCT value AS id FROM json_each(?1)) AS n
        CROSS JOIN knowledge AS k ON k.id = n.id
        CROSS JOIN embedding AS e ON e.entry = k.id AND e.model = ?2
        WHERE k.expires_at IS NULL OR k.expires_at > ?3
        ORDER BY e.entry, e.chunk",
    );
    let query = query.bind(json(&entries)?).bind(model.0);
    let mut found = Vec::new();
    let mut rows = query.bind(now.as_millis()).fetch(pool);
    while let Some(row) = rows.try_next().await? {
        push(
            &mut found,
            row.try_get("entry")?,
            Some(row.try_get("vector")?),
        );
    }
    Ok(found)
}

pub(super) async fn at(
    pool: &Readers,
    model: ModelNumber,
    chunks: &[(i64, usize)],
    now: Timestamp,
) -> Result<Vec<ChunkVector>, StoreError> {
    let query = sqlx::query(
        "SELECT e.entry, e.chunk, e.vector
        FROM json_each(?1) AS n
        CROSS JOIN knowledge AS k ON k.id = n.value ->> 0
        CROSS JOIN embedding AS e
            ON e.entry = k.id AND e.model = ?2 AND e.chunk = n.value ->> 1
        WHERE k.expires_at IS NULL OR k.expires_at > ?3",
    );
    let query = query.bind(json(&chunks)?).bind(model.0);
    let mut found = Vec::with_capacity(chunks.len());
    let mut rows = query.bind(now.as_millis()).fetch(pool);
    while let Some(row) = rows.try_next().await? {
        let chunk: i64 = row.try_get("chunk")?;
        found.push(ChunkVector {
            entry: row.try_get("entry")?,
            chunk: usize::try_from(chunk).unwrap_or(usize::MAX),
            vector: numbers(row.try_get("vector")?),
        });
    }
    Ok(found)
}
