//! Vectors: who makes them, what becomes of them, who sees them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;

const LONG: Duration = Duration::from_mins(5);

fn name(name: &str, dimension: usize) -> ModelName {
    let name = name.to_owned();
    ModelName { name, dimension }
}

async fn adopt(store: &Store) -> ModelNumber {
    store.adopt_model(name("test", 2)).await.unwrap().model
}

/// The keys that were taken, and the lease on them.
async fn take(store: &Store, model: ModelNumber, time: Duration) -> (Option<Lease>, Vec<Pending>) {
    match store.take_pending(model, most(10), time).await.unwrap() {
        Taken::Entries(lease, entries) => (Some(lease), entries),
        Taken::Nothing => (None, Vec::new()),
        Taken::Superseded => panic!("another model is in use"),
    }
}

fn keys(pending: &[Pending]) -> Vec<&str> {
    pending.iter().map(|pending| pending.key.as_str()).collect()
}

/// Gives each entry a vector that its value says.
fn embedded(pending: &[Pending]) -> Vec<Embedded> {
    let embedded = pending.iter().map(|pending| Embedded {
        entry: pending.entry,
        chunks: vec![vec![pending.value.as_str().parse().unwrap(), 1.0]],
    });
    embedded.collect()
}

async fn embed_all(store: &Store, model: ModelNumber) -> usize {
    let (lease, pending) = take(store, model, LONG).await;
    let Some(lease) = lease else { return 0 };
    let embedded = embedded(&pending);
    store.put_vectors(model, lease, embedded).await.unwrap()
}

async fn progress(store: &Store) -> [u64; 3] {
    let progress = store.embedding_progress().await.unwrap();
    [progress.pending, progress.done, progress.failed]
}

/// The first number of each vector of a model, by entry.
async fn vectors(store: &Store, model: ModelNumber) -> BTreeMap<i64, Vec<f32>> {
    let mut found: BTreeMap<i64, Vec<f32>> = BTreeMap::new();
    let show = |entry, bytes: &[u8]| {
        let number = f32::from_le_bytes(bytes[..4].try_into().unwrap());
        found.entry(entry).or_default().push(number);
    };
    store.each_vector(model, show).await.unwrap();
    found
}

#[tokio::test]
async fn an_entry_is_pending_until_it_has_vectors() {
    let store = stage().await;
    assert_eq!(store.next_pending().await.unwrap(), None);
    store.put(draft("a", "1")).await.unwrap();
    let b = store.put(draft("b", "2")).await.unwrap().id;
    assert_eq!(progress(&store).await, [2, 0, 0]);
    assert_eq!(store.next_pending().await.unwrap(), Some(Duration::ZERO));

    let model = adopt(&store).await;
    let (lease, pending) = take(&store, model, LONG).await;
    assert_eq!(keys(&pending), ["b", "a"], "the newest first");
    let kept = store.put_vectors(model, lease.unwrap(), embedded(&pending));
    assert_eq!(kept.await.unwrap(), 2);
    assert_eq!(progress(&store).await, [0, 2, 0]);
    assert!(take(&store, model, LONG).await.1.is_empty());

    let mut about = draft("b", "2");
    about.expires_at = Some(Timestamp::now().after(LONG));
    store.put(about).await.unwrap();
    assert_eq!(progress(&store).await, [0, 2, 0], "it says the same");
    store.put(draft("b", "3")).await.unwrap();
    assert_eq!(progress(&store).await, [1, 1, 0], "the old meaning is gone");
    assert_eq!(embed_all(&store, model).await, 1);
    assert_eq!(vectors(&store, model).await[&b], [3.0]);
    store.delete(identity("b"), None).await.unwrap();
    store.put(draft("a", "4")).await.unwrap();
    store.delete(identity("a"), None).await.unwrap();
    assert_eq!(progress(&store).await, [0, 0, 0]);
    assert!(vectors(&store, model).await.is_empty());
}

#[tokio::test]
async fn two_processes_never_have_the_same_entry() {
    let stage = stage().await;
    let other = open(&stage.path).await.unwrap();
    let model = adopt(&stage).await;
    let drafts = (0..40).map(|n| draft(&n.to_string(), "1")).collect();
    stage.put_all(drafts).await.unwrap();
    let mut seen: Vec<String> = Vec::new();
    for _ in 0..3 {
        let (own, others) = tokio::join!(take(&stage, model, LONG), take(&other, model, LONG));
        for pending in own.1.iter().chain(&others.1) {
            seen.push(pending.key.to_string());
        }
    }
    assert_eq!(seen.len(), 40);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 40, "one was taken twice");
    let wait = other.next_pending().await.unwrap().unwrap();
    assert!(Duration::ZERO < wait && wait <= LONG, "{wait:?}");
}

#[tokio::test]
async fn what_a_killed_process_had_can_be_taken_again() {
    let stage = stage().await;
    let model = adopt(&stage).await;
    stage.put(draft("a", "1")).await.unwrap();
    let killed = open(&stage.path).await.unwrap();
    let (late, pending) = take(&killed, model, Duration::from_millis(200)).await;
    drop(killed);
    assert_eq!(keys(&pending), ["a"]);
    assert!(take(&stage, model, LONG).await.1.is_empty());
    tokio::time::sleep(Duration::from_millis(250)).await;
    let (lease, again) = take(&stage, model, LONG).await;
    assert_eq!(again, pending);

    let kept = stage.put_vectors(model, late.unwrap(), embedded(&pending));
    assert_eq!(kept.await.unwrap(), 0, "the lease was lost");
    let kept = stage.put_vectors(model, lease.unwrap(), embedded(&pending));
    assert_eq!(kept.await.unwrap(), 1);
}

#[tokio::test]
async fn a_lease_is_renewed_and_given_back() {
    let store = stage().await;
    let model = adopt(&store).await;
    store.put(draft("a", "1")).await.unwrap();
    let (lease, _) = take(&store, model, Duration::ZERO).await;
    store.renew(lease.unwrap(), LONG).await.unwrap();
    assert_eq!(take(&store, model, LONG).await.0, None);
    store.give_back(lease.unwrap()).await.unwrap();
    let (another, pending) = take(&store, model, LONG).await;
    assert_eq!(keys(&pending), ["a"]);
    assert_ne!(another, lease);
}

#[tokio::test]
async fn vectors_of_a_text_that_changed_meanwhile_are_dropped() {
    let store = stage().await;
    let model = adopt(&store).await;
    let id = store.put(draft("changed", "1")).await.unwrap().id;
    store.put(draft("deleted", "1")).await.unwrap();
    let kept = store.put(draft("kept", "5")).await.unwrap().id;
    let (lease, pending) = take(&store, model, LONG).await;
    store.put(draft("changed", "2")).await.unwrap();
    store.delete(identity("deleted"), None).await.unwrap();
    let put = store.put_vectors(model, lease.unwrap(), embedded(&pending));
    assert_eq!(put.await.unwrap(), 1);
    assert_eq!(vectors(&store, model).await, [(kept, vec![5.0])].into());
    assert_eq!(embed_all(&store, model).await, 1, "at once");
    assert_eq!(vectors(&store, model).await[&id], [2.0]);
}

#[tokio::test]
async fn another_model_begins_anew_and_does_not_mix() {
    let stage = stage().await;
    let first = stage.adopt_model(name("first", 2)).await.unwrap();
    assert!(first.is_new);
    let a = stage.put(draft("a", "1")).await.unwrap().id;
    stage.put(draft("b", "2")).await.unwrap();
    assert_eq!(embed_all(&stage, first.model).await, 2);
    let again = stage.adopt_model(name("first", 2)).await.unwrap();
    assert_eq!((again.model, again.is_new), (first.model, false));
    stage.put(draft("a", "3")).await.unwrap();
    let (late, pending) = take(&stage, first.model, LONG).await;

    let other = open(&stage.path).await.unwrap();
    let second = other.adopt_model(name("first", 3)).await.unwrap();
    assert!(second.is_new && second.model != first.model);
    assert_eq!(progress(&stage).await, [2, 0, 0]);
    let taken = stage.take_pending(first.model, most(1), LONG).await;
    assert_eq!(taken.unwrap(), Taken::Superseded);
    let put = stage.put_vectors(first.model, late.unwrap(), embedded(&pending));
    assert_eq!(put.await.unwrap(), 0);
    let since = stage
        .vectors_since(first.model, VectorToken::default())
        .await;
    assert_eq!(since.unwrap(), VectorChanges::Superseded);
    assert!(vectors(&other, second.model).await.is_empty());

    assert_eq!(embed_all(&other, second.model).await, 2);
    assert_eq!(vectors(&other, second.model).await[&a], [3.0]);
    let left = vectors(&other, first.model).await;
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn what_fails_is_tried_again_later_and_not_for_ever() {
    let store = stage().await;
    let model = adopt(&store).await;
    store.put(draft("a", "1")).await.unwrap();
    let mut waits = Vec::new();
    for _ in 0..5 {
        let due = "UPDATE embedding_job SET leased_until = 0";
        execute(&store, due).await;
        let (lease, pending) = take(&store, model, LONG).await;
        let entry = pending[0].entry;
        store.put_failure(lease.unwrap(), entry).await.unwrap();
        let wait = store.next_pending().await.unwrap();
        waits.push(wait.map(|wait| wait.as_secs().div_ceil(15) * 15));
    }
    let expected = [Some(15), Some(60), Some(240), Some(960), None];
    assert_eq!(waits, expected);
    assert_eq!(progress(&store).await, [0, 0, 1]);
    adopt(&store).await;
    assert_eq!(progress(&store).await, [1, 0, 0], "a process starts");
    store.put(draft("a", "2")).await.unwrap();
    assert_eq!(embed_all(&store, model).await, 1);
}

#[tokio::test]
async fn a_lease_beyond_reason_counts_for_nothing() {
    let store = stage().await;
    let model = adopt(&store).await;
    store.put(draft("a", "1")).await.unwrap();
    take(&store, model, Duration::from_hours(48)).await;
    assert_eq!(store.next_pending().await.unwrap(), Some(Duration::ZERO));
    assert_eq!(keys(&take(&store, model, LONG).await.1), ["a"]);
}

#[tokio::test]
async fn another_process_sees_which_vectors_changed() {
    let stage = stage().await;
    let other = open(&stage.path).await.unwrap();
    let model = adopt(&stage).await;
    let a = stage.put(draft("a", "1")).await.unwrap().id;
    let b = stage.put(draft("b", "2")).await.unwrap().id;
    let token = other.each_vector(model, |_, _| ()).await.unwrap();
    embed_all(&stage, model).await;
    let vectors = |entry, chunks| EntryVectors { entry, chunks };
    let VectorChanges::Since(changes, token) = other.vectors_since(model, token).await.unwrap()
    else {
        panic!("lost");
    };
    let expected = [
        vectors(a, vec![vec![1.0, 1.0]]),
        vectors(b, vec![vec![2.0, 1.0]]),
    ];
    assert_eq!(changes, expected);
    stage.delete(identity("a"), None).await.unwrap();
    let changes = other.vectors_since(model, token).await.unwrap();
    let VectorChanges::Since(changes, token) = changes else {
        panic!("lost");
    };
    assert_eq!(changes, [vectors(a, Vec::new())]);
    let same = other.vectors_since(model, token).await.unwrap();
    assert_eq!(same, VectorChanges::Since(Vec::new(), token));

    execute(&stage, "DELETE FROM embedding_change WHERE seq < 3").await;
    let lost = other.vectors_since(model, VectorToken::default()).await;
    assert_eq!(lost.unwrap(), VectorChanges::Lost);
}

#[tokio::test]
async fn vectors_of_entries_past_their_time_are_not_shown() {
    let store = stage().await;
    let model = adopt(&store).await;
    let mut short = draft("short", "1");
    short.expires_at = Some(Timestamp::now().after(Duration::from_millis(100)));
    let short = store.put(short).await.unwrap().id;
    let long = store.put(draft("long", "2")).await.unwrap().id;
    embed_all(&store, model).await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    let found = store.vectors_of(model, &[long, short, 99]).await.unwrap();
    let chunks = vec![vec![2.0, 1.0]];
    assert_eq!(
        found,
        [EntryVectors {
            entry: long,
            chunks
        }]
    );
}

#[tokio::test]
async fn whoever_waits_hears_of_what_is_written() {
    let store = stage().await;
    store.put(draft("a", "1")).await.unwrap();
    store.written().await;
    let quiet = tokio::time::timeout(Duration::from_millis(50), store.written()).await;
    assert!(quiet.is_err(), "told once");
    let put = store.put_all(vec![draft("b", "1")]);
    let (put, ()) = tokio::join!(put, store.written());
    put.unwrap();
}

async fn execute(store: &Store, sql: &'static str) {
    let mut connection = connection::open_to_write(&store.path, &store.config)
        .await
        .unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
}
