//! What is remembered in memory, in three tiers.

use std::sync::Arc;
use std::time::Duration;

use mcp_cache::{Cache, CacheConfig};
use mcp_toolcall::ToolError;
use mcp_toolcall::operations::{self, CacheReport};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::embeddings::Embedder;
use crate::knowledge::Timestamp;
use crate::search::Searcher;
use crate::store::{ChangeToken, Stats, Store, StoreError};
use crate::tools::explain;

/// How long statistics are remembered, if nothing changes.
const SHORT: Duration = Duration::from_mins(1);

/// The caches of the server. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Caches {
    /// Statistics, by how far the file had come and when the next entry is past its time.
    stats: Cache<(ChangeToken, Option<Timestamp>), Arc<Stats>>,
    searcher: Searcher,
    embedder: Embedder,
}

/// How full the caches are and how often they helped.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CachesReport {
    /// Statistics; kept for 60 s.
    short: CacheReport,
    /// Results of searches; kept for 300 s, and in the file over a restart.
    medium: CacheReport,
    /// Vectors of what was searched for; kept for 3600 s.
    long: CacheReport,
}

/// Which caches to clear.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All of them.
    #[default]
    All,
    /// Statistics.
    Short,
    /// Results of searches.
    Medium,
    /// Vectors of what was searched for.
    Long,
}

impl Caches {
    /// Empty caches, and those of what searches and embeds.
    pub fn build(config: &CacheConfig, searcher: Searcher, embedder: Embedder) -> Self {
        let weigh = |stats: &Arc<Stats>| size_of::<Stats>() + stats.groups.len() * 128;
        Self {
            stats: Cache::build("stats", config, weigh),
            searcher,
            embedder,
        }
    }

    /// The statistics of the file as it is now.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn stats(&self, store: &Store) -> Result<Arc<Stats>, ToolError> {
        let token = store.token().await.map_err(|error| explain(&error))?;
        let until = store.next_expiry().await.map_err(|error| explain(&error))?;
        let work = async {
            let stats = store.stats().await;
            stats.map(Arc::new).map_err(Arc::<StoreError>::new)
        };
        let stats = self.stats.get_or_run((token, until), SHORT, work).await;
        stats.map_err(|error| explain(&error))
    }

    async fn clear_searches(&self) -> u64 {
        self.searcher.clear_cache().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "kept results of searches were not forgotten");
            0
        })
    }
}

impl operations::Caches for Caches {
    type Scope = Scope;
    type Report = CachesReport;
    const SUMMARY: &'static str = "Forgets what is cached, so that the next call looks again. What is \
        remembered in the store is not touched. `scope` limits it to one tier: short (statistics), \
        medium (results of searches), long (vectors of what was searched for).";

    fn report(&self) -> CachesReport {
        CachesReport {
            short: self.stats.stats().into(),
            medium: self.searcher.cache_stats().into(),
            long: self.embedder.cache_stats().into(),
        }
    }

    async fn clear(&self, scope: Scope) -> u64 {
        match scope {
            Scope::All => {
                self.stats.clear().await
                    + self.clear_searches().await
                    + self.embedder.clear_cache().await
            }
            Scope::Short => self.stats.clear().await,
            Scope::Medium => self.clear_searches().await,
            Scope::Long => self.embedder.clear_cache().await,
        }
    }
}
