//! What a search by meaning promises.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::embeddings::tests::{Hashing, Stage, draft, embedder, identity, settled};
use crate::embeddings::{EmbeddingConfig, Worker};
use crate::knowledge::Timestamp;

/// A store with a worker and a search.
struct Searched {
    store: Arc<Store>,
    semantic: Semantic,
    _stop: tokio_util::sync::DropGuard,
    _tasks: JoinSet<()>,
}

async fn searched(stage: &Stage, encoder: &Arc<Hashing>) -> Searched {
    let store = stage.open().await;
    let embedder = embedder(&store, encoder);
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(Worker::new(embedder.clone()).run(stop.clone()));
    Searched {
        store,
        semantic: Semantic::new(embedder),
        _stop: stop.drop_guard(),
        _tasks: tasks,
    }
}

fn encoder() -> Arc<Hashing> {
    Arc::new(Hashing::new("test", 48))
}

impl Searched {
    async fn put(&self, texts: &[(&str, &str)]) -> Vec<i64> {
        let drafts = texts.iter().map(|(key, value)| draft(key, value));
        let written = self.store.put_all(drafts.collect()).await.unwrap();
        settled(&self.store).await;
        written.iter().map(|written| written.id).collect()
    }

    async fn found(&self, query: &str, k: usize) -> Vec<i64> {
        let nearest = self.semantic.search(query, Among::All, k).await.unwrap();
        nearest.best().iter().map(|(id, _)| *id).collect()
    }
}

#[tokio::test]
async fn the_nearest_come_first_and_changes_show_at_once() {
    let stage = Stage::new();
    let here = searched(&stage, &encoder()).await;
    assert_eq!(here.found("anything at all", 3).await, [0; 0]);
    let texts = [
        ("cats", "cats purr and sleep"),
        ("dogs", "dogs bark and run"),
        ("fish", "fish swim"),
    ];
    let ids = here.put(&texts).await;
    assert_eq!(here.found("which cats purr and sleep", 1).await, [ids[0]]);
    assert_eq!(here.found("fish swim", 1).await, [ids[2]]);
    assert_eq!(here.found("fish swim", 50).await.len(), 3);

    let score = async || {
        let search = here.semantic.search("cats purr and sleep", Among::All, 3);
        let nearest = search.await.unwrap();
        nearest.cosines(&ids[..1]).await.unwrap()[0].unwrap()
    };
    assert!(score().await > 0.8);
    here.put(&[("cats", "nothing like it")]).await;
    assert!(score().await < 0.6);
    here.store.delete(identity("fish"), None).await.unwrap();
    assert!(!here.found("fish swim", 50).await.contains(&ids[2]));
}

#[tokio::test]
async fn another_process_is_followed() {
    let stage = Stage::new();
    let encoder = encoder();
    let here = searched(&stage, &encoder).await;
    here.put(&[("own", "own words")]).await;
    assert_eq!(here.found("own words", 5).await.len(), 1);
    let other = searched(&stage, &encoder).await;
    let ids = other.put(&[("theirs", "words of others")]).await;
    assert_eq!(here.found("words of others", 1).await, ids);
    other.store.delete(identity("theirs"), None).await.unwrap();
    assert!(!here.found("words of others", 5).await.contains(&ids[0]));
    let other_model = Arc::new(Hashing::new("other", 48));
    let third = embedder(&other.store, &other_model);
    third.query("words").await.unwrap();
    let error = here.semantic.search("own words", Among::All, 1).await;
    assert!(matches!(
        error,
        Err(SemanticError::Unavailable(Unavailable::Superseded))
    ));
}

#[tokio::test]
async fn a_filter_is_exact_and_what_expired_takes_no_place() {
    let stage = Stage::new();
    let here = searched(&stage, &encoder()).await;
    let mut drafts = Vec::new();
    for n in 0..60 {
        let mut draft = draft(&format!("old{n}"), "red green blue");
        draft.expires_at = Some(Timestamp::now().after(Duration::from_millis(700)));
        drafts.push(draft);
    }
    let old = here.store.put_all(drafts).await.unwrap();
    settled(&here.store).await;
    let texts: Vec<String> = (0..20).map(|n| format!("red other{n}")).collect();
    let texts: Vec<(&str, &str)> = texts.iter().map(|text| (text.as_str(), "x")).collect();
    let ids = here.put(&texts).await;
    assert_eq!(here.found("red green blue", 5).await.len(), 5);
    tokio::time::sleep(Duration::from_millis(800)).await;
    let found = here.found("red green blue", 5).await;
    assert_eq!(found.len(), 5);
    assert!(found.iter().all(|id| ids.contains(id)), "{found:?}");
    assert_eq!(here.found("red green blue", 100).await.len(), 20);

    let among: Arc<[i64]> = [old[0].id, ids[3], ids[7], 9999].into();
    let search = here.semantic.search("red", Among::Ids(among), 10);
    let nearest = search.await.unwrap();
    let mut found: Vec<i64> = nearest.best().iter().map(|(id, _)| *id).collect();
    found.sort_unstable();
    assert_eq!(found, [ids[3], ids[7]]);
    let cosines = nearest.cosines(&[ids[7], old[0].id, ids[9], 9999]).await;
    let cosines = cosines.unwrap();
    let best = nearest.best().iter().find(|(id, _)| *id == ids[7]);
    assert_eq!(cosines[0], best.map(|(_, score)| *score));
    assert!(cosines[1].is_none() && cosines[2].is_some() && cosines[3].is_none());
}

#[tokio::test]
async fn an_entry_is_as_near_as_its_nearest_chunk() {
    let stage = Stage::new();
    let here = searched(&stage, &encoder()).await;
    let filler: Vec<String> = (0..40).map(|n| format!("filler{n}")).collect();
    let long = format!("{} the hidden needle sentence", filler.join(" "));
    let ids = here
        .put(&[("long", &long), ("short", "a needle of another kind")])
        .await;
    let search = here
        .semantic
        .search("hidden needle sentence", Among::All, 2);
    let nearest = search.await.unwrap();
    assert_eq!(nearest.best()[0].0, ids[0]);
    let cosines = nearest.cosines(&ids).await.unwrap();
    assert_eq!(cosines[0], Some(nearest.best()[0].1));
}

#[tokio::test]
async fn the_order_is_that_of_all_vectors_and_the_same_each_time() {
    let stage = Stage::new();
    let here = searched(&stage, &encoder()).await;
    let texts: Vec<(String, String)> = (0..400)
        .map(|n| {
            let value = format!("w{} w{} w{} w{}", n % 7, n % 11, n % 13, n % 17);
            (format!("k{}", n % 200 + n / 2), value)
        })
        .collect();
    let texts: Vec<(&str, &str)> = texts
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    here.put(&texts).await;
    let search = || here.semantic.search("w1 w2 w3 w4", Among::All, 25);
    let nearest = search().await.unwrap();
    let ids: Vec<i64> = (1..=500).collect();
    let cosines = nearest.cosines(&ids).await.unwrap();
    let all = ids.into_iter().zip(cosines);
    let mut all: Vec<(i64, f32)> = all.filter_map(|(id, score)| Some((id, score?))).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    assert_eq!(nearest.best(), &all[..25]);
    assert_eq!(search().await.unwrap().best(), nearest.best());
    let again = searched(&stage, &encoder()).await;
    let found: Vec<i64> = all[..25].iter().map(|(id, _)| *id).collect();
    assert_eq!(again.found("w1 w2 w3 w4", 25).await, found);
}

#[tokio::test]
async fn a_failure_says_why() {
    let stage = Stage::new();
    let store = stage.open().await;
    let off = Embedder::opening(
        store,
        &EmbeddingConfig::default(),
        Arc::new(|| Err("it is damaged".to_owned())),
    );
    let error = Semantic::new(off).search("text", Among::All, 1).await;
    assert_eq!(
        error.unwrap_err().to_string(),
        "meaning cannot be searched: the model cannot be used: it is damaged"
    );
    let here = searched(&stage, &encoder()).await;
    let error = here.semantic.search("panic", Among::All, 1).await;
    assert!(matches!(error, Err(SemanticError::Query { .. })));
    assert_eq!(here.semantic.availability(), Availability::Ready);
}
