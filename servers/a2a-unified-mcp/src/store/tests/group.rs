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

/// One statement does what one for each would.
#[tokio::test]
async fn a_batch_writes_what_single_writes_would() {
    let (batch, single) = (stage().await, stage().await);
    let mut gone = draft("gone", "soon");
    gone.expires_at = Some(Timestamp::from_millis(1));
    let mut odd = draft("q\"uote\\", "tab\t \u{1F600} getUserName\n\"");
    odd.tags = serde_json::from_str(r#"["b","a\"b"]"#).unwrap();
    odd.metadata = serde_json::from_str(r#"{"deep":{"list":[1,"\u00e9"]}}"#).unwrap();
    odd.expires_at = Some(Timestamp::now().after(std::time::Duration::from_secs(99)));
    let before = vec![draft("old", "first"), gone, draft("deleted", "1")];
    let drafts = vec![
        draft("new", "x"),
        draft("old", "second"),
        odd,
        draft("gone", "back"),
        draft("deleted", "2"),
    ];
    let repeated = vec![draft("twice", "1"), draft("twice", "2")];
    let mut outcomes = Vec::new();
    for (store, together) in [(&batch, true), (&single, false)] {
        for draft in before.clone() {
            store.put(draft).await.unwrap();
        }
        store.delete(identity("deleted"), None).await.unwrap();
        let mut written = Vec::new();
        for drafts in [&drafts, &repeated] {
            if together {
                written.extend(store.put_all(drafts.clone()).await.unwrap());
            } else {
                for draft in drafts.clone() {
                    written.push(store.put(draft).await.unwrap());
                }
            }
        }
        let names: Vec<Identity> = drafts
            .iter()
            .chain(&repeated)
            .map(|draft| draft.identity.clone())
            .collect();
        let mut entries = store.get_all(&names).await.unwrap();
        for entry in entries.iter_mut().flatten() {
            let none = Timestamp::from_millis(0);
            (entry.created_at, entry.updated_at) = (none, none);
        }
        let mut pasts = Vec::new();
        for name in &names {
            let past = store.history(name, None, most(9)).await.unwrap();
            pasts.push(
                past.into_iter()
                    .map(|version| (version.revision, version.value))
                    .collect::<Vec<_>>(),
            );
        }
        outcomes.push((written, entries, pasts, indexed(store, "user").await));
    }
    assert_eq!(outcomes[0], outcomes[1]);
    assert_eq!(outcomes[0].3, ["q\"uote\\"]);
    assert_eq!(outcomes[0].0[1].revision, revision(2));
    assert!(outcomes[0].0[3].created && outcomes[0].0[4].created);
    assert!(batch.check(Depth::Indexes).await.unwrap().is_empty());
}

/// What is written with one statement is in the order in which it was asked for.
#[tokio::test]
async fn writes_of_one_name_keep_their_order_within_a_group() {
    let store = stage().await;
    let drafts = vec![
        draft("a", "first"),
        draft("b", "x"),
        draft("a", "second"),
        expecting(draft("a", "third"), Expected::Revision(revision(2))),
        draft("c", "x"),
        draft("a", "fourth"),
        expecting(draft("c", "y"), Expected::Absent),
        draft("b", "y"),
    ];
    let written = store.put_each(drafts).await;
    let revisions: Vec<Option<(u32, bool)>> = written
        .iter()
        .map(|written| written.as_ref().ok())
        .map(|written| written.map(|written| (written.revision.get(), written.created)))
        .collect();
    let expected = [
        Some((1, true)),
        Some((1, true)),
        Some((2, false)),
        Some((3, false)),
        Some((1, true)),
        Some((4, false)),
        None,
        Some((2, false)),
    ];
    assert_eq!(revisions, expected);
    assert_eq!(value(&store, "a").await.as_deref(), Some("fourth"));
    assert_eq!(value(&store, "c").await.as_deref(), Some("x"));
    let past = store.history(&identity("a"), None, most(9)).await.unwrap();
    assert_eq!(past.len(), 4);
    assert!(store.check(Depth::Indexes).await.unwrap().is_empty());
}

/// Every commit takes from all readers what they have in memory.
#[tokio::test]
async fn results_of_searches_are_kept_when_nothing_else_comes() {
    let store = stage().await;
    let kept = async || store.look_up(Some("query"), &[]).await.unwrap().kept;
    store.keep_results("query".to_owned(), "{}".to_owned());
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!(kept().await, None, "not at once");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while kept().await.is_none() {
        assert!(std::time::Instant::now() < deadline);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    store.keep_results("query".to_owned(), "[]".to_owned());
    store.put(draft("a", "x")).await.unwrap();
    assert_eq!(kept().await.as_deref(), Some("[]"), "with the next write");
}

/// How many commits the writes took.
async fn commits(store: &Stage, drafts: Vec<Draft>) -> usize {
    let mut watch = connection::open_to_read(&store.path, store.config.patience)
        .await
        .unwrap();
    let mut version = async || -> i64 {
        sqlx::query_scalar("PRAGMA data_version")
            .fetch_one(&mut watch)
            .await
            .unwrap()
    };
    let mut versions = vec![version().await];
    let watching = async {
        loop {
            versions.push(version().await);
        }
    };
    tokio::select! {
        written = store.put_each(drafts) => assert!(written.iter().all(Result::is_ok)),
        () = watching => unreachable!(),
    }
    versions.push(version().await);
    versions.dedup();
    versions.len() - 1
}

#[tokio::test]
async fn writes_together_wait_for_the_disk_together() {
    let store = stage().await;
    let drafts = (0..500).map(|n| draft(&n.to_string(), "x")).collect();
    let commits = commits(&store, drafts).await;
    assert!((1..20).contains(&commits), "{commits} commits");
}

/// A file is not kept from other processes for as long as many large writes take.
#[tokio::test]
async fn large_writes_take_turns() {
    let store = stage().await;
    let large = "word ".repeat(100_000);
    let drafts = (0..8).map(|n| draft(&n.to_string(), &large)).collect();
    let commits = commits(&store, drafts).await;
    assert!((4..=8).contains(&commits), "{commits} commits");
}

#[tokio::test]
async fn no_more_is_recalled_than_there_is_room_for() {
    let store = stage().await;
    for key in ["a", "b", "c"] {
        store.put(draft(key, &"é".repeat(2500))).await.unwrap();
    }
    let names = ["c", "missing", "a", "c", "b"].map(identity);
    let told = async |room| {
        let recalled = store.recall_all(&names, room).await.unwrap();
        let told = recalled.iter().map(|recalled| match recalled {
            Recalled::Missing => '-',
            Recalled::NoRoom => '.',
            Recalled::Entry(entry) => entry.identity.key.as_str().chars().next().unwrap(),
        });
        told.collect::<String>()
    };
    assert_eq!(told(usize::MAX).await, "c-acb");
    assert_eq!(told(15_000).await, "c-ac.");
    assert_eq!(told(14_999).await, "c-a..");
    assert_eq!(told(0).await, ".-...");
    store.put(draft("b", "small")).await.unwrap();
    assert_eq!(told(0).await, ".-..b");
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
