//! All entries, in a stable order, as they were at one moment.

use futures_util::TryStreamExt;
use sqlx::{QueryBuilder, SqliteConnection};

use super::Record;
use crate::knowledge::{Entry, Identity, Metadata, Tags, Timestamp};
use crate::store::row::{self, COLUMNS};
use crate::store::{Filter, StoreError};

/// Records that are read at once, fewer when they are large.
const PAGE: i64 = 500;
/// Once a page has more bytes of values it ends early.
const PAGE_BYTES: usize = 8 << 20;

/// Reads records page by page: entries, then what is gone, each by source, category and key.
#[derive(Debug)]
pub struct Exporter {
    /// In a transaction that reads: all pages are of one moment.
    reading: SqliteConnection,
    filter: Filter,
    with_history: bool,
    now: Timestamp,
    phase: Phase,
    after: Option<Identity>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Entries,
    Gone,
    Done,
}

impl Exporter {
    pub(in crate::store) async fn begin(
        mut reading: SqliteConnection,
        filter: Filter,
        with_history: bool,
    ) -> Result<Self, StoreError> {
        let begun = sqlx::query("BEGIN").execute(&mut reading).await;
        begun?;
        Ok(Self {
            reading,
            filter,
            with_history,
            now: Timestamp::now(),
            phase: Phase::Entries,
            after: None,
        })
    }

    /// How many entries there will be, without what is gone.
    pub async fn total(&mut self) -> Result<u64, StoreError> {
        let mut query = QueryBuilder::new("SELECT count(*) FROM knowledge AS k WHERE ");
        self.filter.push_to(&mut query, self.now);
        let count = query.build_query_scalar();
        let count: i64 = count.fetch_one(&mut self.reading).await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// The next records; none at the end.
    pub async fn next(&mut self) -> Result<Vec<Record>, StoreError> {
        if self.phase == Phase::Entries {
            let entries = self.entries().await?;
            if !entries.is_empty() {
                return Ok(entries);
            }
            // What is gone has no tags, metadata or time that a filter could ask for.
            let named = Filter {
                source: self.filter.source.clone(),
                category: self.filter.category.clone(),
                ..Filter::default()
            };
            let tells_gone = self.with_history && self.filter == named;
            self.phase = if tells_gone { Phase::Gone } else { Phase::Done };
            self.after = None;
        }
        if self.phase == Phase::Gone {
            let gone = self.gone().await?;
            if !gone.is_empty() {
                return Ok(gone);
            }
            self.phase = Phase::Done;
        }
        Ok(Vec::new())
    }

    async fn entries(&mut self) -> Result<Vec<Record>, StoreError> {
        let mut query = QueryBuilder::new("SELECT ");
        query.push(COLUMNS).push(" FROM knowledge AS k WHERE ");
        self.filter.push_to(&mut query, self.now);
        push_after(&mut query, self.after.as_ref());
        let query = query.build();
        let mut entries = Vec::new();
        let mut bytes = 0;
        {
            let mut rows = query.fetch(&mut self.reading);
            while bytes <= PAGE_BYTES
                && let Some(row) = rows.try_next().await?
            {
                let entry = row::entry(&row)?;
                bytes += entry.value.as_str().len();
                entries.push(entry);
            }
        }
        let mut records = Vec::with_capacity(entries.len());
        for entry in entries {
            records.push(self.record(entry).await?);
        }
        self.after = records.last().map(Record::identity);
        Ok(records)
    }

    async fn record(&mut self, entry: Entry) -> Result<Record, StoreError> {
        let history = if self.with_history && entry.revision.get() > 1 {
            self.history(&entry.identity).await?
        } else {
            Vec::new()
        };
        Ok(Record {
            source: entry.identity.source,
            category: entry.identity.category,
            key: entry.identity.key,
            value: Some(entry.value),
            metadata: entry.metadata,
            tags: entry.tags,
            revision: Some(entry.revision),
            created_at: Some(entry.created_at),
            updated_at: Some(entry.updated_at),
            expires_at: entry.expires_at,
            history,
        })
    }

    async fn gone(&mut self) -> Result<Vec<Record>, StoreError> {
        let mut query = QueryBuilder::new(
            "SELECT DISTINCT k.source, k.category, k.key FROM knowledge_history AS k
            WHERE NOT EXISTS (SELECT 1 FROM knowledge AS n WHERE n.source = k.source
                AND n.category = k.category AND n.key = k.key)",
        );
        if let Some(source) = &self.filter.source {
            query.push(" AND k.source = ");
            query.push_bind(source.to_string());
        }
        if let Some(category) = &self.filter.category {
            query.push(" AND k.category = ");
            query.push_bind(category.to_string());
        }
        push_after(&mut query, self.after.as_ref());
        let rows = query.build().fetch_all(&mut self.reading).await?;
        let mut records = Vec::with_capacity(rows.len());
        for row in rows {
            let identity = row::identity(&row)?;
            let history = self.history(&identity).await?;
            records.push(Record {
                source: identity.source,
                category: identity.category,
                key: identity.key,
                value: None,
                metadata: Metadata::default(),
                tags: Tags::default(),
                revision: None,
                created_at: None,
                updated_at: None,
                expires_at: None,
                history,
            });
        }
        self.after = records.last().map(Record::identity);
        Ok(records)
    }

    async fn history(
        &mut self,
        identity: &Identity,
    ) -> Result<Vec<crate::knowledge::Version>, StoreError> {
        let rows = sqlx::query(
            "SELECT revision, value, metadata, tags, updated_at, expires_at FROM knowledge_history
            WHERE source = ?1 AND category = ?2 AND key = ?3 ORDER BY revision",
        )
        .bind(identity.source.as_str())
        .bind(identity.category.as_str())
        .bind(identity.key.as_str())
        .fetch_all(&mut self.reading)
        .await?;
        rows.iter().map(row::version).collect()
    }
}

fn push_after(query: &mut QueryBuilder<sqlx::Sqlite>, after: Option<&Identity>) {
    if let Some(after) = after {
        query.push(" AND (k.source, k.category, k.key) > (");
        query.push_bind(after.source.to_string()).push(", ");
        query.push_bind(after.category.to_string()).push(", ");
        query.push_bind(after.key.to_string()).push(")");
    }
    query.push(" ORDER BY k.source, k.category, k.key LIMIT ");
    query.push_bind(PAGE);
}
