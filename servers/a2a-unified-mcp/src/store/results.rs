//! Results of searches, kept in the file.

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use super::writer::{Applying, Job, Waiting};
use super::{Store, StoreError};
use crate::knowledge::Timestamp;

/// Results that are kept at most; the oldest go first.
const MOST_RESULTS: i64 = 1000;

/// How far the file had come, as far as it matters to searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Moment {
    /// The last change of an entry.
    pub(crate) entries: i64,
    /// The last change of a vector.
    pub(crate) vectors: i64,
    /// The model in use.
    pub(crate) model: i64,
}

impl Store {
    /// What moment it is, and the results that are kept under a key.
    pub(crate) async fn moment(
        &self,
        key: Option<&str>,
    ) -> Result<(Moment, Option<String>), StoreError> {
        let (entries, vectors, model, results) = sqlx::query_as(
            "SELECT coalesce((SELECT max(seq) FROM knowledge_change), 0),
                coalesce((SELECT max(seq) FROM embedding_change), 0),
                coalesce((SELECT max(id) FROM embedding_model), 0),
                (SELECT results FROM search_cache WHERE query = ?1)",
        )
        .bind(key)
        .fetch_one(&self.readers)
        .await?;
        let moment = Moment {
            entries,
            vectors,
            model,
        };
        Ok((moment, results))
    }

    /// Keeps results unless the writer has too much to do, with the next write or when none comes for a
    /// second. Nobody hears of it.
    pub(crate) fn keep_results(&self, key: String, results: String) {
        let keep = Keep { key, results };
        if self.queue.try_send(Box::new(keep)).is_err() {
            tracing::debug!("results of a search were not kept");
        }
    }

    /// Removes the results that are kept, and says how many those were.
    pub(crate) async fn forget_results(&self) -> Result<u64, StoreError> {
        self.write(Forget).await
    }
}

struct Forget;

impl Job for Forget {
    type Done = u64;

    async fn apply(&self, connection: &mut SqliteConnection) -> Result<u64, StoreError> {
        let forgotten = sqlx::query("DELETE FROM search_cache").execute(connection);
        Ok(forgotten.await?.rows_affected())
    }
}

/// A job that nobody waits for.
struct Keep {
    key: String,
    results: String,
}

impl Keep {
    async fn write(&self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        // A new row has the greatest rowid, also in place of one with the same key.
        sqlx::query("DELETE FROM search_cache WHERE query = ?1")
            .bind(&self.key)
            .execute(&mut *connection)
            .await?;
        sqlx::query("INSERT INTO search_cache (query, results, created_at) VALUES (?1, ?2, ?3)")
            .bind(&self.key)
            .bind(&self.results)
            .bind(Timestamp::now().as_millis())
            .execute(&mut *connection)
            .await?;
        sqlx::query(
            "DELETE FROM search_cache WHERE rowid <= (SELECT max(rowid) FROM search_cache) - ?1",
        )
        .bind(MOST_RESULTS)
        .execute(connection)
        .await?;
        Ok(())
    }
}

impl Waiting for Keep {
    fn is_wanted(&self) -> bool {
        true
    }

    fn apply<'a>(&'a mut self, connection: &'a mut SqliteConnection) -> Applying<'a> {
        Box::pin(async move { self.write(connection).await })
    }

    fn can_wait(&self) -> bool {
        true
    }

    fn failed_alone(&self) -> bool {
        false
    }

    fn answer(self: Box<Self>, failure: Option<StoreError>) {
        if let Some(error) = failure {
            tracing::debug!(%error, "results of a search were not kept");
        }
    }
}
