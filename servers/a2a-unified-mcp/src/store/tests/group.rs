//! Writes that share a transaction.

use super::*;

/// Fails as a full disk would: not one write's own fault.
struct Broken;

impl Job for Broken {
    type Done = ();

    async fn apply(&self, connection: &mut sqlx::SqliteConnection) -> Result<(), StoreError> {
        let insert = "INSERT INTO search_cache VALUES ('half', 'done', 0)";
        sqlx::query(insert).execute(connection).await?;
        Err(StoreError::Full)
    }
}

#[tokio::test]
async fn a_conflict_leaves_the_rest_of_its_group_alone() {
    let store = stage().await;
    store.put(draft("1", "first")).await.unwrap();
    let drafts = (0..50).map(|n| expecting(draft(&n.to_string(), "x"), Expected::Absent));
    let written = store.put_each(drafts.collect()).await;
    let failed: Vec<usize> = (0..50).filter(|n| written[*n].is_err()).collect();
    assert_eq!(failed, [1]);
    assert_eq!(value(&store, "1").await.as_deref(), Some("first"));
    assert_eq!(store.stats().await.unwrap().entries, 50);
}

#[tokio::test]
async fn a_transaction_that_fails_as_a_whole_is_made_again_without_the_culprit() {
    let store = stage().await;
    let before = store.put_each((0..5).map(|n| draft(&format!("b{n}"), "x")).collect());
    let after = store.put_each((0..5).map(|n| draft(&format!("a{n}"), "x")).collect());
    let (before, broken, after) = tokio::join!(before, store.write(Broken), after);
    assert!(matches!(broken, Err(StoreError::Full)), "{broken:?}");
    assert!(before.iter().chain(&after).all(Result::is_ok));
    assert_eq!(store.stats().await.unwrap().entries, 10);
    assert_eq!(
        store.stats().await.unwrap().history,
        0,
        "each was made once"
    );
    let cached: i64 = sqlx::query_scalar("SELECT count(*) FROM search_cache")
        .fetch_one(&store.readers)
        .await
        .unwrap();
    assert_eq!(cached, 0);
}

#[tokio::test]
async fn a_batch_is_all_or_nothing() {
    let store = stage().await;
    store.put(draft("b", "first")).await.unwrap();
    let absent = |key| expecting(draft(key, "x"), Expected::Absent);
    let batch = store.put_all(vec![absent("a"), absent("b"), absent("c")]);
    let error = batch.await.unwrap_err().to_string();
    assert_eq!(error, "item 1: the entry has revision 1 now");
    assert_eq!(value(&store, "a").await, None);
    assert_eq!(
        store
            .put_all(vec![absent("a"), absent("c")])
            .await
            .unwrap()
            .len(),
        2
    );

    let keys = ["c", "missing", "a", "c"].map(identity);
    let found = store.get_all(&keys).await.unwrap();
    let found: Vec<_> = found.iter().map(Option::is_some).collect();
    assert_eq!(found, [true, false, true, true]);
    let deleted = store.delete_each(keys.to_vec()).await;
    let deleted: Vec<_> = deleted
        .into_iter()
        .map(|deleted| deleted.unwrap().is_some())
        .collect();
    assert_eq!(deleted, [true, false, true, false]);
}

#[tokio::test]
async fn writes_together_wait_for_the_disk_together() {
    let store = stage().await;
    let mut watch = connection::open_to_read(&store.path, store.config.patience)
        .await
        .unwrap();
    let mut version = async || -> i64 {
        sqlx::query_scalar("PRAGMA data_version")
            .fetch_one(&mut watch)
            .await
            .unwrap()
    };
    let before = version().await;
    let puts = store.put_each((0..500).map(|n| draft(&n.to_string(), "x")).collect());
    let mut versions = vec![before];
    let watching = async {
        loop {
            versions.push(version().await);
        }
    };
    tokio::select! {
        written = puts => assert!(written.iter().all(Result::is_ok)),
        () = watching => unreachable!(),
    }
    versions.push(version().await);
    versions.dedup();
    assert!(
        (2..=20).contains(&versions.len()),
        "{} commits",
        versions.len() - 1
    );
}

#[tokio::test]
async fn a_closed_store_has_written_what_waited() {
    let store = stage().await;
    let puts = store.put_each((0..20).map(|n| draft(&n.to_string(), "x")).collect());
    // Polled in order: the writes wait before the store is closed.
    let (written, ()) = tokio::join!(puts, store.close());
    assert!(written.iter().all(Result::is_ok));
    let late = store.put(draft("late", "x")).await;
    assert!(matches!(late, Err(StoreError::Closed)), "{late:?}");
    let again = open(&store.path).await.unwrap();
    assert!(!again.opening().log_left, "the log was written back");
    assert_eq!(again.stats().await.unwrap().entries, 20);
}

#[tokio::test]
async fn a_busy_file_is_waited_for_as_long_as_patience_lasts() {
    let stage = stage().await;
    let config = StoreConfig {
        patience: std::time::Duration::from_millis(50),
        ..StoreConfig::default()
    };
    let hasty = Store::open(&stage.path, &config).await.unwrap();
    let mut other = connection::open_to_write(&stage.path, &config)
        .await
        .unwrap();
    connection::begin(&mut other, config.patience)
        .await
        .unwrap();

    let patient = stage.put(draft("patient", "x"));
    let given_up = async {
        let puts = (0..3).map(|n| draft(&n.to_string(), "x"));
        let written = hasty.put_each(puts.collect()).await;
        let busy = |written| matches!(written, Err(StoreError::Busy));
        assert!(written.into_iter().all(busy));
        assert_eq!(value(&hasty, "patient").await, None, "readers do not wait");
        connection::execute_patiently(&mut other, "COMMIT", config.patience)
            .await
            .unwrap();
    };
    let (patient, ()) = tokio::join!(patient, given_up);
    assert!(patient.unwrap().created);
    let again = hasty.put(draft("0", "x")).await.unwrap();
    assert!(
        again.created,
        "it was told that nothing was written, and so it is"
    );
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "takes the way to the file away")]
async fn a_transaction_that_fails_where_the_file_cannot_be_opened_again_keeps_nobody_out() {
    let stage = stage().await;
    let directory = stage.path.parent().unwrap();
    let way = directory.with_file_name("way");
    std::os::unix::fs::symlink(directory, &way).unwrap();
    let store = open(&way.join("knowledge.db")).await.unwrap();
    std::fs::remove_file(&way).unwrap();
    let broken = store.write(Broken).await;
    assert!(matches!(broken, Err(StoreError::Full)), "{broken:?}");

    let impatient = StoreConfig {
        patience: std::time::Duration::from_millis(300),
        ..StoreConfig::default()
    };
    let other = Store::open(&stage.path, &impatient).await.unwrap();
    let written = other.put(draft("a", "of another process")).await;
    written.unwrap();
    store.put(draft("b", "x")).await.unwrap();
    assert_eq!(stage.stats().await.unwrap().entries, 2);
}
