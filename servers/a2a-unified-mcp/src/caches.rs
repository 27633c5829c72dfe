//! What is remembered in memory, in three tiers.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use mcp_cache::{Cache, CacheConfig, CacheStats};
use mcp_toolcall::ToolError;
use mcp_toolcall::operations::{self, CacheReport};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::embeddings::Embedder;
use crate::search::Searcher;
use crate::store::{Cursor, Epoch, Filter, Page, Stats, Store, StoreError};
use crate::tools::explain;

/// How long statistics are remembered, if nothing changes.
const SHORT: Duration = Duration::from_mins(1);
/// How long pages of lists are remembered, if nothing changes.
const MEDIUM: Duration = Duration::from_mins(5);

/// The caches of the server. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Caches {
    /// Statistics, of an epoch.
    stats: Cache<Epoch, Arc<Stats>>,
    /// Pages of lists, with the epoch they are of.
    lists: Cache<[u8; 32], Arc<(Epoch, Page)>>,
    searcher: Searcher,
    embedder: Embedder,
}

/// How full the caches are and how often they helped.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CachesReport {
    /// Statistics; kept for 60 s.
    short: CacheReport,
    /// Results of searches and pages of lists; kept for 300 s, results in the file over a restart.
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
    /// Results of searches and pages of lists.
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
            lists: Cache::build("lists", config, |list: &Arc<(Epoch, Page)>| list.1.weight()),
            searcher,
            embedder,
        }
    }

    /// The statistics of the file as it is now.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn stats(&self) -> Result<Arc<Stats>, ToolError> {
        let epoch = self
            .store()
            .epoch()
            .await
            .map_err(|error| explain(&error))?;
        let work = async {
            let stats = self.store().stats().await;
            stats.map(Arc::new).map_err(Arc::<StoreError>::new)
        };
        let stats = self.stats.get_or_run(epoch, SHORT, work).await;
        stats.map_err(|error| explain(&error))
    }

    /// A page of a list as it is now, as [`Store::list`] says.
    ///
    /// # Errors
    /// As there.
    pub async fn list(
        &self,
        filter: &Filter,
        after: Option<&Cursor>,
        limit: NonZeroU32,
    ) -> Result<Page, StoreError> {
        let epoch = self.store().epoch().await?;
        let asked = (filter, after.map(Cursor::as_str), limit);
        let asked = serde_json::to_vec(&asked).map_err(|_| StoreError::Cursor)?;
        let key = Sha256::digest(asked).into();
        let kept = self.lists.get_if(&key, |kept| kept.0 == epoch).await;
        if let Some(kept) = kept {
            return Ok(kept.1.clone());
        }
        let page = self.store().list(filter, after, limit).await?;
        let kept = Arc::new((epoch, page.clone()));
        self.lists.insert(key, MEDIUM, kept).await;
        Ok(page)
    }

    fn store(&self) -> &Store {
        self.embedder.store()
    }

    async fn clear_medium(&self) -> u64 {
        let searches = self.searcher.clear_cache().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "kept results of searches were not forgotten");
            0
        });
        searches + self.lists.clear().await
    }
}

/// Two caches as one.
fn both(one: CacheStats, other: CacheStats) -> CacheStats {
    CacheStats {
        entries: one.entries + other.entries,
        bytes: one.bytes + other.bytes,
        hits: one.hits + other.hits,
        misses: one.misses + other.misses,
    }
}

impl operations::Caches for Caches {
    type Scope = Scope;
    type Report = CachesReport;
    const SUMMARY: &'static str = "Forgets what is cached, so that the next call looks again. What is \
        remembered in the store is not touched. `scope` limits it to one tier: short (statistics), \
        medium (results of searches, lists), long (vectors of what was searched for).";

    fn report(&self) -> CachesReport {
        CachesReport {
            short: self.stats.stats().into(),
            medium: both(self.searcher.cache_stats(), self.lists.stats()).into(),
            long: self.embedder.cache_stats().into(),
        }
    }

    async fn clear(&self, scope: Scope) -> u64 {
        match scope {
            Scope::All => {
                self.stats.clear().await
                    + self.clear_medium().await
                    + self.embedder.clear_cache().await
            }
            Scope::Short => self.stats.clear().await,
            Scope::Medium => self.clear_medium().await,
            Scope::Long => self.embedder.clear_cache().await,
        }
    }
}
