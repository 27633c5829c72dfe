//! Results of searches, kept in the file.

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

use super::moments::{Epoch, Moment};
use super::row::rows_of;
use super::search::{Ask, Found};
use super::writer::{Applying, Job, Waiting};
use super::{Store, StoreError};
use crate::knowledge::Timestamp;

/// Results that are kept at most; the oldest go first.
const MOST_RESULTS: i64 = 1000;

/// What a search is told before anything is ranked, all of one moment.
#[derive(Debug)]
pub(crate) struct LookedUp {
    /// What moment it is.
    pub(crate) moment: Moment,
    /// The results that are kept under a key.
    pub(crate) kept: Option<String>,
    /// When the next entry passes its time.
    pub(crate) until: Option<Timestamp>,
    /// How many entries each expression finds, those past their time among them.
    pub(crate) counts: Vec<u64>,
}

impl Store {
    /// What moment it is.
    pub(crate) async fn moment(&self) -> Result<Moment, StoreError> {
        match self.moments.known() {
            Some(moment) => Ok(moment),
            None => Ok(self.look_up(None, &[]).await?.moment),
        }
    }

    /// What moment it is, if that can be told at once.
    pub(crate) fn known_moment(&self) -> Option<Moment> {
        self.moments.known()
    }

    /// The time in which everything is as it is now.
    pub async fn epoch(&self) -> Result<Epoch, StoreError> {
        if let Some(epoch) = self.moments.lasting() {
            return Ok(epoch);
        }
        let looked = self.look_up(None, &[]).await?;
        Ok(Epoch {
            since: looked.moment.entries,
            until: looked.until,
        })
    }

    /// What moment it is, the results that are kept under a key, and how many entries each expression
    /// finds.
    pub(crate) async fn look_up(
        &self,
        key: Option<&str>,
        expressions: &[String],
    ) -> Result<LookedUp, StoreError> {
        let mark = self.moments.mark();
        let mut query = look_query(key, expressions);
        let row = query.build().fetch_one(&self.readers).await?;
        let looked = looked(&row)?;
        self.moments.learn(mark, looked.moment, looked.until);
        Ok(looked)
    }

    /// What moment it is, the results that are kept under `key`, and unless those are of this moment,
    /// the best `limit` entries: all at once, because each time that SQLite is asked takes as long as
    /// ranking what a rare word finds.
    pub(crate) async fn look_up_and_rank(
        &self,
        key: &str,
        ask: Ask<'_>,
        limit: usize,
    ) -> Result<(LookedUp, Vec<Found>), StoreError> {
        let mark = self.moments.mark();
        let mut query = look_query(Some(key), &[]);
        query.push(", ");
        super::search::push_found(&mut query, ask, limit, |query| {
            query.push(
                " AND NOT EXISTS (SELECT 1 FROM search_cache WHERE CASE WHEN json_valid(results)
                THEN results ->> '$.moment.entries' = (SELECT max(seq) FROM knowledge_change) END
                AND query = ",
            );
            query.push_bind(key.to_owned()).push(")");
        });
        query.push(" AS found");
        let row = query.build().fetch_one(&self.readers).await?;
        let looked = looked(&row)?;
        self.moments.learn(mark, looked.moment, looked.until);
        Ok((looked, Found::all(row.try_get("found")?)?))
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

fn look_query(key: Option<&str>, expressions: &[String]) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(
        "SELECT coalesce((SELECT max(seq) FROM knowledge_change), 0) AS entries,
        coalesce((SELECT max(seq) FROM embedding_change), 0) AS vectors,
        coalesce((SELECT max(id) FROM embedding_model), 0) AS model,
        (SELECT min(expires_at) FROM knowledge WHERE expires_at > ",
    );
    query.push_bind(Timestamp::now().as_millis());
    query.push(") AS until, (SELECT results FROM search_cache WHERE query = ");
    query.push_bind(key.map(str::to_owned));
    query.push(
        ") AS kept, (SELECT json_group_array(
            (SELECT count(*) FROM knowledge_fts WHERE knowledge_fts MATCH e.value)
            ORDER BY e.key) FROM json_each(",
    );
    query.push_bind(serde_json::Value::from(expressions).to_string());
    query.push(") AS e) AS counts");
    query
}

fn looked(row: &SqliteRow) -> Result<LookedUp, StoreError> {
    let counts: &str = row.try_get("counts")?;
    Ok(LookedUp {
        moment: Moment {
            entries: row.try_get("entries")?,
            vectors: row.try_get("vectors")?,
            model: row.try_get("model")?,
        },
        until: row
            .try_get::<Option<i64>, _>("until")?
            .map(Timestamp::from_millis),
        kept: row.try_get("kept")?,
        counts: rows_of(counts)?,
    })
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
