//! When a model is loaded, and what is said when there is none.

use std::sync::Mutex;

use super::*;
use crate::store::EmbeddingProgress;

#[test]
fn what_is_embedded_is_key_value_and_tags() {
    let draft = draft("db-host", "10.0.0.7");
    let tags = serde_json::from_str(r#"["production","address"]"#).unwrap();
    let text = entry_text(&draft.identity.key, &draft.value, &tags);
    assert_eq!(text, "db-host\n10.0.0.7\naddress, production");
}

#[test]
fn the_configuration_keeps_to_its_bounds() {
    let read = |text: &str| serde_json::from_str::<EmbeddingConfig>(text);
    assert_eq!(read("{}").unwrap(), EmbeddingConfig::default());
    let written = serde_json::to_string(&EmbeddingConfig::default()).unwrap();
    assert_eq!(read(&written).unwrap(), EmbeddingConfig::default());
    let choice = read(r#"{"model":"/srv/model"}"#).unwrap().model;
    assert_eq!(choice, ModelChoice::At("/srv/model".into()));
    for wrong in [
        r#"{"cpu_percent":0}"#,
        r#"{"cpu_percent":101}"#,
        r#"{"modle":"off"}"#,
        r#"{"endpoint":{"url":"http://x"}}"#,
    ] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
    let half = CpuShare::try_from(50).unwrap();
    assert_eq!(
        half.rest(Duration::from_millis(30)),
        Duration::from_millis(30)
    );
    let fifth = CpuShare::try_from(20).unwrap();
    assert_eq!(
        fifth.rest(Duration::from_millis(30)),
        Duration::from_millis(120)
    );
}

#[tokio::test]
async fn without_a_model_all_else_works() {
    let stage = Stage::new();
    let store = stage.open().await;
    let embedder = stage.build(&store, &EmbeddingConfig::default()).unwrap();
    let Availability::Not(reason) = embedder.availability() else {
        panic!("there is no model");
    };
    assert!(
        reason.to_string().contains("there is no model at /"),
        "{reason}"
    );
    let error = embedder.query("text").await.unwrap_err();
    assert!(matches!(error, EmbedError::Unavailable(found) if found == reason));
    store.put(draft("a", "1")).await.unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    stop.cancel();
    Worker::new(embedder.clone()).run(stop).await;
    assert_eq!(store.embedding_progress().await.unwrap().pending, 1);
    assert_eq!(
        embedder.status().await.unavailable,
        Some(reason.to_string())
    );

    let off = EmbeddingConfig {
        model: ModelChoice::Off,
        ..EmbeddingConfig::default()
    };
    let off = stage.build(&store, &off).unwrap();
    assert_eq!(off.availability(), Availability::Not(Unavailable::Off));
}

#[tokio::test]
async fn a_model_is_loaded_when_needed_and_let_go_when_idle() {
    let stage = Stage::new();
    let store = stage.open().await;
    let encoder = Arc::new(Hashing::new("test", 16));
    let (open, opened) = opening(&encoder);
    let config = EmbeddingConfig {
        idle_unload: Duration::from_millis(100),
        ..EmbeddingConfig::default()
    };
    let embedder = Embedder::opening(store, &config, open);
    assert_eq!(embedder.availability(), Availability::Ready);
    let opened = || opened.load(Ordering::SeqCst);
    assert_eq!(opened(), 0);
    let (a, b, c) = tokio::join!(
        embedder.query("a text"),
        embedder.query("another"),
        embedder.query("a text")
    );
    assert_eq!(opened(), 1);
    assert_eq!(a.unwrap(), c.unwrap());
    assert_eq!(b.unwrap().vector.len(), 16);
    assert_eq!(encoder.embedded(), 2, "the same text once");
    assert!(embedder.unload_idle().is_some() && embedder.status().await.loaded);

    tokio::time::sleep(Duration::from_millis(120)).await;
    assert_eq!(embedder.unload_idle(), None);
    assert!(!embedder.status().await.loaded);
    embedder.query("a third").await.unwrap();
    assert_eq!(opened(), 2);
    embedder.query("a third").await.unwrap();
    assert_eq!(encoder.embedded(), 3);
    assert_eq!(embedder.status().await.model.as_deref(), Some("test"));
    assert!(embedder.clear_cache().await >= 3);
}

#[tokio::test]
async fn a_model_that_cannot_be_loaded_is_not_tried_each_time() {
    let stage = Stage::new();
    let store = stage.open().await;
    let reasons = Arc::new(Mutex::new(vec!["it is damaged"]));
    let open: Open = Arc::new(move || Err(reasons.lock().unwrap().pop().unwrap().to_owned()));
    let embedder = Embedder::opening(store, &EmbeddingConfig::default(), open);
    for _ in 0..2 {
        let error = embedder.query("text").await.unwrap_err().to_string();
        assert_eq!(error, "the model cannot be used: it is damaged");
    }
    let reason = "it is damaged".to_owned();
    let expected = Availability::Not(Unavailable::Model { reason });
    assert_eq!(embedder.availability(), expected);
}

#[tokio::test]
async fn a_search_alone_brings_its_model_into_use() {
    let stage = Stage::new();
    let store = stage.open().await;
    store.put(draft("a", "1")).await.unwrap();
    let [first, second] = ["first", "second"].map(|name| Arc::new(Hashing::new(name, 16)));
    let first = embedder(&store, &first).query("text").await.unwrap();
    let second = embedder(&store, &second).query("text").await.unwrap();
    assert_eq!(first.vector, second.vector);
    assert_ne!(first.model, second.model);
    let pending = EmbeddingProgress {
        pending: 1,
        ..EmbeddingProgress::default()
    };
    assert_eq!(store.embedding_progress().await.unwrap(), pending);
}
