//! The original system's database.

use serde_json::json as object;

use super::*;

const TABLES: &str = "
    CREATE TABLE knowledge (
        id INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT, category TEXT, key TEXT, value TEXT,
        metadata TEXT, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, UNIQUE(source, category, key));
    CREATE TABLE search_cache (query TEXT PRIMARY KEY, results TEXT, created_at TIMESTAMP);
    INSERT INTO search_cache VALUES ('q', '[]', '2025-01-02 03:04:05');";

const ROWS: &str = r#"
    INSERT INTO knowledge (source, category, key, value, metadata, created_at, updated_at) VALUES
        ('user', 'general', 'text', 'a', '{"a": 1}', '2025-01-02 03:04:05', '2025-01-02 03:04:06'),
        ('agent', 'work', 'seconds', 'b', NULL, 1735787045, 1735787046.5),
        (NULL, NULL, 'null', 'older', NULL, '2025-01-01', '2025-01-01'),
        (NULL, NULL, 'null', 'newer', 'odd', '2025-02-01', '2025-02-01'),
        ('user', 'general', 'nul' || char(10), 'control', NULL, 1, 1),
        ('user', 'general', 'with nul', 'a' || char(0) || 'b', NULL, 1, 1),
        ('user', 'general', '', 'no key', NULL, 1, 1),
        ('user', 'general', 'large', hex(zeroblob(600000)), NULL, 1, 1);"#;

#[tokio::test]
async fn every_row_moves_in_or_is_named() {
    let stage = stage().await;
    let file = stage.database("o.db", &format!("{TABLES}{ROWS}")).await;
    let (outcome, told) = stage.all(Origin::Original, &file).await;
    assert_eq!((outcome.read, outcome.adopted.created), (7, 3));
    assert_eq!(
        told.refused,
        [
            "`user/general/`: the key is empty",
            "`user/general/large`: the value has 1200000 bytes; 1048576 is the most",
            "`user/general/nul `: the key holds a control character, U+000A",
            "`user/general/with nul`: the value holds a control character, U+0000",
        ]
    );
    let null = stage.entry("user/general/null").await;
    assert_eq!((null.value.as_str(), null.revision.get()), ("newer", 2));
    assert_eq!(json(&null), object!({ "metadata": "odd" }));
    let seconds = stage.entry("agent/work/seconds").await;
    assert_eq!(seconds.updated_at.to_string(), "2025-01-02T03:04:06.500Z");
    assert_eq!(beside(&file), ["o.db"]);
}

#[tokio::test]
async fn names_that_are_given_keep_the_old_ones_and_lose_no_entry() {
    let stage = stage().await;
    let rows = "INSERT INTO knowledge (source, category, key, value) VALUES
        ('a', 'x', 'same', '1'), ('a', 'y', 'same', '2'), ('user', 'general', 'other', '3');";
    let file = stage.database("o.db", &format!("{TABLES}{rows}")).await;
    let options = Options {
        source: Some("old".parse().unwrap()),
        category: Some("all".parse().unwrap()),
        ..Options::default()
    };
    let (outcome, told) = stage.import((Origin::Original, &file), &options).await;
    let outcome = outcome.unwrap();
    assert_eq!((outcome.adopted.created, outcome.refused), (2, 1));
    assert_eq!(
        told.refused,
        ["`a/y/same`: the file has another entry that becomes old/all/same"]
    );
    let same = stage.entry("old/all/same").await;
    assert_eq!(json(&same), object!({ "source": "a", "category": "x" }));
    assert_eq!(json(&stage.entry("old/all/other").await), object!({}));
}

#[tokio::test]
async fn a_conflict_is_named_and_ends_it_only_when_asked_to() {
    let stage = stage().await;
    let file = stage.database("o.db", &format!("{TABLES}{ROWS}")).await;
    let ours: Record = serde_json::from_str(
        r#"{"category": "work", "key": "seconds", "source": "agent", "value": "ours"}"#,
    )
    .unwrap();
    let written = stage.store.adopt_all(vec![ours], OnConflict::Fail).await;
    written.unwrap();
    for dry_run in [true, false] {
        let mut options = Options {
            dry_run,
            on_conflict: OnConflict::Fail,
            ..Options::default()
        };
        let (failed, _) = stage.import((Origin::Original, &file), &options).await;
        let text = failed.unwrap_err().to_string();
        assert_eq!(text, "`agent/work/seconds`: the entry has revision 1 now");
        assert_eq!(stage.keys().await, ["agent/work/seconds"]);

        options.on_conflict = OnConflict::Newer;
        let (kept, _) = stage.import((Origin::Original, &file), &options).await;
        let kept = kept.unwrap().adopted;
        assert_eq!((kept.created, kept.kept, kept.updated), (2, 1, 0));
    }
    let options = Options {
        on_conflict: OnConflict::Overwrite,
        ..Options::default()
    };
    let (written, _) = stage.import((Origin::Original, &file), &options).await;
    assert_eq!(written.unwrap().adopted.updated, 1);
    let now = stage.entry("agent/work/seconds").await;
    assert_eq!((now.value.as_str(), now.revision.get()), ("b", 2));
}

#[tokio::test]
async fn a_file_in_use_is_read_with_its_log() {
    let stage = stage().await;
    let path = stage.directory.path().join("live.db");
    let wal = format!("PRAGMA journal_mode = WAL; {TABLES}{ROWS}");
    let live = made(&path, &wal).await;
    assert!(
        std::fs::metadata(stage.directory.path().join("live.db-wal"))
            .unwrap()
            .len()
            > 0
    );
    let (outcome, _) = stage
        .import((Origin::Original, &path), &Options::default())
        .await;
    assert_eq!(outcome.unwrap().adopted.created, 3);
    live.close().await.unwrap();
}

#[tokio::test]
async fn a_file_of_ours_is_taken_over_with_its_past() {
    let (ours, other) = (stage().await, stage().await);
    for value in ["first", "second"] {
        let record = format!(r#"{{"key": "a", "value": "{value}"}}"#);
        let record = serde_json::from_str(&record).unwrap();
        let put = other.store.adopt_all(vec![record], OnConflict::Overwrite);
        put.await.unwrap();
    }
    let file = other.store.path();
    let (outcome, _) = ours
        .import((Origin::Original, file), &Options::default())
        .await;
    assert_eq!(outcome.unwrap().adopted.created, 1);
    assert_eq!(ours.entry("user/general/a").await.revision.get(), 2);
}

#[tokio::test]
async fn what_is_something_else_is_refused() {
    let stage = stage().await;
    let other = stage.database("x.db", "CREATE TABLE memories (a)").await;
    let text = stage.text("x.txt", "not a database, but long enough for a header");
    for file in [&other, &text, Path::new("/no/such/file")] {
        let (refused, _) = stage
            .import((Origin::Original, file), &Options::default())
            .await;
        assert!(refused.is_err(), "{}", file.display());
    }
    assert_eq!(
        beside(stage.store.path())
            .iter()
            .filter(|name| name.contains("import"))
            .count(),
        0
    );
}

#[tokio::test]
async fn many_entries_come_in_groups() {
    let stage = stage().await;
    let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1234)
        INSERT INTO knowledge (source, category, key, value) SELECT 's', 'c', 'k' || i, i FROM n;";
    let file = stage.database("o.db", &format!("{TABLES}{rows}")).await;
    let (outcome, _) = stage.all(Origin::Original, &file).await;
    assert_eq!((outcome.read, outcome.adopted.created), (1234, 1234));
}
