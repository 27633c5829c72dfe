//! Lists of entries: what is in them, and their pages.

use std::num::NonZeroU32;

use futures_util::TryStreamExt;
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::StoreError;
use super::readers::Readers;
use super::row::{self, COLUMNS};
use crate::knowledge::{Category, Entry, Source, Tags, Timestamp};

/// Once a page has more bytes of values it ends early, so that it needs no more memory than this and
/// one entry.
const PAGE_BYTES: usize = 8 << 20;

/// Which entries: those that meet all that is given.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Filter {
    /// Of this source.
    pub source: Option<Source>,
    /// Of this category.
    pub category: Option<Category>,
    /// With all of these tags.
    pub tags: Tags,
    /// Whose metadata have each of these members, with an equal value.
    pub metadata: Map<String, Value>,
    /// Written at this time or later.
    pub updated_since: Option<Timestamp>,
    /// Written before this time.
    pub updated_before: Option<Timestamp>,
}

/// Some entries of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The entry that was created last comes first.
    pub entries: Vec<Entry>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Cursor>,
    /// Entries of the whole list, when this page was read.
    pub total: u64,
}

impl Page {
    /// About as much memory as it takes, in bytes.
    pub(crate) fn weight(&self) -> usize {
        let entries = self.entries.iter().map(Entry::weight);
        size_of::<Self>() + entries.sum::<usize>()
    }
}

/// A place in the list of one filter. Entries that stay while pages are read are met exactly once,
/// whatever else comes and goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(String);

impl Cursor {
    /// As a client gave it back.
    pub fn given(text: String) -> Self {
        Self(text)
    }

    /// For a client to give back.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Behind an entry of the list of that filter.
    pub fn behind(entry: &Entry, filter: &Filter) -> Result<Self, StoreError> {
        Ok(Self(format!("{:x}-{}", entry.id, filter.fingerprint()?)))
    }

    /// The entry it stands behind.
    fn id(&self, filter: &Filter) -> Result<i64, StoreError> {
        let (id, fingerprint) = self.0.split_once('-').ok_or(StoreError::Cursor)?;
        if fingerprint != filter.fingerprint()? {
            return Err(StoreError::Cursor);
        }
        let id = i64::from_str_radix(id, 16).ok().filter(|id| *id > 0);
        id.ok_or(StoreError::Cursor)
    }
}

impl Filter {
    /// 64 bits by which a cursor of another filter is known.
    fn fingerprint(&self) -> Result<String, StoreError> {
        let text = serde_json::to_vec(self).map_err(|_| StoreError::Cursor)?;
        let bytes = Sha256::digest(text);
        let number = bytes
            .iter()
            .take(8)
            .fold(0, |number, byte| (number << 8) | u64::from(*byte));
        Ok(format!("{number:016x}"))
    }

    /// Pushes the condition on `knowledge AS k`, true for entries that are not past their time.
    pub(super) fn push_to(&self, query: &mut QueryBuilder<Sqlite>, now: Timestamp) {
        // Few are past their time and not swept; asked this way, an index on what is asked for beside
        // it says enough.
        query.push("k.id NOT IN (SELECT id FROM knowledge WHERE expires_at <= ");
        query.push_bind(now.as_millis()).push(")");
        self.push_conditions(query);
    }

    /// Pushes the condition on `knowledge AS k` without that of time, each part with an AND before it.
    fn push_conditions(&self, query: &mut QueryBuilder<Sqlite>) {
        if let Some(source) = &self.source {
            query.push(" AND k.source = ");
            query.push_bind(source.to_string());
        }
        if let Some(category) = &self.category {
            query.push(" AND k.category = ");
            query.push_bind(category.to_string());
        }
        for tag in self.tags.iter() {
            query.push(" AND k.id IN (SELECT id FROM knowledge_tag WHERE tag = ");
            query.push_bind(tag.to_string()).push(")");
        }
        for (name, value) in &self.metadata {
            query.push(" AND EXISTS (SELECT 1 FROM json_each(k.metadata) AS m WHERE m.key = ");
            query.push_bind(name.clone()).push(" AND ");
            push_equal(query, value);
            query.push(")");
        }
        if let Some(since) = self.updated_since {
            query.push(" AND k.updated_at >= ");
            query.push_bind(since.as_millis());
        }
        if let Some(before) = self.updated_before {
            query.push(" AND k.updated_at < ");
            query.push_bind(before.as_millis());
        }
    }
}

/// That `m`, a row of `json_each`, is `value`. Lists and objects are equal when their text is.
fn push_equal(query: &mut QueryBuilder<Sqlite>, value: &Value) {
    match value {
        Value::Null => query.push("m.type = 'null'"),
        Value::Bool(true) => query.push("m.type = 'true'"),
        Value::Bool(false) => query.push("m.type = 'false'"),
        Value::Number(number) => {
            query.push("m.type IN ('integer', 'real') AND m.value = ");
            match number.as_i64() {
                Some(integer) => query.push_bind(integer),
                None => query.push_bind(number.as_f64()),
            }
        }
        Value::String(text) => {
            query.push("m.type = 'text' AND m.value = ");
            query.push_bind(text.clone())
        }
        Value::Array(_) | Value::Object(_) => {
            query.push("m.type IN ('array', 'object') AND m.value = json(");
            query.push_bind(value.to_string()).push(")")
        }
    };
}

/// A page of at most `limit` entries that were created before the one that `after` stands behind.
pub(super) async fn page(
    pool: &Readers,
    filter: &Filter,
    after: Option<&Cursor>,
    limit: NonZeroU32,
    now: Timestamp,
) -> Result<Page, StoreError> {
    let before = after.map(|cursor| cursor.id(filter)).transpose()?;
    // One snapshot for both queries.
    let mut transaction = pool.begin().await?;
    let total = count(&mut transaction, filter, now).await?;
    let (entries, more) = entries(&mut transaction, filter, before, limit, now).await?;
    transaction.rollback().await?;
    let last = entries.last().filter(|_| more);
    let next = last.map(|last| Cursor::behind(last, filter)).transpose()?;
    Ok(Page {
        entries,
        next,
        total,
    })
}

async fn count(
    connection: &mut SqliteConnection,
    filter: &Filter,
    now: Timestamp,
) -> Result<u64, StoreError> {
    // Few are past their time: those are counted by themselves, and all others without a look at it.
    let mut query = QueryBuilder::new("SELECT (SELECT count(*) FROM knowledge AS k");
    if *filter != Filter::default() {
        query.push(" WHERE TRUE");
        filter.push_conditions(&mut query);
    }
    query.push(") - (SELECT count(*) FROM knowledge AS k WHERE k.expires_at <= ");
    query.push_bind(now.as_millis());
    filter.push_conditions(&mut query);
    query.push(")");
    let count: i64 = query.build_query_scalar().fetch_one(connection).await?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// The entries, and whether there are more.
async fn entries(
    connection: &mut SqliteConnection,
    filter: &Filter,
    before: Option<i64>,
    limit: NonZeroU32,
    now: Timestamp,
) -> Result<(Vec<Entry>, bool), StoreError> {
    let mut query = QueryBuilder::new("SELECT ");
    query.push(COLUMNS).push(" FROM knowledge AS k WHERE ");
    filter.push_to(&mut query, now);
    if let Some(before) = before {
        query.push(" AND k.id < ");
        query.push_bind(before);
    }
    query.push(" ORDER BY k.id DESC LIMIT ");
    query.push_bind(i64::from(limit.get()) + 1);
    let most = usize::try_from(limit.get()).unwrap_or(usize::MAX);
    let mut entries: Vec<Entry> = Vec::new();
    let mut bytes = 0;
    let query = query.build();
    let mut rows = query.fetch(connection);
    while let Some(row) = rows.try_next().await? {
        if entries.len() == most || bytes > PAGE_BYTES {
            return Ok((entries, true));
        }
        let entry = row::entry(&row)?;
        bytes += entry.value.as_str().len();
        entries.push(entry);
    }
    Ok((entries, false))
}
