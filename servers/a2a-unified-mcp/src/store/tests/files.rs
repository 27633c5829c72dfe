//! Files that are refused, copies, and who may read them.
#![expect(clippy::disallowed_methods, reason = "looks at the files of the store")]

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};

use super::*;

/// Everything in a directory, by name.
fn contents(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(directory).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

/// A closed store with some entries, changed by `spoil`, is refused and stays as it is.
async fn refused(spoil: impl AsyncFnOnce(&Path)) -> String {
    let stage = stage().await;
    for n in 0..200 {
        stage
            .put(draft(&n.to_string(), &"text ".repeat(50)))
            .await
            .unwrap();
    }
    stage.close().await;
    spoil(&stage.path).await;
    let directory = stage.path.parent().unwrap();
    let before = contents(directory);
    let error = open(&stage.path).await.expect_err("it is refused");
    assert!(contents(directory) == before, "it was touched: {error}");
    error.to_string()
}

async fn execute(path: &Path, sql: &'static str) {
    let config = StoreConfig::default();
    let mut connection = connection::open_to_write(path, &config).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.write_all_at(bytes, at).unwrap();
}

#[tokio::test]
async fn a_newer_file_is_refused() {
    let error = refused(async |path| execute(path, "PRAGMA user_version = 99").await).await;
    assert!(
        error.contains("has version 99") && error.contains("update"),
        "{error}"
    );
}

#[tokio::test]
async fn something_else_is_refused() {
    let other = refused(async |path| execute(path, "PRAGMA application_id = 7").await).await;
    assert!(other.contains("application id 0x7"), "{other}");
    let text = refused(async |path| fs::write(path, "Dear diary,").unwrap()).await;
    assert!(text.contains("not a SQLite database"), "{text}");
    let reset = "PRAGMA application_id = 0; PRAGMA user_version = 0; DROP TABLE knowledge";
    let tables = refused(async |path| execute(path, reset).await).await;
    assert!(tables.contains("no table `knowledge`"), "{tables}");
}

#[tokio::test]
async fn a_damaged_file_is_refused() {
    let short = refused(async |path| {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_len(file.metadata().unwrap().len() - 4096).unwrap();
    });
    let short = short.await;
    assert!(
        short.contains("damaged") && short.contains("bytes of"),
        "{short}"
    );
    let header = refused(async |path| overwrite(path, 16, &[3, 1])).await;
    assert!(header.contains("damaged"), "{header}");
    let schema = refused(async |path| overwrite(path, 100, &[0xff; 3000])).await;
    assert!(schema.contains("damaged"), "{schema}");
}

/// Half of the pages, but not those that are read when a file is opened.
fn spoil_the_middle(path: &Path) {
    let pages = fs::metadata(path).unwrap().len() / 4096;
    for page in pages / 2..pages {
        overwrite(path, page * 4096, &[0xaa; 4096]);
    }
}

#[tokio::test]
async fn damage_in_the_middle_is_found_by_a_check() {
    let stage = stage().await;
    let drafts = (0..200).map(|n| draft(&n.to_string(), &"text ".repeat(50)));
    stage.put_all(drafts.collect()).await.unwrap();
    stage.close().await;
    spoil_the_middle(&stage.path);
    let store = open(&stage.path).await.unwrap();
    assert!(!store.check(Depth::Pages).await.unwrap().is_empty());
}

#[tokio::test]
async fn damage_in_the_middle_is_found_before_a_migration() {
    let error = refused(async |path| {
        execute(path, "PRAGMA application_id = 0; PRAGMA user_version = 0").await;
        spoil_the_middle(path);
    });
    let error = error.await;
    assert!(error.contains("damaged"), "{error}");
}

#[tokio::test]
async fn a_newer_file_is_refused_by_what_only_its_log_says() {
    let stage = stage().await;
    stage.put(draft("a", "1")).await.unwrap();
    let mut newer = connection::open_to_write(&stage.path, &stage.config)
        .await
        .unwrap();
    sqlx::raw_sql("PRAGMA user_version = 99")
        .execute(&mut newer)
        .await
        .unwrap();
    let before = fs::read(&stage.path).unwrap();
    let error = open(&stage.path).await.unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::Newer {
                found: 99,
                known: 1
            }
        ),
        "{error}"
    );
    assert!(fs::read(&stage.path).unwrap() == before);
}

#[tokio::test]
async fn only_the_owner_may_read_the_files() {
    let stage = stage().await;
    stage.put(draft("a", "1")).await.unwrap();
    let directory = stage.path.parent().unwrap();
    stage.back_up(&directory.join("copy.db")).await.unwrap();
    assert_eq!(
        fs::metadata(directory).unwrap().permissions().mode() & 0o777,
        0o700
    );
    let files = contents(directory);
    assert_eq!(files.len(), 4, "file, log, its index and the copy");
    for (path, _) in files {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn a_backup_is_whole_while_writers_go_on_and_replaces_nothing() {
    let stage = stage().await;
    let to = stage.path.with_file_name("backup.db");
    let drafts = |round: usize| (0..50).map(move |n| draft(&n.to_string(), &round.to_string()));
    stage.put_all(drafts(0).collect()).await.unwrap();
    let writing = async {
        for round in 1.. {
            stage.put_all(drafts(round).collect()).await.unwrap();
        }
    };
    tokio::select! {
        () = writing => unreachable!(),
        copied = stage.back_up(&to) => copied.unwrap(),
    }
    let copy = open(&to).await.unwrap();
    assert_eq!(copy.check(Depth::Indexes).await.unwrap(), [""; 0]);
    let page = copy
        .list(&Filter::default(), None, most(100))
        .await
        .unwrap();
    assert_eq!(page.entries.len(), 50);
    let first = &page.entries[0].value;
    assert!(
        page.entries.iter().all(|entry| entry.value == *first),
        "one moment"
    );

    let before = fs::read(&to).unwrap();
    assert!(matches!(
        stage.back_up(&to).await,
        Err(StoreError::Io { .. })
    ));
    assert!(fs::read(&to).unwrap() == before);
    let names = contents(stage.path.parent().unwrap());
    let partial = names
        .iter()
        .find(|(name, _)| name.to_string_lossy().ends_with("partial"));
    assert_eq!(partial, None);
}

#[tokio::test]
async fn an_empty_file_with_a_log_is_refused() {
    let stage = stage().await;
    stage.put(draft("a", "only in the log")).await.unwrap();
    fs::write(&stage.path, "").unwrap();
    let log = file::beside(&stage.path, "-wal");
    let before = fs::read(&log).unwrap();
    let error = open(&stage.path).await.unwrap_err();
    assert!(error.to_string().contains("damaged"), "{error}");
    assert!(fs::read(&log).unwrap() == before);
}

#[tokio::test]
async fn a_row_that_cannot_be_there_is_damage() {
    let stage = stage().await;
    for value in ["1", "2"] {
        stage.put(draft("a", value)).await.unwrap();
    }
    let stray = "INSERT INTO knowledge_history
        (source, category, key, revision, metadata, tags, updated_at)
        SELECT source, category, key, 2, metadata, tags, updated_at FROM knowledge";
    execute(&stage.path, stray).await;
    let error = stage.put(draft("a", "3")).await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    assert_eq!(value(&stage, "a").await.as_deref(), Some("2"));
    stage.put(draft("b", "1")).await.unwrap();
}

/// What `.cargo/config.toml` asks for: statements that are prepared once.
#[tokio::test]
async fn sqlite_is_built_for_statements_that_stay_prepared() {
    let stage = stage().await;
    let mut reading = stage.readers.acquire().await.unwrap();
    let used: (bool, bool) = sqlx::query_as(
        "SELECT sqlite_compileoption_used('ENABLE_QPSG'), sqlite_compileoption_used('ENABLE_STAT4')",
    )
    .fetch_one(&mut *reading)
    .await
    .unwrap();
    assert_eq!(used, (true, false));
    reading.give_back();
}
