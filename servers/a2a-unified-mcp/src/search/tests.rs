//! What a search finds.

mod finding;
mod fusing;
mod keeping;
mod ranking;

use std::num::NonZeroU32;
use std::sync::Arc;

use super::*;
use crate::knowledge::{Draft, Identity, Source, Value};
use crate::store::StoreConfig;

/// A store to search in, in a directory of its own.
struct Stage {
    store: Arc<Store>,
    searcher: Searcher,
    _directory: tempfile::TempDir,
}

async fn stage() -> Stage {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("knowledge.db");
    let store = Store::open(&path, &StoreConfig::default()).await.unwrap();
    let store = Arc::new(store);
    let searcher = Searcher::new(Arc::clone(&store), &SearchConfig::default());
    Stage {
        store,
        searcher,
        _directory: directory,
    }
}

fn draft(key: &str, value: &str) -> Draft {
    let identity = Identity {
        source: Source::default(),
        category: "notes".parse().unwrap(),
        key: key.parse().unwrap(),
    };
    Draft::new(identity, Value::try_from(value.to_owned()).unwrap())
}

/// A store with these entries.
async fn holding(entries: &[(&str, &str)]) -> Stage {
    let stage = stage().await;
    let drafts = entries.iter().map(|(key, value)| draft(key, value));
    stage.store.put_all(drafts.collect()).await.unwrap();
    stage
}

fn request(query: &str) -> Request {
    Request {
        query: Query::parse(query).unwrap(),
        filter: Filter::default(),
        mode: Mode::Text,
        limit: NonZeroU32::new(10).unwrap(),
        min_score: None,
    }
}

impl Stage {
    async fn hits(&self, request: &Request) -> Hits {
        self.searcher.search(request).await.unwrap()
    }

    /// Keys of what is found, best first.
    async fn found(&self, query: &str) -> Vec<String> {
        keys(&self.hits(&request(query)).await)
    }
}

fn keys(hits: &Hits) -> Vec<String> {
    let key = |hit: &Hit| hit.entry.identity.key.to_string();
    hits.hits.iter().map(key).collect()
}
