//! Which version of the schema a file has, and bringing it to the newest.

use std::path::{Path, PathBuf};

use sqlx::SqliteConnection;

use super::{Depth, StoreConfig, StoreError, backup, connection, file, search};
use crate::knowledge::Timestamp;

/// `PRAGMA application_id`: the letters A2AK.
const APPLICATION_ID: i64 = 0x4132_414B;

/// What brings a file from the version that is its index to the next.
const MIGRATIONS: &[&str] = &[include_str!("../../migrations/0001_knowledge.sql")];
const ORIGINAL_ASIDE: &str = include_str!("../../migrations/original_aside.sql");
const ORIGINAL_ADOPT: &str = include_str!("../../migrations/original_adopt.sql");

/// What the original system's table has at least.
const ORIGINAL_COLUMNS: &[&str] = &[
    "category",
    "created_at",
    "key",
    "metadata",
    "source",
    "updated_at",
    "value",
];

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Nothing.
    Empty,
    /// The tables of the original system.
    Original,
    /// Ours, of this version of the schema.
    Version(usize),
}

/// How a file was brought to the newest version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// The version it had; 0 is that of the original system.
    pub from: usize,
    /// A copy of it as it was.
    pub copy: PathBuf,
}

/// Refuses a file that is not ours, newer, or damaged where it was looked at, without touching it.
/// All of a file that is to be migrated is looked at.
pub(super) async fn judge(path: &Path, config: &StoreConfig) -> Result<(), StoreError> {
    if !file::is_log_left(path) {
        let judged = judge_by(connection::open_to_judge(path).await).await;
        // Without locks another process may have begun to write in between.
        if judged.is_ok() || !file::is_log_left(path) {
            return judged;
        }
    }
    let reading = connection::open_to_read(path, config.patience).await;
    match judge_by(reading).await {
        // The original system was killed in a write, which has to be undone before anything is read.
        Err(error) if error.needs_writing() => {
            judge_by(connection::open_to_write(path, config).await).await
        }
        judged => judged,
    }
}

async fn judge_by(opened: Result<SqliteConnection, StoreError>) -> Result<(), StoreError> {
    let mut reading = opened?;
    let standing = standing(&mut reading).await?;
    let outdated = standing != Standing::Empty && !is_newest(standing);
    if outdated && let Some(reason) = check(&mut reading, Depth::Pages).await?.into_iter().next() {
        return Err(StoreError::Damaged { reason });
    }
    Ok(())
}

/// Brings the file to the newest version in one transaction, after a copy of it was put beside it.
pub(super) async fn migrate(
    writing: &mut SqliteConnection,
    path: &Path,
    config: &StoreConfig,
) -> Result<Option<Migration>, StoreError> {
    if is_newest(standing(writing).await?) {
        return Ok(None);
    }
    connection::begin(writing, config.patience).await?;
    let migrated = migrate_begun(writing, path, config).await;
    let end = if migrated.is_ok() {
        "COMMIT"
    } else {
        "ROLLBACK"
    };
    let ended = connection::execute_patiently(writing, end, config.patience).await;
    let migrated = migrated?;
    ended.map(|()| migrated)
}

/// While no other process writes: one of them may have been first.
async fn migrate_begun(
    writing: &mut SqliteConnection,
    path: &Path,
    config: &StoreConfig,
) -> Result<Option<Migration>, StoreError> {
    let standing = standing(writing).await?;
    let from = match standing {
        Standing::Empty | Standing::Original => 0,
        Standing::Version(version) => version,
    };
    if is_newest(standing) {
        return Ok(None);
    }
    let mut migration = None;
    if standing != Standing::Empty {
        let now = Timestamp::now().as_millis();
        let copy = file::beside(path, &format!(".v{from}-{now}.bak"));
        backup::copy(path, &copy, config.patience).await?;
        migration = Some(Migration { from, copy });
    }
    if standing == Standing::Original {
        sqlx::raw_sql(ORIGINAL_ASIDE).execute(&mut *writing).await?;
    }
    for (version, step) in MIGRATIONS.iter().enumerate().skip(from) {
        sqlx::raw_sql(*step).execute(&mut *writing).await?;
        if version == 0 && standing == Standing::Original {
            sqlx::raw_sql(ORIGINAL_ADOPT).execute(&mut *writing).await?;
            search::index_parts(writing).await?;
        }
    }
    let stamp = format!(
        "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {}",
        MIGRATIONS.len()
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(stamp))
        .execute(&mut *writing)
        .await?;
    Ok(migration)
}

fn is_newest(standing: Standing) -> bool {
    standing == Standing::Version(MIGRATIONS.len())
}

async fn standing(connection: &mut SqliteConnection) -> Result<Standing, StoreError> {
    let application: i64 = sqlx::query_scalar("PRAGMA application_id")
        .fetch_one(&mut *connection)
        .await?;
    let found: i64 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(&mut *connection)
        .await?;
    let version = usize::try_from(found).ok();
    if application == APPLICATION_ID {
        let version = version.filter(|version| *version <= MIGRATIONS.len());
        let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        return version
            .map(Standing::Version)
            .ok_or(StoreError::Newer { found, known });
    }
    let foreign = |reason: String| Err(StoreError::Foreign { reason });
    if application != 0 {
        return foreign(format!("application id {application:#x}"));
    }
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE type = 'table'")
        .fetch_one(&mut *connection)
        .await?;
    if tables == 0 {
        return Ok(Standing::Empty);
    }
    let columns: Vec<String> =
        sqlx::query_scalar("SELECT name FROM pragma_table_info('knowledge')")
            .fetch_all(&mut *connection)
            .await?;
    let missing = ORIGINAL_COLUMNS
        .iter()
        .find(|name| !columns.iter().any(|column| column == *name));
    match missing {
        None => Ok(Standing::Original),
        Some(_) if columns.is_empty() => foreign("it has no table `knowledge`".to_owned()),
        Some(name) => foreign(format!("its table `knowledge` has no column `{name}`")),
    }
}

/// What is wrong, as SQLite says it; at most 20 lines.
pub(super) async fn check(
    connection: &mut SqliteConnection,
    depth: Depth,
) -> Result<Vec<String>, StoreError> {
    let lines = match depth {
        Depth::Pages => sqlx::query_scalar("PRAGMA quick_check(20)"),
        Depth::Indexes => sqlx::query_scalar("PRAGMA integrity_check(20)"),
    };
    let lines: Vec<String> = lines.fetch_all(connection).await?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}
