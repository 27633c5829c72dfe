//! Tools about a server itself, the same in every server: its caches, its numbers, its health.
//!
//! A server says what its caches are ([`Caches`]) and what it looks at ([`Checks`]).

mod clear_cache;
mod get_metrics;
mod health_check;

pub use clear_cache::ClearCache;
pub use get_metrics::GetMetrics;
pub use health_check::{Check, Checks, HealthCheck};

use mcp_cache::CacheStats;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The caches of a server. Cheap to clone.
pub trait Caches: Clone + Send + Sync + 'static {
    /// Names one of them, or all, which is the default.
    type Scope: DeserializeOwned + JsonSchema + Default + Send + 'static;
    /// How full each is.
    type Report: Serialize + JsonSchema + Send + 'static;
    /// What `clear_cache` tells of them.
    const SUMMARY: &'static str;

    /// How full they are and how often they helped.
    fn report(&self) -> Self::Report;

    /// Forgets what is in them, and says how many entries that were.
    fn clear(&self, scope: Self::Scope) -> impl Future<Output = u64> + Send;
}

/// How full a cache is and how often it helped.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CacheReport {
    /// Entries held.
    pub entries: u64,
    /// Bytes they take.
    pub bytes: u64,
    /// Lookups that found something.
    pub hits: u64,
    /// Lookups that found nothing.
    pub misses: u64,
}

impl From<CacheStats> for CacheReport {
    fn from(stats: CacheStats) -> Self {
        Self {
            entries: stats.entries,
            bytes: stats.bytes,
            hits: stats.hits,
            misses: stats.misses,
        }
    }
}

/// No arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoArgs {}
