//! What searching needs of the full-text index (<https://sqlite.org/fts5.html>).

use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::list::Filter;
use super::row::{self, COLUMNS, SCORED, Scored, rows_of};
use super::{Store, StoreError};
use crate::knowledge::{Entry, Timestamp};
use crate::words;

/// Values are read whole until they are more bytes than this together.
const ENTRIES_BYTES: usize = 8 << 20;
/// Entries that are read at once: as few as bound what is read too much, as many as most searches find.
pub(crate) const PART: usize = 10;

/// What weighs how much in `bm25`: key, value, category, tags, parts.
const RANK: &str = "bm25(knowledge_fts, 3.0, 1.0, 0.5, 1.0, 1.0)";

/// Which entries to rank by text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<'a> {
    /// What counts, in the language of FTS5.
    pub(crate) wanted: &'a str,
    /// What must be there as well, in the same language.
    pub(crate) required: Option<&'a str>,
    /// Which entries may be found.
    pub(crate) filter: &'a Filter,
    /// Only these of them.
    pub(crate) among: Option<&'a [i64]>,
    /// Only this share of the entries, those that were created last; 1 for all.
    pub(crate) newest: f64,
    /// How many at most.
    pub(crate) most: usize,
}

/// An entry that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ranked {
    pub(crate) id: i64,
    /// Greater is better.
    pub(crate) score: f64,
    pub(crate) updated_at: Timestamp,
}

/// An entry that was found, and how well it fits.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) entry: Entry,
    /// Greater is better.
    pub(crate) score: f64,
}

impl Found {
    /// Those that [`push_found`] asked for.
    pub(super) fn all(found: &str) -> Result<Vec<Self>, StoreError> {
        let found: Vec<Scored<'_>> = rows_of(found)?;
        let found = found.into_iter().map(|found| {
            let score = found.score;
            let entry = found.entry()?;
            Ok(Self { entry, score })
        });
        found.collect()
    }

    pub(crate) fn ranked(&self) -> Ranked {
        Ranked {
            id: self.entry.id,
            score: self.score,
            updated_at: self.entry.updated_at,
        }
    }
}

impl Store {
    /// The best entries, best first; of equal ones the newest number first.
    pub(crate) async fn rank(&self, ask: Ask<'_>) -> Result<Vec<Ranked>, StoreError> {
        let mut query = QueryBuilder::new(
            "SELECT json_group_array(json_array(f.id, -f.score, k.updated_at)
            ORDER BY f.score, f.id DESC) FROM (",
        );
        push_ranked(&mut query, ask, |_| {});
        query.push(") AS f CROSS JOIN knowledge AS k ON k.id = f.id");
        let rows: String = query.build_query_scalar().fetch_one(&self.readers).await?;
        let rows: Vec<(i64, f64, i64)> = rows_of(&rows)?;
        let ranked = rows.into_iter().map(|(id, score, updated_at)| Ranked {
            id,
            score,
            updated_at: Timestamp::from_millis(updated_at),
        });
        Ok(ranked.collect())
    }

    /// The best `limit` entries of the best that were asked for; of equal ones the one written last,
    /// then the newest number first.
    pub(crate) async fn rank_found(
        &self,
        ask: Ask<'_>,
        limit: usize,
    ) -> Result<Vec<Found>, StoreError> {
        let mut query = QueryBuilder::new("SELECT ");
        push_found(&mut query, ask, limit, |_| {});
        let found: String = query.build_query_scalar().fetch_one(&self.readers).await?;
        Found::all(&found)
    }

    /// The first `most` words of the index from `from` to before `to`, and how many entries have each.
    pub(crate) async fn words_between(
        &self,
        from: &str,
        to: &str,
        most: u32,
    ) -> Result<Vec<(String, i64)>, StoreError> {
        let words = sqlx::query_as(
            "SELECT term, doc FROM knowledge_word WHERE term >= ?1 AND term < ?2 LIMIT ?3",
        );
        let words = words.bind(from).bind(to).bind(most);
        Ok(words.fetch_all(&self.readers).await?)
    }

    /// The numbers of the entries that a filter lets through, sorted.
    pub(crate) async fn let_through(
        &self,
        filter: &Filter,
        required: Option<&str>,
    ) -> Result<Vec<i64>, StoreError> {
        let mut query =
            QueryBuilder::new("SELECT json_group_array(k.id) FROM knowledge AS k WHERE ");
        filter.push_to(&mut query, Timestamp::now());
        if let Some(required) = required {
            query.push(" AND k.id IN (SELECT rowid FROM knowledge_fts WHERE knowledge_fts MATCH ");
            query.push_bind(required).push(")");
        }
        let ids: String = query.build_query_scalar().fetch_one(&self.readers).await?;
        let mut ids: Vec<i64> = rows_of(&ids)?;
        ids.sort_unstable();
        Ok(ids)
    }

    /// When each of these entries was written, without those that are gone.
    pub(crate) async fn times(&self, ids: &[i64]) -> Result<Vec<(i64, Timestamp)>, StoreError> {
        let times: String = sqlx::query_scalar(
            "SELECT json_group_array(json_array(k.id, k.updated_at))
            FROM json_each(?1) AS n CROSS JOIN knowledge AS k ON k.id = n.value
            WHERE k.expires_at IS NULL OR k.expires_at > ?2",
        )
        .bind(list(ids))
        .bind(Timestamp::now().as_millis())
        .fetch_one(&self.readers)
        .await?;
        let times: Vec<(i64, i64)> = rows_of(&times)?;
        let time = |(id, time)| (id, Timestamp::from_millis(time));
        Ok(times.into_iter().map(time).collect())
    }

    /// The entries of these numbers, without those that are gone, and whether each has its whole value:
    /// once values are more than 8 MiB together, the rest have the beginning of theirs.
    pub(crate) async fn numbered(&self, ids: &[i64]) -> Result<Vec<(Entry, bool)>, StoreError> {
        let (mut entries, mut bytes) = (Vec::with_capacity(ids.len()), 0);
        for part in ids.chunks(PART) {
            let is_whole = bytes <= ENTRIES_BYTES;
            let mut query = QueryBuilder::new("SELECT ");
            if is_whole {
                query.push(COLUMNS);
            } else {
                query.push(COLUMNS.replace("k.value", "substr(k.value, 1, 256) AS value"));
            }
            query.push(" FROM json_each(");
            query.push_bind(list(part));
            query.push(") AS n CROSS JOIN knowledge AS k ON k.id = n.value ");
            query.push("WHERE k.expires_at IS NULL OR k.expires_at > ");
            query.push_bind(Timestamp::now().as_millis());
            query.push(" ORDER BY n.key");
            for row in query.build().fetch_all(&self.readers).await? {
                let entry = row::entry(&row)?;
                bytes += entry.value.as_str().len();
                entries.push((entry, is_whole));
            }
        }
        Ok(entries)
    }
}

/// Gives entries that were not written by this program the words within their words.
pub(super) async fn index_parts(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let mut last = 0_i64;
    loop {
        let next: Option<(i64, String, String, String)> = sqlx::query_as(
            "SELECT id, key, category, value FROM knowledge WHERE id > ?1 ORDER BY id LIMIT 1",
        )
        .bind(last)
        .fetch_optional(&mut *connection)
        .await?;
        let Some((id, key, category, value)) = next else {
            return Ok(());
        };
        last = id;
        let parts = words::parts([key.as_str(), &category, &value]);
        if !parts.is_empty() {
            let update = sqlx::query("UPDATE knowledge SET parts = ?2 WHERE id = ?1");
            update
                .bind(id)
                .bind(parts)
                .execute(&mut *connection)
                .await?;
        }
    }
}

/// The query for the numbers of the best entries and their scores, the least of which is the best.
fn push_ranked(
    query: &mut QueryBuilder<Sqlite>,
    ask: Ask<'_>,
    condition: impl FnOnce(&mut QueryBuilder<Sqlite>),
) {
    // Of equal scores those that come first stay, so the newest have to come first. As a second key to
    // sort by, the number would cost a quarter of the whole.
    query.push("SELECT id, score FROM (SELECT rowid AS id, ");
    // Named in the result, bm25 is computed for what the conditions let through only.
    query
        .push(RANK)
        .push(" AS score FROM knowledge_fts WHERE knowledge_fts MATCH ");
    query.push_bind(ask.wanted.to_owned());
    if let Some(required) = ask.required {
        query.push(" AND +rowid IN (SELECT rowid FROM knowledge_fts WHERE knowledge_fts MATCH ");
        query.push_bind(required.to_owned()).push(")");
    }
    if let Some(among) = ask.among {
        query.push(" AND +rowid IN (SELECT value FROM json_each(");
        query.push_bind(list(among)).push("))");
    }
    if ask.newest < 1.0 {
        query.push(" AND rowid > (SELECT CAST(max(id) * ");
        query
            .push_bind(1.0 - ask.newest)
            .push(" AS INTEGER) FROM knowledge)");
    }
    push_filter(query, ask.filter, Timestamp::now());
    condition(query);
    // Without a limit it would be made one with the outer query, and its order be lost.
    query.push(" ORDER BY rowid DESC LIMIT -1) ORDER BY score LIMIT ");
    query.push_bind(i64::try_from(ask.most).unwrap_or(i64::MAX));
}

/// The query for the best `limit` entries of those as one text.
pub(super) fn push_found(
    query: &mut QueryBuilder<Sqlite>,
    ask: Ask<'_>,
    limit: usize,
    condition: impl FnOnce(&mut QueryBuilder<Sqlite>),
) {
    query.push("(SELECT json_group_array(").push(SCORED);
    // What may be long is read of those only that are the best.
    query.push(" ORDER BY f.score DESC, f.updated_at DESC, f.id DESC) FROM (");
    query.push("SELECT f.id, -f.score AS score, k.updated_at FROM (");
    push_ranked(query, ask, condition);
    query.push(") AS f CROSS JOIN knowledge AS k ON k.id = f.id ");
    query.push("ORDER BY f.score, k.updated_at DESC, f.id DESC LIMIT ");
    query.push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    query.push(") AS f CROSS JOIN knowledge AS k ON k.id = f.id)");
}

/// What the filter asks of `knowledge_fts`. Mostly nothing but that the entry is not past its time;
/// then the few that are past it are looked up instead, if there are any.
fn push_filter(query: &mut QueryBuilder<Sqlite>, filter: &Filter, now: Timestamp) {
    if *filter == Filter::default() {
        let expired = "(SELECT id FROM knowledge WHERE expires_at <= ";
        query.push(" AND CASE WHEN EXISTS ").push(expired);
        query.push_bind(now.as_millis());
        query.push(") THEN rowid NOT IN ").push(expired);
        query.push_bind(now.as_millis()).push(") ELSE TRUE END");
    } else {
        query.push(
            " AND EXISTS (SELECT 1 FROM knowledge AS k WHERE k.id = knowledge_fts.rowid AND ",
        );
        filter.push_to(query, now);
        query.push(")");
    }
}

fn list(ids: &[i64]) -> String {
    serde_json::Value::from(ids).to_string()
}
