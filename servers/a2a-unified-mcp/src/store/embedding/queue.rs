//! Entries that are to be embedded: who has which, and until when.

use std::num::NonZeroU32;
use std::time::Duration;

use sqlx::{Row, SqliteConnection};

use super::{EmbeddingProgress, InUse, Lease, ModelName, ModelNumber, Pending, Taken, in_use};
use crate::knowledge::{Key, Timestamp, Value};
use crate::store::readers::Readers;
use crate::store::write::json;
use crate::store::writer::Job;
use crate::store::{StoreError, row};

/// Failures after which an entry is left alone.
const MOST_ATTEMPTS: i64 = 5;
/// The wait after the first failure, in milliseconds; four times as long after each further one.
const FIRST_WAIT: i64 = 15_000;
/// No lease or wait is longer, in milliseconds: one that seems to be was made before the clock was
/// set back, and counts for nothing.
const LONGEST_WAIT: i64 = 3_600_000;

pub(super) struct Adopt(pub(super) ModelName);

impl Job for Adopt {
    type Done = InUse;

    async fn apply(&self, connection: &mut SqliteConnection) -> Result<InUse, StoreError> {
        if let Some((model, name)) = in_use(connection).await?
            && name == self.0
        {
            sqlx::query(
                "UPDATE embedding_job SET state = 'pending', attempts = 0, leased_until = 0
                WHERE state = 'failed'",
            )
            .execute(connection)
            .await?;
            let is_new = false;
            return Ok(InUse { model, is_new });
        }
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO embedding_model (name, dimension) VALUES (?1, ?2) RETURNING id",
        )
        .bind(&self.0.name)
        .bind(i64::try_from(self.0.dimension).unwrap_or(0))
        .fetch_one(&mut *connection)
        .await?;
        sqlx::query(
            "INSERT INTO embedding_job (entry) SELECT id FROM knowledge WHERE true
            ON CONFLICT (entry) DO UPDATE SET
                state = 'pending', attempts = 0, leased_until = 0, lease = NULL",
        )
        .execute(connection)
        .await?;
        Ok(InUse {
            model: ModelNumber(id),
            is_new: true,
        })
    }
}

pub(super) struct Take {
    pub(super) model: ModelNumber,
    pub(super) most: NonZeroU32,
    pub(super) time: Duration,
}

impl Job for Take {
    type Done = Taken;

    async fn apply(&self, connection: &mut SqliteConnection) -> Result<Taken, StoreError> {
        if !is_in_use(connection, self.model).await? {
            return Ok(Taken::Superseded);
        }
        let now = Timestamp::now();
        let lease: i64 = sqlx::query_scalar("SELECT random()")
            .fetch_one(&mut *connection)
            .await?;
        let taken: Vec<i64> = sqlx::query_scalar(
            "UPDATE embedding_job SET lease = ?3, leased_until = ?4 WHERE entry IN (
                SELECT entry FROM embedding_job
                WHERE state = 'pending' AND (leased_until <= ?1 OR leased_until > ?1 + ?2)
                ORDER BY entry DESC LIMIT ?5
            ) RETURNING entry",
        )
        .bind(now.as_millis())
        .bind(LONGEST_WAIT)
        .bind(lease)
        .bind(now.after(self.time).as_millis())
        .bind(self.most.get())
        .fetch_all(&mut *connection)
        .await?;
        if taken.is_empty() {
            return Ok(Taken::Nothing);
        }
        let entries = pending(connection, &taken).await?;
        Ok(Taken::Entries(Lease(lease), entries))
    }
}

async fn pending(
    connection: &mut SqliteConnection,
    entries: &[i64],
) -> Result<Vec<Pending>, StoreError> {
    let rows = sqlx::query(
        "SELECT k.id, k.key, k.value, k.tags
        FROM json_each(?1) AS n CROSS JOIN knowledge AS k ON k.id = n.value ORDER BY k.id DESC",
    )
    .bind(json(&entries)?)
    .fetch_all(connection)
    .await?;
    let pending = rows.iter().map(|row| {
        Ok(Pending {
            entry: row.try_get("id")?,
            key: Key::stored(row.try_get("key")?),
            value: Value::stored(row.try_get("value")?),
            tags: row::tags(row)?,
        })
    });
    pending.collect()
}

pub(super) async fn is_in_use(
    connection: &mut SqliteConnection,
    model: ModelNumber,
) -> Result<bool, StoreError> {
    let newest = in_use(connection).await?;
    Ok(newest.is_some_and(|(newest, _)| newest == model))
}

/// Sets the end of a lease.
pub(super) struct Hold {
    pub(super) lease: Lease,
    pub(super) until: Timestamp,
}

impl Job for Hold {
    type Done = ();

    async fn apply(&self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        sqlx::query("UPDATE embedding_job SET leased_until = ?2 WHERE lease = ?1")
            .bind(self.lease.0)
            .bind(self.until.as_millis())
            .execute(connection)
            .await?;
        Ok(())
    }
}

pub(super) struct Fail {
    pub(super) lease: Lease,
    pub(super) entry: i64,
}

impl Job for Fail {
    type Done = ();

    async fn apply(&self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        // << 2 * attempts: four times as long each time.
        sqlx::query(
            "UPDATE embedding_job SET
                attempts = attempts + 1,
                state = iif(attempts + 1 >= ?3, 'failed', 'pending'),
                leased_until = ?4 + min(?5 << (2 * attempts), ?6),
                lease = NULL
            WHERE entry = ?1 AND lease = ?2",
        )
        .bind(self.entry)
        .bind(self.lease.0)
        .bind(MOST_ATTEMPTS)
        .bind(Timestamp::now().as_millis())
        .bind(FIRST_WAIT)
        .bind(LONGEST_WAIT)
        .execute(connection)
        .await?;
        Ok(())
    }
}

/// Whether there is something to take.
pub(super) async fn is_any_free(pool: &Readers, now: Timestamp) -> Result<bool, StoreError> {
    let free = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM embedding_job
        WHERE state = 'pending' AND (leased_until <= ?1 OR leased_until > ?1 + ?2))",
    )
    .bind(now.as_millis())
    .bind(LONGEST_WAIT);
    Ok(free.fetch_one(pool).await?)
}

/// How long until there is something to take.
pub(super) async fn next_free(
    pool: &Readers,
    now: Timestamp,
) -> Result<Option<Duration>, StoreError> {
    let wait: Option<i64> = sqlx::query_scalar(
        "SELECT min(iif(leased_until > ?1 + ?2, 0, max(leased_until - ?1, 0)))
        FROM embedding_job WHERE state = 'pending'",
    )
    .bind(now.as_millis())
    .bind(LONGEST_WAIT)
    .fetch_one(pool)
    .await?;
    let millis = wait.map(|wait| u64::try_from(wait).unwrap_or(0));
    Ok(millis.map(Duration::from_millis))
}

pub(super) async fn progress(pool: &Readers) -> Result<EmbeddingProgress, StoreError> {
    let (pending, failed, done): (i64, i64, i64) = sqlx::query_as(
        "SELECT
            (SELECT count(*) FROM embedding_job WHERE state = 'pending'),
            (SELECT count(*) FROM embedding_job WHERE state = 'failed'),
            (SELECT count(*) FROM embedding
                WHERE chunk = 0 AND model = (SELECT max(id) FROM embedding_model))",
    )
    .fetch_one(pool)
    .await?;
    let natural = |count: i64| u64::try_from(count).unwrap_or(0);
    Ok(EmbeddingProgress {
        pending: natural(pending),
        done: natural(done),
        failed: natural(failed),
    })
}
