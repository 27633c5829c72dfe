//! All entries, in a stable order, as they were at one moment.

use std::collections::VecDeque;

use futures_util::TryStreamExt;
use sqlx::{QueryBuilder, SqliteConnection};

use super::Record;
use crate::knowledge::{Entry, Identity, Revision, Timestamp, Version};
use crate::store::row::{self, COLUMNS};
use crate::store::{Filter, StoreError};

/// Records that are read at once, fewer when they are large.
const PAGE: i64 = 500;
/// Once a page, or the part of a past in one record, has more bytes of values it ends early.
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
    /// Names that were read and are not told yet.
    open: VecDeque<Open>,
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
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let begun = sqlx::query("BEGIN").execute(&mut reading).await;
        begun?;
        Ok(Self {
            reading,
            filter,
            with_history,
            now,
            phase: Phase::Entries,
            after: None,
            open: VecDeque::new(),
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

    /// The next records, about 8 MiB of them at most; none at the end. A long past comes as several
    /// records of one name, the entry itself with the last.
    pub async fn next(&mut self) -> Result<Vec<Record>, StoreError> {
        if self.open.is_empty() {
            self.open = self.names().await?;
        }
        let (mut records, mut bytes) = (Vec::new(), 0);
        while bytes <= PAGE_BYTES
            && let Some(mut open) = self.open.pop_front()
        {
            let past = self.past(&open).await?;
            bytes += past.bytes + open.bytes();
            let last = past.versions.last().map(|version| version.revision);
            if past.more {
                records.push(Record::past(&open.identity, past.versions));
                open.told = last;
                self.open.push_front(open);
            } else {
                records.push(match open.entry {
                    Some(entry) => Record::of(entry, past.versions),
                    None => Record::past(&open.identity, past.versions),
                });
            }
        }
        Ok(records)
    }

    async fn names(&mut self) -> Result<VecDeque<Open>, StoreError> {
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
        if self.phase == Phase::Done {
            return Ok(VecDeque::new());
        }
        self.gone().await
    }

    async fn entries(&mut self) -> Result<VecDeque<Open>, StoreError> {
        let mut query = QueryBuilder::new("SELECT ");
        query.push(COLUMNS).push(" FROM knowledge AS k WHERE ");
        self.filter.push_to(&mut query, self.now);
        push_after(&mut query, self.after.as_ref());
        let query = query.build();
        let mut entries = VecDeque::new();
        let mut bytes = 0;
        {
            let mut rows = query.fetch(&mut self.reading);
            while bytes <= PAGE_BYTES
                && let Some(row) = rows.try_next().await?
            {
                let entry = row::entry(&row)?;
                bytes += entry.value.as_str().len();
                entries.push_back(Open::entry(entry));
            }
        }
        self.after = entries.back().map(|open| open.identity.clone());
        Ok(entries)
    }

    async fn gone(&mut self) -> Result<VecDeque<Open>, StoreError> {
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
        let names = rows.iter().map(|row| row::identity(row).map(Open::gone));
        let names: VecDeque<Open> = names.collect::<Result<_, _>>()?;
        self.after = names.back().map(|open| open.identity.clone());
        Ok(names)
    }

    /// What comes next of a past, as far as a page has room.
    async fn past(&mut self, open: &Open) -> Result<Past, StoreError> {
        let mut past = Past::default();
        if !self.with_history || open.is_new() {
            return Ok(past);
        }
        let query = sqlx::query(
            "SELECT revision, value, metadata, tags, updated_at, expires_at FROM knowledge_history
            WHERE source = ?1 AND category = ?2 AND key = ?3 AND revision > ?4 ORDER BY revision",
        )
        .bind(open.identity.source.as_str())
        .bind(open.identity.category.as_str())
        .bind(open.identity.key.as_str())
        .bind(open.told.map_or(0, |told| i64::from(told.get())));
        let mut rows = query.fetch(&mut self.reading);
        while let Some(row) = rows.try_next().await? {
            if past.bytes > PAGE_BYTES {
                past.more = true;
                break;
            }
            let version = row::version(&row)?;
            past.bytes += version
                .value
                .as_ref()
                .map_or(0, |value| value.as_str().len());
            past.versions.push(version);
        }
        Ok(past)
    }
}

/// A name whose past is being told.
#[derive(Debug)]
struct Open {
    identity: Identity,
    /// `None` when it is gone.
    entry: Option<Entry>,
    /// The last revision of its past that was told.
    told: Option<Revision>,
}

/// Some versions of a past.
#[derive(Debug, Default)]
struct Past {
    versions: Vec<Version>,
    bytes: usize,
    more: bool,
}

impl Open {
    fn entry(entry: Entry) -> Self {
        Self {
            identity: entry.identity.clone(),
            entry: Some(entry),
            told: None,
        }
    }

    fn gone(identity: Identity) -> Self {
        Self {
            identity,
            entry: None,
            told: None,
        }
    }

    fn is_new(&self) -> bool {
        let revision = self.entry.as_ref().map(|entry| entry.revision);
        revision == Some(Revision::FIRST)
    }

    fn bytes(&self) -> usize {
        let value = self.entry.as_ref().map(|entry| &entry.value);
        value.map_or(0, |value| value.as_str().len())
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
