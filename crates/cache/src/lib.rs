//! Named, bounded caches with a time to live for each entry, over moka.
//!
//! It knows nothing of what it holds but its weight. Concurrent misses of one key run the work
//! once, and failures are never stored.
//!
//! ```
//! use std::time::Duration;
//! use mcp_cache::{Cache, CacheConfig};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let cache = Cache::build("answers", &CacheConfig::default(), |text: &String| text.len());
//! let ttl = Duration::from_secs(30);
//! let answer = cache.get_or_run("key", ttl, async { Ok::<_, ()>("42".to_owned()) }).await;
//! assert_eq!(answer.as_deref(), Ok("42"));
//! assert_eq!(cache.stats().entries, 1);
//! # });
//! ```

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mcp_metrics::{CacheCounter, CacheLookup};
use moka::Expiry;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The bound of a cache.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CacheConfig {
    /// Memory its entries may take together, in bytes. Default 32 MiB.
    pub max_bytes: u64,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            max_bytes: 32 * 1024 * 1024,
        }
    }
}

/// A named cache. Cheap to clone: clones share their entries.
#[derive(Clone)]
pub struct Cache<K, V> {
    name: &'static str,
    entries: moka::future::Cache<K, Timed<V>>,
    counter: CacheCounter,
}

/// How full a cache is and how often it helped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CacheStats {
    /// Entries held; expired ones count until the next is stored.
    pub entries: u64,
    /// Bytes they weigh.
    pub bytes: u64,
    /// Lookups that found something.
    pub hits: u64,
    /// Lookups that found nothing.
    pub misses: u64,
}

impl<K, V> Cache<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// An empty cache whose entries weigh what `weigh` says, in bytes.
    pub fn build(
        name: &'static str,
        config: &CacheConfig,
        weigh: impl Fn(&V) -> usize + Send + Sync + 'static,
    ) -> Self {
        let entries = moka::future::Cache::builder()
            .max_capacity(config.max_bytes)
            .weigher(move |_: &K, entry: &Timed<V>| {
                u32::try_from(weigh(&entry.value)).unwrap_or(u32::MAX)
            })
            .expire_after(OwnTtl)
            .build();
        Self {
            name,
            entries,
            counter: CacheCounter::new(name),
        }
    }

    /// What is stored under `key` and not expired.
    pub async fn get(&self, key: &K) -> Option<V> {
        self.get_if(key, |_| true).await
    }

    /// What is stored under `key` and not expired, if it is still `valid`; counted as a miss otherwise.
    pub async fn get_if(&self, key: &K, valid: impl FnOnce(&V) -> bool) -> Option<V> {
        let found = self.entries.get(key).await;
        let found = found.filter(|entry| valid(&entry.value));
        self.counter.record(if found.is_some() {
            CacheLookup::Hit
        } else {
            CacheLookup::Miss
        });
        found.map(|entry| entry.value)
    }

    /// Stores a value for `ttl`.
    pub async fn insert(&self, key: K, ttl: Duration, value: V) {
        self.entries.insert(key, Timed { ttl, value }).await;
        self.settle().await;
    }

    /// What is stored under `key`, or what `work` makes. Callers of the same key wait for one
    /// piece of work; when its caller is cancelled, the next one's work is run.
    ///
    /// # Errors
    /// What `work` failed with, which is not stored.
    pub async fn get_or_run<E: Clone + Send + Sync + 'static>(
        &self,
        key: K,
        ttl: Duration,
        work: impl Future<Output = Result<V, E>>,
    ) -> Result<V, E> {
        let work = async { work.await.map(|value| Timed { ttl, value }) };
        let entry = self.entries.entry(key).or_try_insert_with(work).await;
        let entry = entry.map_err(Arc::unwrap_or_clone)?;
        if entry.is_fresh() {
            self.counter.record(CacheLookup::Miss);
            self.settle().await;
        } else {
            self.counter.record(CacheLookup::Hit);
        }
        Ok(entry.into_value().value)
    }

    /// Forgets everything; says how many entries that were.
    pub async fn clear(&self) -> u64 {
        self.settle().await;
        let cleared = self.entries.entry_count();
        self.entries.invalidate_all();
        self.settle().await;
        cleared
    }

    /// Sweeps what has expired, counts what is left and tells the metrics.
    async fn settle(&self) {
        self.entries.run_pending_tasks().await;
        mcp_metrics::cache_entries(self.name, self.entries.entry_count());
    }

    /// How full it is and how often it helped.
    pub fn stats(&self) -> CacheStats {
        CacheStats {
            entries: self.entries.entry_count(),
            bytes: self.entries.weighted_size(),
            hits: self.counter.hits(),
            misses: self.counter.misses(),
        }
    }
}

impl<K, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct Timed<V> {
    ttl: Duration,
    value: V,
}

struct OwnTtl;

impl<K, V> Expiry<K, Timed<V>> for OwnTtl {
    fn expire_after_create(&self, _: &K, entry: &Timed<V>, _: Instant) -> Option<Duration> {
        Some(entry.ttl)
    }

    fn expire_after_update(
        &self,
        _: &K,
        entry: &Timed<V>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.ttl)
    }
}

#[cfg(test)]
mod tests;
