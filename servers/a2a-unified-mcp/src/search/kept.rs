//! Results that are kept: in memory for minutes, and in the file, so that they are warm after a restart.
//!
//! What is kept is which entries were found and how they scored, not what they say. It is true as long
//! as nothing was written: an entry that only passes its time shows when the entries are read.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use mcp_cache::{Cache, CacheConfig, CacheStats};
use serde::{Deserialize, Serialize};

use crate::store::{Moment, Store, StoreError};

use super::Mode;

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

/// Both places where results are kept. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    memory: Cache<String, Arc<Found>>,
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
    fn is_true_at(&self, moment: Moment) -> bool {
        match self.mode {
            Mode::Text => self.moment.entries == moment.entries,
            Mode::Semantic | Mode::Hybrid => self.moment == moment,
        }
    }

    /// Memory that it takes, in bytes.
    fn weight(&self) -> usize {
        let words: usize = self.stems.iter().map(|stem| stem.len() + 48).sum();
        size_of::<Self>() + self.best.len() * size_of::<(i64, f64)>() + words
    }
}

impl Kept {
    pub(super) fn build(config: &CacheConfig) -> Self {
        let memory = Cache::build("searches", config, |found: &Arc<Found>| found.weight());
        Self { memory }
    }

    /// What is kept under `key` and still true, and what moment it is.
    pub(super) async fn get(
        &self,
        store: &Store,
        key: &str,
    ) -> Result<(Moment, Option<Arc<Found>>), StoreError> {
        let memory = self.memory.get(&key.to_owned()).await;
        let (moment, row) = store.moment(memory.is_none().then_some(key)).await?;
        let found = match memory {
            Some(found) => Some(found),
            None => row
                .and_then(|row| serde_json::from_str(&row).ok())
                .map(Arc::new),
        };
        Ok((moment, found.filter(|found| found.is_true_at(moment))))
    }

    /// Keeps what was found; nobody waits for it to be in the file.
    pub(super) async fn put(&self, store: &Store, key: String, found: &Arc<Found>) {
        if let Ok(row) = serde_json::to_string(found.as_ref()) {
            store.keep_results(key.clone(), row);
        }
        self.memory.insert(key, KEPT, Arc::clone(found)).await;
    }

    pub(super) fn stats(&self) -> CacheStats {
        self.memory.stats()
    }

    pub(super) async fn clear(&self, store: &Store) -> Result<u64, StoreError> {
        let forgotten = store.forget_results().await?;
        Ok(forgotten.max(self.memory.clear().await))
    }
}
