//! The names that entries have, and whether there are other ones than before.

use std::num::NonZeroU32;

use sqlx::QueryBuilder;

use super::readers::Readers;
use super::write::json;
use super::{Filter, StoreError};
use crate::knowledge::{Change, Timestamp};

/// A part of an entry's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Who said it.
    Source,
    /// What it belongs to.
    Category,
    /// What it is called.
    Key,
}

/// Names that begin alike.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// Some of them, each once, sorted by their bytes.
    pub names: Vec<String>,
    /// How many there are.
    pub total: u64,
}

impl Part {
    fn column(self) -> &'static str {
        match self {
            Self::Source => "k.source",
            Self::Category => "k.category",
            Self::Key => "k.key",
        }
    }
}

/// The first `limit` names that begin with `prefix`, of entries that the filter lets through.
pub(super) async fn beginning(
    pool: &Readers,
    (part, prefix): (Part, &str),
    filter: &Filter,
    limit: NonZeroU32,
    now: Timestamp,
) -> Result<Names, StoreError> {
    let column = part.column();
    let mut query = QueryBuilder::new("SELECT name, count(*) OVER () FROM (SELECT DISTINCT ");
    query
        .push(column)
        .push(" AS name FROM knowledge AS k WHERE ");
    filter.push_to(&mut query, now);
    query.push(" AND ").push(column).push(" >= ");
    query.push_bind(prefix.to_owned());
    query.push(" AND substr(").push(column).push(", 1, length(");
    query.push_bind(prefix.to_owned()).push(")) = ");
    query.push_bind(prefix.to_owned());
    query.push(") ORDER BY name LIMIT ").push_bind(limit.get());
    let rows: Vec<(String, i64)> = query.build_query_as().fetch_all(pool).await?;
    let total = rows.first().map_or(0, |(_, total)| *total);
    Ok(Names {
        names: rows.into_iter().map(|(name, _)| name).collect(),
        total: u64::try_from(total).unwrap_or(0),
    })
}

/// A change came or went when its entry is gone, or when the life of the entry began with it or later.
const CAME_OR_WENT: &str = "
    SELECT EXISTS (
        SELECT 1 FROM json_each(?1) AS c LEFT JOIN knowledge AS k
        ON k.source = c.value ->> 'source' AND k.category = c.value ->> 'category'
        AND k.key = c.value ->> 'key'
        WHERE k.first_revision IS NULL OR k.first_revision >= c.value ->> 'revision'
    )";

/// Whether an entry came or went with any of the changes.
pub(super) async fn came_or_went(pool: &Readers, changes: &[Change]) -> Result<bool, StoreError> {
    let changes = json(&changes)?;
    let found = sqlx::query_scalar(CAME_OR_WENT).bind(changes);
    Ok(found.fetch_one(pool).await?)
}
