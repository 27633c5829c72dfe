//! Files that the original system made.
#![expect(clippy::disallowed_methods, reason = "copies a file of the store")]

use sqlx::ConnectOptions;

use super::*;

/// A file with the original tables, filled by `rows`.
async fn made_by_the_original(rows: &'static str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("knowledge.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new();
    let options = options.filename(&path).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    let tables = "
        CREATE TABLE knowledge (
            id INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT, category TEXT, key TEXT, value TEXT,
            metadata TEXT, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
            updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, UNIQUE(source, category, key));
        CREATE INDEX idx_category ON knowledge (category);
        CREATE TABLE search_cache (query TEXT PRIMARY KEY, results TEXT, created_at TIMESTAMP);";
    sqlx::raw_sql(tables)
        .execute(&mut connection)
        .await
        .unwrap();
    sqlx::raw_sql(rows).execute(&mut connection).await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();
    (directory, path)
}

const ROWS: &str = r#"
    INSERT INTO knowledge (id, source, category, key, value, metadata, created_at, updated_at) VALUES
        (3, 'user', 'general', 'text', 'a running man', '{"a": [1, 2.5]}',
            '2025-01-02 03:04:05', '2025-01-02T03:04:06.789123+00:00'),
        (7, 'agent', 'work', 'seconds', '12', NULL, 1735787045, 1735787046.5),
        (8, 'agent', 'work', 'odd', 'x', 'not json', 'yesterday', NULL),
        (9, NULL, NULL, 'null', 'older', '[1]', '2025-01-01', '2025-01-01'),
        (12, NULL, NULL, 'null', 'newer', '', '2025-02-01', '2025-02-01');
    INSERT INTO search_cache VALUES ('q', '[]', '2025-01-02 03:04:05');"#;

#[tokio::test]
async fn every_row_moves_in() {
    let (_directory, path) = made_by_the_original(ROWS).await;
    let store = open(&path).await.unwrap();
    let migration = store.opening().migration.clone().unwrap();
    assert_eq!(migration.from, 0);

    let page = store
        .list(&Filter::default(), None, most(100))
        .await
        .unwrap();
    let ids: Vec<i64> = page.entries.iter().map(|entry| entry.id).collect();
    assert_eq!(ids, [12, 8, 7, 3]);
    let [null, odd, seconds, text] = page.entries.as_slice() else {
        panic!("{page:?}");
    };
    assert_eq!(text.created_at.to_string(), "2025-01-02T03:04:05.000Z");
    assert_eq!(text.updated_at.to_string(), "2025-01-02T03:04:06.789Z");
    assert_eq!(
        text.metadata,
        serde_json::from_str(r#"{"a": [1, 2.5]}"#).unwrap()
    );
    assert_eq!(seconds.created_at.to_string(), "2025-01-02T03:04:05.000Z");
    assert_eq!(seconds.updated_at.to_string(), "2025-01-02T03:04:06.500Z");
    assert_eq!(
        odd.metadata,
        serde_json::from_str(r#"{"metadata": "not json"}"#).unwrap()
    );
    assert_eq!(null.identity, identity("null"));
    assert_eq!((null.value.as_str(), null.revision), ("newer", revision(2)));

    let older = store
        .history(&identity("null"), None, most(9))
        .await
        .unwrap();
    assert_eq!(older.len(), 2);
    assert_eq!(
        older[1].metadata,
        serde_json::from_str(r#"{"metadata": [1]}"#).unwrap()
    );
    assert_eq!(indexed(&store, "run").await, ["text"]);
    let cached: (String, i64) = sqlx::query_as("SELECT results, created_at FROM search_cache")
        .fetch_one(&store.readers)
        .await
        .unwrap();
    assert_eq!(cached, ("[]".to_owned(), 1_735_787_045_000));
    assert_eq!(store.check(Depth::Indexes).await.unwrap(), [""; 0]);
    assert!(store.put(draft("later", "x")).await.unwrap().id > 12);
}

#[tokio::test]
async fn the_copy_is_the_file_as_it_was_and_the_next_opening_migrates_nothing() {
    let (_directory, path) = made_by_the_original(ROWS).await;
    let store = open(&path).await.unwrap();
    let copy = store.opening().migration.clone().unwrap().copy;
    let mut reading = connection::open_to_read(&copy, store.config.patience)
        .await
        .unwrap();
    let values: Vec<String> = sqlx::query_scalar("SELECT value FROM knowledge ORDER BY id")
        .fetch_all(&mut reading)
        .await
        .unwrap();
    assert_eq!(values, ["a running man", "12", "x", "older", "newer"]);
    store.close().await;
    assert_eq!(open(&path).await.unwrap().opening().migration, None);
}

#[tokio::test]
async fn openers_at_once_migrate_once() {
    let (directory, path) = made_by_the_original(ROWS).await;
    let stores = future::join_all((0..6).map(|_| open(&path))).await;
    let migrated = stores
        .iter()
        .filter(|store| store.as_ref().unwrap().opening().migration.is_some());
    assert_eq!(migrated.count(), 1);
    drop(directory);
}

#[tokio::test]
async fn a_migration_that_fails_leaves_the_file_as_it_was() {
    let (_directory, path) = made_by_the_original(
        "CREATE TABLE knowledge_tag (mine); INSERT INTO knowledge (key) VALUES ('a')",
    )
    .await;
    assert!(open(&path).await.is_err());
    let mut reading = connection::open_to_read(&path, std::time::Duration::ZERO)
        .await
        .unwrap();
    let keys: Vec<String> = sqlx::query_scalar("SELECT key FROM knowledge")
        .fetch_all(&mut reading)
        .await
        .unwrap();
    assert_eq!(keys, ["a"]);
}

#[tokio::test]
async fn a_write_that_the_original_did_not_end_is_undone() {
    let (directory, path) = made_by_the_original(ROWS).await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let mut killed = options.connect().await.unwrap();
    // Pages go to the file before the end of the transaction, the old ones to the journal.
    let half = "PRAGMA cache_size = 1; BEGIN; UPDATE knowledge SET value = hex(zeroblob(9000));
        UPDATE search_cache SET results = hex(zeroblob(90000))";
    sqlx::raw_sql(half).execute(&mut killed).await.unwrap();
    let left = directory.path().join("left.db");
    for suffix in ["", "-journal"] {
        std::fs::copy(file::beside(&path, suffix), file::beside(&left, suffix)).unwrap();
    }

    let store = open(&left).await.unwrap();
    assert!(store.opening().log_left);
    assert_eq!(value(&store, "null").await.as_deref(), Some("newer"));
}
