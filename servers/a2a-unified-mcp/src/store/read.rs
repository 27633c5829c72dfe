//! Reading without a list: entries by name, their history, what changed, how much there is.

use std::num::NonZeroU32;

use serde::Serialize;
use sqlx::{QueryBuilder, Row};

use super::StoreError;
use super::moments::Moment;
use super::readers::Readers;
use super::row::{self, COLUMNS};
use super::write::json;
use crate::knowledge::{
    Category, Change, Entry, Identity, Key, Revision, Source, Timestamp, Version,
};

/// Groups that [`Stats::groups`] names at most.
const MOST_GROUPS: i64 = 1000;

/// Values of as many bytes are read whether there is room or not.
const SMALL: i64 = 4096;

/// How far the file has come: greater after each change, whichever process made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ChangeToken(i64);

impl ChangeToken {
    pub(super) fn of(moment: Moment) -> Self {
        // The last change always stays, so this never goes back.
        Self(moment.entries)
    }
}

/// What happened since a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changes {
    /// These changes in their order, and the token to ask with next time.
    Since(Vec<Change>, ChangeToken),
    /// More than is kept: take everything for changed, and go on from here.
    Lost(ChangeToken),
}

/// How much is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Entries that are not past their time.
    pub entries: u64,
    /// Entries past their time that were not swept yet.
    pub expired: u64,
    /// Earlier revisions and deletions.
    pub history: u64,
    /// Size of the file without its log, in bytes.
    pub bytes: u64,
    /// Entries of each source and category, most first; at most 1000 of them.
    pub groups: Vec<Group>,
}

/// The entries of one source and category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The source.
    pub source: Source,
    /// The category.
    pub category: Category,
    /// How many there are.
    pub entries: u64,
}

/// What there is of a name.
#[derive(Debug, Clone, PartialEq)]
pub enum Recalled {
    /// Nothing.
    Missing,
    /// An entry that there was no room for.
    NoRoom,
    /// The entry.
    Entry(Entry),
}

impl Recalled {
    fn entry(self) -> Option<Entry> {
        match self {
            Self::Entry(entry) => Some(entry),
            Self::Missing | Self::NoRoom => None,
        }
    }
}

/// What there is of each name, in one snapshot. Once values are more than `room` bytes together, only
/// small ones are read.
pub(super) async fn recall(
    pool: &Readers,
    identities: &[Identity],
    room: usize,
    now: Timestamp,
) -> Result<Vec<Recalled>, StoreError> {
    let mut query = QueryBuilder::new("SELECT n.place, ");
    query.push(COLUMNS);
    query.push(
        " FROM (SELECT n.key AS place, k.id, octet_length(k.value) AS length, \
        sum(octet_length(k.value)) OVER (ORDER BY n.key) AS bytes FROM json_each(",
    );
    query.push_bind(json(&identities)?);
    query.push(
        ") AS n CROSS JOIN knowledge AS k ON k.source = n.value ->> 'source' \
        AND k.category = n.value ->> 'category' AND k.key = n.value ->> 'key' \
        WHERE k.expires_at IS NULL OR k.expires_at > ",
    );
    query.push_bind(now.as_millis());
    query.push(") AS n LEFT JOIN knowledge AS k ON k.id = n.id AND (n.bytes <= ");
    query.push_bind(i64::try_from(room).unwrap_or(i64::MAX));
    query.push(" OR n.length <= ").push(SMALL).push(")");
    let mut recalled = vec![Recalled::Missing; identities.len()];
    for row in query.build().fetch_all(pool).await? {
        let place = usize::try_from(row.try_get::<i64, _>("place")?).unwrap_or(usize::MAX);
        let found = match row.try_get::<Option<i64>, _>("id")? {
            Some(_) => Recalled::Entry(row::entry(&row)?),
            None => Recalled::NoRoom,
        };
        if let Some(place) = recalled.get_mut(place) {
            *place = found;
        }
    }
    Ok(recalled)
}

/// Each entry that there is, in one snapshot; `None` where there is none.
pub(super) async fn entries(
    pool: &Readers,
    identities: &[Identity],
    now: Timestamp,
) -> Result<Vec<Option<Entry>>, StoreError> {
    let recalled = recall(pool, identities, usize::MAX, now).await?;
    Ok(recalled.into_iter().map(Recalled::entry).collect())
}

/// Where there are entries of that key, whatever they belong to.
pub(super) async fn places(
    pool: &Readers,
    key: &Key,
    most: u32,
    now: Timestamp,
) -> Result<Vec<Identity>, StoreError> {
    let rows = sqlx::query(
        "SELECT source, category, key FROM knowledge
        WHERE key = ?1 AND (expires_at IS NULL OR expires_at > ?2)
        ORDER BY source, category LIMIT ?3",
    )
    .bind(key.as_str())
    .bind(now.as_millis())
    .bind(most)
    .fetch_all(pool)
    .await?;
    rows.iter().map(row::identity).collect()
}

/// The keys of a category.
pub(super) async fn keys(
    pool: &Readers,
    (source, category): (&Source, &Category),
    most: u32,
    now: Timestamp,
) -> Result<Vec<Key>, StoreError> {
    let keys: Vec<String> = sqlx::query_scalar(
        "SELECT key FROM knowledge
        WHERE source = ?1 AND category = ?2 AND (expires_at IS NULL OR expires_at > ?3)
        ORDER BY key LIMIT ?4",
    )
    .bind(source.as_str())
    .bind(category.as_str())
    .bind(now.as_millis())
    .bind(most)
    .fetch_all(pool)
    .await?;
    Ok(keys.into_iter().map(Key::stored).collect())
}

const VERSIONS: &str = "
    SELECT * FROM (
        SELECT revision, value, metadata, tags, updated_at, expires_at FROM knowledge
        WHERE source = ?1 AND category = ?2 AND key = ?3
        UNION ALL
        SELECT revision, value, metadata, tags, updated_at, expires_at FROM knowledge_history
        WHERE source = ?1 AND category = ?2 AND key = ?3
    )
    WHERE ?4 IS NULL OR revision < ?4
    ORDER BY revision DESC LIMIT ?5";

/// The newest revisions before one, newest first. One past its time is among them: it is history.
pub(super) async fn versions(
    pool: &Readers,
    identity: &Identity,
    before: Option<Revision>,
    limit: NonZeroU32,
) -> Result<Vec<Version>, StoreError> {
    let rows = sqlx::query(VERSIONS)
        .bind(identity.source.as_str())
        .bind(identity.category.as_str())
        .bind(identity.key.as_str())
        .bind(before.map(|revision| i64::from(revision.get())))
        .bind(limit.get())
        .fetch_all(pool)
        .await?;
    rows.iter().map(row::version).collect()
}

pub(super) async fn changes(
    pool: &Readers,
    since: ChangeToken,
    limit: NonZeroU32,
) -> Result<Changes, StoreError> {
    let mut transaction = pool.begin().await?;
    let (first, last): (i64, i64) = sqlx::query_as(
        "SELECT coalesce((SELECT min(seq) FROM knowledge_change), 1),
            coalesce((SELECT max(seq) FROM knowledge_change), 0)",
    )
    .fetch_one(&mut *transaction)
    .await?;
    let rows = sqlx::query(
        "SELECT seq, source, category, key, revision FROM knowledge_change
        WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    )
    .bind(since.0)
    .bind(limit.get())
    .fetch_all(&mut *transaction)
    .await?;
    transaction.rollback().await?;
    if since.0 < first - 1 || since.0 > last {
        return Ok(Changes::Lost(ChangeToken(last)));
    }
    let reached = match rows.last() {
        Some(row) => row.try_get("seq")?,
        None => since.0,
    };
    let changes: Result<_, _> = rows.iter().map(row::change).collect();
    Ok(Changes::Since(changes?, ChangeToken(reached)))
}

/// When the next entry is past its time: what was read is true until then, or until a change.
pub(super) async fn next_expiry(
    pool: &Readers,
    now: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    let next: Option<i64> =
        sqlx::query_scalar("SELECT min(expires_at) FROM knowledge WHERE expires_at > ?1")
            .bind(now.as_millis())
            .fetch_one(pool)
            .await?;
    Ok(next.map(Timestamp::from_millis))
}

pub(super) async fn stats(pool: &Readers, now: Timestamp) -> Result<Stats, StoreError> {
    let mut transaction = pool.begin().await?;
    let (all, expired, history, bytes): (i64, i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM knowledge),
            (SELECT count(*) FROM knowledge WHERE expires_at <= ?1),
            (SELECT count(*) FROM knowledge_history),
            (SELECT page_count * page_size FROM pragma_page_count, pragma_page_size)",
    )
    .bind(now.as_millis())
    .fetch_one(&mut *transaction)
    .await?;
    let groups: Vec<(String, String, i64)> = sqlx::query_as(
        "SELECT source, category, count(*) FROM knowledge
        WHERE expires_at IS NULL OR expires_at > ?1
        GROUP BY source, category ORDER BY count(*) DESC, source, category LIMIT ?2",
    )
    .bind(now.as_millis())
    .bind(MOST_GROUPS)
    .fetch_all(&mut *transaction)
    .await?;
    transaction.rollback().await?;
    let groups = groups.into_iter().map(|(source, category, entries)| Group {
        source: Source::stored(source),
        category: Category::stored(category),
        entries: natural(entries),
    });
    Ok(Stats {
        entries: natural(all - expired),
        expired: natural(expired),
        history: natural(history),
        bytes: natural(bytes),
        groups: groups.collect(),
    })
}

/// What counts things is not negative.
fn natural(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}
