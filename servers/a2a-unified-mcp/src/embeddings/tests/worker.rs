//! Vectors of entries, made in the background.

use std::time::Instant;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::*;

/// A worker that runs until this is dropped.
struct Running {
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

fn start(embedder: &Embedder) -> Running {
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(Worker::new(embedder.clone()).run(stop.clone()));
    Running { stop, tasks }
}

impl Running {
    async fn stop(mut self) -> Duration {
        let begun = Instant::now();
        self.stop.cancel();
        self.tasks.join_next().await.unwrap().unwrap();
        begun.elapsed()
    }
}

async fn done(store: &Store) -> u64 {
    store.embedding_progress().await.unwrap().done
}

#[tokio::test]
async fn what_is_written_is_embedded_soon() {
    let stage = Stage::new();
    let store = stage.open().await;
    store.put(draft("before", "it started")).await.unwrap();
    let encoder = Arc::new(Hashing::new("test", 16));
    let worker = start(&embedder(&store, &encoder));
    settled(&store).await;
    assert_eq!(done(&store).await, 1);
    let drafts = (0..50).map(|n| draft(&n.to_string(), "later"));
    store.put_all(drafts.collect()).await.unwrap();
    settled(&store).await;
    store.put(draft("7", "changed")).await.unwrap();
    settled(&store).await;
    assert_eq!((done(&store).await, encoder.embedded()), (51, 52));
    assert!(worker.stop().await < Duration::from_secs(1));
}

#[tokio::test]
async fn of_two_processes_only_one_embeds_an_entry() {
    let stage = Stage::new();
    let (one, two) = (stage.open().await, stage.open().await);
    let mut encoders = [(); 2].map(|()| Hashing::new("test", 16));
    for encoder in &mut encoders {
        encoder.pause = Duration::from_millis(1);
    }
    let encoders = encoders.map(Arc::new);
    let drafts = (0..200).map(|n| draft(&n.to_string(), "text"));
    one.put_all(drafts.collect()).await.unwrap();
    let workers = [(&one, &encoders[0]), (&two, &encoders[1])]
        .map(|(store, encoder)| start(&embedder(store, encoder)));
    settled(&one).await;
    assert_eq!(done(&one).await, 200);
    let [first, second] = encoders.each_ref().map(|encoder| encoder.embedded());
    assert_eq!(first + second, 200);
    assert!(first > 0 && second > 0, "{first} and {second}");
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test]
async fn another_model_embeds_all_again_and_ends_the_work_of_the_first() {
    let stage = Stage::new();
    let (one, two) = (stage.open().await, stage.open().await);
    let [old, new] = [("old", 16), ("new", 24)].map(|(name, n)| Arc::new(Hashing::new(name, n)));
    let first = embedder(&one, &old);
    let first_worker = start(&first);
    let drafts = (0..40).map(|n| draft(&n.to_string(), "text"));
    one.put_all(drafts.collect()).await.unwrap();
    settled(&one).await;
    assert_eq!(old.embedded(), 40);

    let second = embedder(&two, &new);
    second.query("anything").await.unwrap();
    let second_worker = start(&second);
    settled(&two).await;
    assert_eq!((done(&two).await, new.embedded()), (40, 41));
    let (model, name) = two.model_in_use().await.unwrap().unwrap();
    assert_eq!((name.name.as_str(), name.dimension), ("new", 24));
    let mut lengths = Vec::new();
    two.each_vector(model, |_, bytes| lengths.push(bytes.len()))
        .await
        .unwrap();
    assert_eq!(lengths, [24 * 4; 40]);

    one.put(draft("late", "text")).await.unwrap();
    two.look();
    settled(&two).await;
    assert_eq!(old.embedded(), 40);
    first_worker.stop().await;
    second_worker.stop().await;
}

#[tokio::test]
async fn a_superseded_worker_says_so() {
    let stage = Stage::new();
    let store = stage.open().await;
    let [old, new] = ["old", "new"].map(|name| Arc::new(Hashing::new(name, 16)));
    let first = embedder(&store, &old);
    first.query("anything").await.unwrap();
    embedder(&store, &new).query("anything").await.unwrap();
    store.put(draft("a", "text")).await.unwrap();
    let worker = start(&first);
    let superseded = Availability::Not(Unavailable::Superseded);
    for _ in 0..400 {
        if first.availability() == superseded {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(first.availability(), superseded);
    assert!(first.query("anything").await.is_err());
    worker.stop().await;
}

#[tokio::test]
async fn a_long_text_has_a_vector_for_each_part() {
    let stage = Stage::new();
    let store = stage.open().await;
    let words: Vec<String> = (0..50).map(|n| format!("word{n}")).collect();
    store.put(draft("long", &words.join(" "))).await.unwrap();
    let endless = vec!["word"; 30_000].join(" ");
    store.put(draft("endless", &endless)).await.unwrap();
    let encoder = Arc::new(Hashing::new("test", 16));
    let worker = start(&embedder(&store, &encoder));
    settled(&store).await;
    let (model, _) = store.model_in_use().await.unwrap().unwrap();
    let found = store.vectors_of(model, &[1, 2]).await.unwrap();
    let chunks: Vec<usize> = found.iter().map(|found| found.chunks.len()).collect();
    assert_eq!(chunks, [8, 256]);
    worker.stop().await;
}

#[tokio::test]
async fn a_text_that_fails_fails_alone() {
    let stage = Stage::new();
    let store = stage.open().await;
    let drafts = ["fine", "panic", "good"].map(|text| draft(text, text));
    store.put_all(drafts.to_vec()).await.unwrap();
    let encoder = Arc::new(Hashing::new("test", 16));
    let worker = start(&embedder(&store, &encoder));
    for _ in 0..400 {
        if done(&store).await == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let progress = store.embedding_progress().await.unwrap();
    assert_eq!((progress.done, progress.pending), (2, 1));
    let wait = store.next_pending().await.unwrap().unwrap();
    assert!(wait > Duration::from_secs(10), "{wait:?}");
    store.put(draft("panic", "calm")).await.unwrap();
    store.put(draft("more", "text")).await.unwrap();
    worker.stop().await;
}

#[tokio::test]
async fn stopping_keeps_what_is_made_and_gives_back_the_rest() {
    let stage = Stage::new();
    let store = stage.open().await;
    let drafts = (0..12).map(|n| draft(&n.to_string(), "text"));
    store.put_all(drafts.collect()).await.unwrap();
    let mut encoder = Hashing::new("test", 16);
    encoder.pause = Duration::from_millis(60);
    let encoder = Arc::new(encoder);
    let worker = start(&embedder(&store, &encoder));
    while encoder.embedded() < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = worker.stop().await;
    assert!(took < Duration::from_millis(500), "{took:?}");
    let progress = store.embedding_progress().await.unwrap();
    assert!((2..12).contains(&progress.done), "{progress:?}");
    assert_eq!(progress.done + progress.pending, 12);
    assert_eq!(store.next_pending().await.unwrap(), Some(Duration::ZERO));
}

#[tokio::test]
async fn the_worker_rests_as_long_as_it_works() {
    let stage = Stage::new();
    let store = stage.open().await;
    let drafts = (0..10).map(|n| draft(&n.to_string(), "text"));
    store.put_all(drafts.collect()).await.unwrap();
    let mut encoder = Hashing::new("test", 16);
    encoder.pause = Duration::from_millis(20);
    let encoder = Arc::new(encoder);
    let config = EmbeddingConfig::default();
    let embedder = Embedder::opening(Arc::clone(&store), &config, opening(&encoder).0);
    let begun = Instant::now();
    let worker = start(&embedder);
    settled(&store).await;
    assert!(
        begun.elapsed() >= Duration::from_millis(390),
        "{:?}",
        begun.elapsed()
    );
    worker.stop().await;
}

#[tokio::test]
async fn an_idle_worker_lets_the_model_go() {
    let stage = Stage::new();
    let store = stage.open().await;
    let encoder = Arc::new(Hashing::new("test", 16));
    let config = EmbeddingConfig {
        idle_unload: Duration::from_millis(80),
        ..EmbeddingConfig::default()
    };
    let embedder = Embedder::opening(Arc::clone(&store), &config, opening(&encoder).0);
    let worker = start(&embedder);
    tokio::time::sleep(Duration::from_millis(20)).await;
    embedder.query("text").await.unwrap();
    assert!(embedder.status().await.loaded);
    for _ in 0..200 {
        if !embedder.status().await.loaded {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!embedder.status().await.loaded);
    worker.stop().await;
}
