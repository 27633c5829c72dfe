//! mcp-memory-service's database and export.

use serde_json::json as object;

use super::*;
use crate::knowledge::Tag;

/// As `storage/sqlite_vec.py` makes it; the table of vectors as it stands in the schema.
const TABLES: &str = "
    PRAGMA journal_mode = WAL;
    CREATE TABLE metadata (key TEXT PRIMARY KEY, value TEXT NOT NULL);
    CREATE TABLE memories (
        id INTEGER PRIMARY KEY AUTOINCREMENT, content_hash TEXT UNIQUE NOT NULL,
        content TEXT NOT NULL, tags TEXT, memory_type TEXT, metadata TEXT, created_at REAL,
        updated_at REAL, created_at_iso TEXT, updated_at_iso TEXT, deleted_at REAL DEFAULT NULL);
    CREATE INDEX idx_deleted_at ON memories(deleted_at);
    CREATE TABLE memory_graph (source_hash TEXT, target_hash TEXT, similarity REAL);
    PRAGMA writable_schema = ON;
    INSERT INTO sqlite_schema VALUES ('table', 'memory_embeddings', 'memory_embeddings', 0,
        'CREATE VIRTUAL TABLE memory_embeddings USING vec0(content_embedding FLOAT[384])');
    PRAGMA writable_schema = OFF;";

/// What migration 011 adds.
const EVOLUTION: &str = "
    ALTER TABLE memories ADD COLUMN parent_id TEXT;
    ALTER TABLE memories ADD COLUMN version INTEGER DEFAULT 1;
    ALTER TABLE memories ADD COLUMN confidence REAL DEFAULT 1.0;
    ALTER TABLE memories ADD COLUMN last_accessed INTEGER;
    ALTER TABLE memories ADD COLUMN superseded_by TEXT;";

const ROWS: &str = r#"
    INSERT INTO memories (content_hash, content, tags, memory_type, metadata, created_at, updated_at,
        created_at_iso, updated_at_iso, deleted_at) VALUES
        ('aaaaaaaaaaaabbbb', '# Postgres needs a restart after shared_buffers is changed, and a long rest',
            'database, ops ,,', 'decision', '{"by": "ann"}', 1735787045.123, 1735787046.5,
            '2025-01-02T03:04:05Z', '2025-01-02T03:04:06Z', NULL),
        ('aaaaaaaaaaaacccc', 'gone', '', 'note', NULL, 1, 1, NULL, NULL, 1735787050.0),
        ('dddddddddddddddd', 'only written', NULL, NULL, 'not json', NULL, NULL,
            '2025-01-02T03:04:05.678Z', NULL, NULL),
        ('eeeeeeeeeeeeeeee', 'a' || char(0), '', '', '', 1, 1, NULL, NULL, NULL),
        ('ffffffffffffffff', hex(zeroblob(600000)), '', '', '', 1, 1, NULL, NULL, NULL),
        ('1111111111111111', '', hex(zeroblob(40)) || ',short', 'note', '{}', 1, 1, NULL, NULL, NULL);
    INSERT INTO memory_graph VALUES ('a', 'b', 0.9), ('b', 'a', 0.9);"#;

const POSTGRES: &str =
    "user/decision/Postgres needs a restart after shared_buffers is changed, #aaaaaaaaaaaa";

#[tokio::test]
async fn memories_become_entries_that_can_be_found_again() {
    let stage = stage().await;
    let script = format!(
        "{TABLES}{EVOLUTION}{ROWS}
        UPDATE memories SET superseded_by = 'aaaaaaaaaaaabbbb', version = 2 WHERE id = 3;"
    );
    let file = stage.database("sqlite_vec.db", &script).await;
    let (outcome, told) = stage.all(Origin::McpMemoryService, &file).await;
    assert_eq!((outcome.read, outcome.adopted.created), (5, 3));
    assert_eq!(
        told.left_out,
        ["1 deleted memories", "2 links between memories"]
    );
    assert_eq!(
        told.refused,
        [
            "row 4, `a #eeeeeeeeeeee`: the value holds a control character, U+0000",
            "row 5: the content has 1200000 bytes; 1048576 is the most",
        ]
    );
    let one = stage.entry(POSTGRES).await;
    let tags: Vec<_> = one.tags.iter().map(Tag::as_str).collect();
    assert_eq!(tags, ["database", "ops"]);
    let metadata = object!({ "by": "ann", "content_hash": "aaaaaaaaaaaabbbb" });
    assert_eq!(json(&one), metadata);
    assert_eq!(one.created_at.to_string(), "2025-01-02T03:04:05.123Z");
    assert_eq!(one.updated_at.to_string(), "2025-01-02T03:04:06.500Z");

    let old = stage.entry("user/general/only written #dddddddddddd").await;
    assert_eq!(old.created_at.to_string(), "2025-01-02T03:04:05.678Z");
    assert_eq!(old.updated_at, old.created_at);
    assert_eq!(old.tags.iter().next().unwrap().as_str(), "superseded");
    let metadata = object!({ "metadata": "not json", "content_hash": "dddddddddddddddd",
        "superseded_by": "aaaaaaaaaaaabbbb", "version": 2 });
    assert_eq!(json(&old), metadata);

    let empty = stage.entry("user/note/#111111111111").await;
    let tags: Vec<_> = empty.tags.iter().map(Tag::as_str).collect();
    assert_eq!(tags, ["short"]);
    assert_eq!(json(&empty)["tags"].as_array().unwrap().len(), 2);
    assert_eq!(beside(&file), ["sqlite_vec.db"]);
}

#[tokio::test]
async fn a_database_of_an_early_version_is_read() {
    let stage = stage().await;
    let script = "CREATE TABLE memories (id INTEGER PRIMARY KEY, content_hash TEXT, content TEXT);
        INSERT INTO memories VALUES (1, 'abcdef', 'plain words'), (2, 'abcdff', 'plain words');";
    let file = stage.database("old.db", script).await;
    let (outcome, _) = stage.all(Origin::McpMemoryService, &file).await;
    assert_eq!((outcome.read, outcome.adopted.created), (2, 2));
    assert_eq!(
        stage.keys().await,
        [
            "user/general/plain words #abcdef",
            "user/general/plain words #abcdff"
        ]
    );
}

#[tokio::test]
async fn a_database_in_use_is_read_with_its_log() {
    let stage = stage().await;
    let path = stage.directory.path().join("live.db");
    let live = made(&path, &format!("{TABLES}{ROWS}")).await;
    assert!(
        std::fs::metadata(stage.directory.path().join("live.db-wal"))
            .unwrap()
            .len()
            > 0
    );
    let (outcome, _) = stage
        .import((Origin::McpMemoryService, &path), &Options::default())
        .await;
    assert_eq!(outcome.unwrap().adopted.created, 3);
    live.close().await.unwrap();
}

#[tokio::test]
async fn a_file_that_changes_without_a_lock_is_not_taken_for_whole() {
    let stage = stage().await;
    let file = stage.database("v.db", &format!("{TABLES}{ROWS}")).await;
    let mut reader = Reader::open(
        (Origin::McpMemoryService, &file),
        (&stage.store, &stage.config),
    )
    .await
    .unwrap();
    let writing = made(&file, "UPDATE memories SET content = 'x'").await;
    let refused = reader.next().await.unwrap_err();
    assert!(matches!(refused, ImportError::Changed), "{refused:?}");
    writing.close().await.unwrap();
}

#[tokio::test]
async fn an_export_is_read_too() {
    let stage = stage().await;
    let export = object!({
        "export_metadata": { "exporter_version": "5.0.1" },
        "memories": [
            { "content": "Postgres needs a restart after shared_buffers is changed, and a long rest",
              "content_hash": "aaaaaaaaaaaabbbb", "tags": ["database", "ops"],
              "created_at": 1_735_787_045.123, "updated_at": "2025-01-02T03:04:06Z",
              "memory_type": "decision", "metadata": { "by": "ann" }, "export_source": "laptop" },
            { "content": "no hash", "tags": "a,b", "memory_type": null, "metadata": null },
            { "content": 7 },
        ]
    });
    let file = stage.text("export.json", &format!("{export:#}"));
    let (outcome, told) = stage.all(Origin::McpMemoryService, &file).await;
    assert_eq!((outcome.read, outcome.adopted.created), (3, 2));
    assert!(told.refused[0].starts_with("memory 3: "), "{told:?}");
    let one = stage.entry(POSTGRES).await;
    assert_eq!(one.created_at.to_string(), "2025-01-02T03:04:05.123Z");
    assert_eq!(one.updated_at.to_string(), "2025-01-02T03:04:06.000Z");
    assert!(stage.keys().await[1].starts_with("user/general/no hash #"));
}

#[tokio::test]
async fn what_is_something_else_is_refused() {
    let stage = stage().await;
    let other = stage
        .database("x.db", "CREATE TABLE memories (content)")
        .await;
    for file in [&other, &stage.text("x.json", "{\"entities\": []}")] {
        let (refused, _) = stage
            .import((Origin::McpMemoryService, file), &Options::default())
            .await;
        let refused = refused.unwrap_err();
        assert!(matches!(refused, ImportError::Unlike(_)), "{refused:?}");
    }
}
