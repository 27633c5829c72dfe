//! The table `memories` of its database. The tables of its vectors need an extension of SQLite's and are
//! not touched.

use std::path::Path;

use futures_util::TryStreamExt;
use serde_json::{Map, Value as Json};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row};

use super::super::{GROUP, GROUP_BYTES, ImportError, Item};
use super::memory::{Listed, Memory, When};
use crate::knowledge::{MAX_METADATA_BYTES, MAX_VALUE_BYTES};
use crate::store::{Foreign, StoreConfig, StoreError};

/// Columns without which it is not that table.
const NEEDED: [&str; 2] = ["content", "content_hash"];
/// Columns that came with later versions and tell more; where they are, they go to the metadata. Those
/// with their default say nothing.
const MORE: [&str; 5] = [
    "superseded_by",
    "parent_id",
    "nullif(version, 1)",
    "nullif(confidence, 1.0)",
    "last_accessed",
];

/// The memories of a database, in one reading transaction.
pub(in crate::import) struct Rows {
    foreign: Foreign,
    select: String,
    after: i64,
    left_out: Vec<String>,
}

impl Rows {
    pub(super) async fn open(file: &Path, config: &StoreConfig) -> Result<Self, ImportError> {
        let opened = Foreign::open(file, config.patience).await;
        let mut foreign = opened.map_err(ImportError::foreign)?;
        let reading = &mut foreign.reading;
        let begun = sqlx::query("BEGIN").execute(&mut *reading).await;
        begun.map_err(refused)?;
        let columns: Vec<String> =
            sqlx::query_scalar("SELECT name FROM pragma_table_info('memories')")
                .fetch_all(&mut *reading)
                .await
                .map_err(refused)?;
        let has = |name: &str| columns.iter().any(|column| column == name);
        if let Some(missing) = NEEDED.into_iter().find(|name| !has(name)) {
            let text = format!("the file has no table `memories` with a column `{missing}`");
            return Err(ImportError::Unlike(text));
        }
        let mut left_out = Vec::new();
        if has("deleted_at") {
            let text = "SELECT count(*) FROM memories WHERE deleted_at IS NOT NULL";
            let count = sqlx::query_scalar(text).fetch_one(&mut *reading).await;
            note(&mut left_out, count, "deleted memories")?;
        }
        let links: Option<i64> =
            sqlx::query_scalar("SELECT 1 FROM pragma_table_info('memory_graph') LIMIT 1")
                .fetch_optional(&mut *reading)
                .await
                .map_err(refused)?;
        if links.is_some() {
            let text = "SELECT count(*) FROM memory_graph";
            let count = sqlx::query_scalar(text).fetch_one(&mut *reading).await;
            note(&mut left_out, count, "links between memories")?;
        }
        Ok(Self {
            foreign,
            select: select(&has),
            after: i64::MIN,
            left_out,
        })
    }

    pub(super) async fn next(&mut self) -> Result<Vec<Item>, ImportError> {
        let (mut items, mut bytes) = (Vec::new(), 0);
        {
            let query = sqlx::query(AssertSqlSafe(self.select.as_str())).bind(self.after);
            let mut rows = query.fetch(&mut self.foreign.reading);
            while items.len() < GROUP
                && bytes < GROUP_BYTES
                && let Some(row) = rows.try_next().await.map_err(refused)?
            {
                self.after = row.try_get("number").map_err(refused)?;
                let place = format!("row {}", self.after);
                let item = match read(&row) {
                    Ok(memory) => {
                        bytes += memory.content.len();
                        memory.item(&place)
                    }
                    Err(reason) => Item {
                        place,
                        record: Err(reason),
                    },
                };
                items.push(item);
            }
        }
        // Before anything of the group is written: without locks a page may be of another moment.
        let unchanged = self.foreign.ensure_unchanged();
        unchanged.map_err(ImportError::foreign)?;
        Ok(items)
    }

    pub(super) fn left_out(&self) -> &[String] {
        &self.left_out
    }
}

fn refused(error: sqlx::Error) -> ImportError {
    ImportError::foreign(StoreError::from(error))
}

fn note(
    left_out: &mut Vec<String>,
    count: Result<i64, sqlx::Error>,
    what: &str,
) -> Result<(), ImportError> {
    let count = count.map_err(refused)?;
    if count > 0 {
        left_out.push(format!("{count} {what}"));
    }
    Ok(())
}

/// What is read of a row: texts that cannot fit are not read at all.
fn select(has: &dyn Fn(&str) -> bool) -> String {
    let text = |name: &str, most: usize| {
        format!("iif(octet_length({name}) > {most}, NULL, CAST({name} AS TEXT)) AS {name}")
    };
    let optional = |name: &str| {
        if has(name) {
            text(name, MAX_METADATA_BYTES)
        } else {
            format!("NULL AS {name}")
        }
    };
    let time = |name: &str| {
        let iso = format!("{name}_iso");
        let mut ways = Vec::new();
        if has(name) {
            ways.push(format!(
                "iif(typeof({name}) IN ('integer', 'real'), {name} * 1.0, NULL)"
            ));
        }
        for column in [iso.as_str(), name].into_iter().filter(|name| has(name)) {
            ways.push(format!("unixepoch({column}, 'subsec') * 1.0"));
        }
        let ways = ways.join(", ");
        format!(
            "coalesce({ways}{}NULL, NULL) AS {name}",
            if ways.is_empty() { "" } else { ", " }
        )
    };
    let column = |term: &&str| {
        let name = term.trim_start_matches("nullif(");
        let name = name.split(',').next().unwrap_or(name).to_owned();
        has(&name).then(|| format!("'{name}', {term}"))
    };
    let more: Vec<String> = MORE.iter().filter_map(column).collect();
    let deleted = if has("deleted_at") {
        "AND deleted_at IS NULL"
    } else {
        ""
    };
    format!(
        "SELECT rowid AS number, octet_length(content) AS content_bytes,
            max({other_bytes}) AS other_bytes, {content}, {hash}, {tags}, {kind}, {metadata},
            {created}, {updated}, json_object({more}) AS more
        FROM memories WHERE rowid > ?1 {deleted} ORDER BY rowid",
        other_bytes = ["metadata", "tags", "memory_type"]
            .into_iter()
            .filter(|name| has(name))
            .map(|name| format!("coalesce(octet_length({name}), 0)"))
            .chain(["0".to_owned(), "0".to_owned()])
            .collect::<Vec<_>>()
            .join(", "),
        content = text("content", MAX_VALUE_BYTES),
        hash = text("content_hash", MAX_METADATA_BYTES),
        tags = optional("tags"),
        kind = optional("memory_type"),
        metadata = optional("metadata"),
        created = time("created_at"),
        updated = time("updated_at"),
        more = more.join(", "),
    )
}

fn read(row: &SqliteRow) -> Result<Memory, String> {
    let refused = |error: sqlx::Error| error.to_string();
    let bound = |name: &str, what: &str, most: usize| {
        let bytes: Option<i64> = row.try_get(name).map_err(refused)?;
        match bytes.and_then(|bytes| usize::try_from(bytes).ok()) {
            Some(bytes) if bytes > most => {
                Err(format!("the {what} has {bytes} bytes; {most} is the most"))
            }
            Some(_) | None => Ok(()),
        }
    };
    bound("content_bytes", "content", MAX_VALUE_BYTES)?;
    bound(
        "other_bytes",
        "metadata, list of tags or type",
        MAX_METADATA_BYTES,
    )?;
    let text = |name: &str| row.try_get::<Option<String>, _>(name).map_err(refused);
    let when = |name: &str| {
        let seconds: Option<f64> = row.try_get(name).map_err(refused)?;
        Ok::<_, String>(seconds.map_or(When::Unknown, When::Number))
    };
    let more = text("more")?.unwrap_or_default();
    let more: Map<String, Json> = serde_json::from_str(&more).unwrap_or_default();
    Ok(Memory {
        content: text("content")?.unwrap_or_default(),
        content_hash: text("content_hash")?,
        tags: Listed::Text(text("tags")?),
        kind: text("memory_type")?,
        metadata: merged(text("metadata")?, more),
        created_at: when("created_at")?,
        updated_at: when("updated_at")?,
    })
}

/// The metadata with what other columns tell; text that is not JSON is kept as it is.
fn merged(text: Option<String>, more: Map<String, Json>) -> Json {
    let text = text.filter(|text| !text.trim().is_empty());
    let told = text.map(|text| serde_json::from_str(&text).unwrap_or(Json::String(text)));
    let mut members = match told {
        Some(Json::Object(members)) => members,
        None | Some(Json::Null) => Map::new(),
        Some(other) => Map::from_iter([("metadata".to_owned(), other)]),
    };
    for (name, value) in more {
        if !value.is_null() && value != Json::String(String::new()) {
            members.entry(name).or_insert(value);
        }
    }
    members.into()
}
