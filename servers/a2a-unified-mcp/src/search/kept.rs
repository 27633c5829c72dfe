//! Results that are kept: in memory for minutes, and in the file, so that they are warm after a restart.
//!
//! The file has which entries were found and how they scored, not what they say. Both are true as long
//! as nothing was written, and no entry among them has passed its time: another may have moved up.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use mcp_cache::{Cache, CacheConfig, CacheStats};
use serde::{Deserialize, Serialize};

use crate::knowledge::Timestamp;
use crate::store::{Moment, Store, StoreError};

use super::{Hit, Mode};

/// How long results are kept in memory, if nothing is written meanwhile.
const KEPT: Duration = Duration::from_mins(5);

/// Which entries were found, without what they say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Found {
    /// When they were ranked.
    moment: Moment,
    mode: Mode,
    /// Numbers and scores, best first.
    pub(super) best: Vec<(i64, f64)>,
    /// The words that were looked for, for the snippets.
    pub(super) stems: BTreeSet<String>,
}

/// What was found, with what it says.
#[derive(Debug)]
pub(super) struct Shown {
    found: Found,
    hits: Vec<Hit>,
}

/// Both places where results are kept. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    memory: Cache<String, Arc<Shown>>,
}

impl Found {
    pub(super) fn new(
        moment: Moment,
        mode: Mode,
        best: Vec<(i64, f64)>,
        stems: BTreeSet<String>,
    ) -> Self {
        Self {
            moment,
            mode,
            best,
            stems,
        }
    }

    /// Whether nothing was written since that matters.
    pub(super) fn is_true_at(&self, moment: Moment) -> bool {
        match self.mode {
            Mode::Text => self.moment.entries == moment.entries,
            Mode::Semantic | Mode::Hybrid => self.moment == moment,
        }
    }
}

impl Shown {
    /// The hits, when they are what would be found at that moment.
    pub(super) fn at(&self, moment: Moment) -> Option<Vec<Hit>> {
        let now = Timestamp::now();
        let gone = |hit: &Hit| hit.entry.expires_at.is_some_and(|end| end <= now);
        let is_true = self.found.is_true_at(moment) && !self.hits.iter().any(gone);
        is_true.then(|| self.hits.clone())
    }

    /// Memory that it takes, in bytes.
    fn weight(&self) -> usize {
        let words: usize = self.found.stems.iter().map(|stem| stem.len() + 48).sum();
        let weight = |hit: &Hit| size_of::<Hit>() + hit.entry.weight() + hit.snippet.len();
        let hits: usize = self.hits.iter().map(weight).sum();
        size_of::<Self>() + self.found.best.len() * size_of::<(i64, f64)>() + words + hits
    }
}

impl Kept {
    pub(super) fn build(config: &CacheConfig) -> Self {
        let memory = Cache::build("searches", config, |shown: &Arc<Shown>| shown.weight());
        Self { memory }
    }

    /// What is kept in memory under `key`, whenever it was found.
    pub(super) async fn in_memory(&self, key: &String) -> Option<Arc<Shown>> {
        self.memory.get(key).await
    }

    /// Keeps what was found in memory.
    pub(super) async fn show(&self, key: String, found: Found, hits: Vec<Hit>) {
        let shown = Arc::new(Shown { found, hits });
        self.memory.insert(key, KEPT, shown).await;
    }

    /// Keeps what was found in both places; nobody waits for it to be in the file.
    pub(super) async fn put(&self, store: &Store, key: String, found: Found, hits: Vec<Hit>) {
        if let Ok(row) = serde_json::to_string(&found) {
            store.keep_results(key.clone(), row);
        }
        self.show(key, found, hits).await;
    }

    pub(super) fn stats(&self) -> CacheStats {
        self.memory.stats()
    }

    pub(super) async fn clear(&self, store: &Store) -> Result<u64, StoreError> {
        let forgotten = store.forget_results().await?;
        Ok(forgotten.max(self.memory.clear().await))
    }
}
