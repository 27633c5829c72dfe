//! An encoder for tests, and what the embedder and the worker promise.

mod embedder;
mod endpoint;
mod worker;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mcp_egress::EgressConfig;

use super::encoder::{Encoder, Open};
use super::*;
use crate::knowledge::{Category, Draft, Identity, Source};
use crate::store::{Store, StoreConfig};

/// Words to numbers: texts that share words are near each other.
pub(crate) struct Hashing {
    name: &'static str,
    dimension: usize,
    /// How long a text takes.
    pub(crate) pause: Duration,
    /// Texts that were embedded.
    pub(crate) embedded: AtomicUsize,
}

/// Words in a chunk, of which the last is the first of the next.
const WINDOW: usize = 8;

impl Hashing {
    pub(crate) fn new(name: &'static str, dimension: usize) -> Self {
        Self {
            name,
            dimension,
            pause: Duration::ZERO,
            embedded: AtomicUsize::new(0),
        }
    }

    pub(crate) fn embedded(&self) -> usize {
        self.embedded.load(Ordering::SeqCst)
    }
}

/// FNV-1a.
fn hash(word: &str) -> u64 {
    word.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

impl Encoder for Hashing {
    fn id(&self) -> &str {
        self.name
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn chunks(&self, text: &str) -> Vec<Range<usize>> {
        let starts: Vec<usize> = text
            .split_whitespace()
            .map(|word| word.as_ptr().addr() - text.as_ptr().addr())
            .collect();
        let end = |word: usize| starts.get(word).copied().unwrap_or(text.len());
        let chunks = (0..starts.len().max(2) - 1).step_by(WINDOW - 1);
        chunks
            .map(|first| end(first).min(text.len())..end(first + WINDOW))
            .collect()
    }

    fn embed(&self, text: &str) -> Vec<f32> {
        assert!(!text.contains("panic"), "told to");
        std::thread::sleep(self.pause);
        self.embedded.fetch_add(1, Ordering::SeqCst);
        let mut vector = vec![0.001_f32; self.dimension];
        for word in text.to_lowercase().split_whitespace() {
            for seed in ["a", "b", "c"] {
                let hash = hash(&format!("{seed}{word}"));
                let at = usize::try_from(hash % 9973).unwrap() % self.dimension;
                vector[at] += if hash & (1 << 40) == 0 { 1.0 } else { -1.0 };
            }
        }
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        vector.iter().map(|x| x / length).collect()
    }
}

/// Opens an encoder, and counts how often.
pub(crate) fn opening(encoder: &Arc<Hashing>) -> (Open, Arc<AtomicUsize>) {
    let encoder = Arc::clone(encoder);
    let opened = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&opened);
    let open: Open = Arc::new(move || {
        counter.fetch_add(1, Ordering::SeqCst);
        let encoder: Arc<dyn Encoder> = Arc::<Hashing>::clone(&encoder);
        Ok(encoder)
    });
    (open, opened)
}

/// An embedder of a store with this encoder.
pub(crate) fn embedder(store: &Arc<Store>, encoder: &Arc<Hashing>) -> Embedder {
    let config = EmbeddingConfig {
        cpu_percent: CpuShare::try_from(100).unwrap(),
        ..EmbeddingConfig::default()
    };
    Embedder::opening(Arc::clone(store), &config, opening(encoder).0)
}

/// A file that several stores may open.
pub(crate) struct Stage {
    pub(crate) file: PathBuf,
    directory: tempfile::TempDir,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("knowledge.db");
        Self { file, directory }
    }

    pub(crate) async fn open(&self) -> Arc<Store> {
        let store = Store::open(&self.file, &StoreConfig::default()).await;
        Arc::new(store.unwrap())
    }

    fn build(&self, store: &Arc<Store>, config: &EmbeddingConfig) -> Result<Embedder, SetupError> {
        let egress = EgressConfig {
            allow_networks: vec!["127.0.0.0/8".parse().unwrap()],
            ..EgressConfig::default()
        };
        let setup = EmbedderSetup {
            config,
            data: self.directory.path(),
            egress: egress.build().unwrap(),
            environment: &|name| (name == "TEST_KEY").then(|| "s3cret".to_owned()),
        };
        Embedder::build(Arc::clone(store), setup)
    }
}

pub(crate) fn identity(key: &str) -> Identity {
    Identity {
        source: Source::default(),
        category: Category::default(),
        key: key.parse::<Key>().unwrap(),
    }
}

pub(crate) fn draft(key: &str, value: &str) -> Draft {
    Draft::new(identity(key), Value::try_from(value.to_owned()).unwrap())
}

/// Until all entries are embedded, or have failed.
pub(crate) async fn settled(store: &Store) {
    settled_within(store, Duration::from_secs(20)).await;
}

pub(crate) async fn settled_within(store: &Store, limit: Duration) {
    let settled = async {
        while store.embedding_progress().await.unwrap().pending > 0 {
            tokio::time::sleep(limit / 4000).await;
        }
    };
    let settled = tokio::time::timeout(limit, settled).await;
    settled.expect("the worker works");
}
