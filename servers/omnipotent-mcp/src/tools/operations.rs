//! Tools about the server itself.

pub mod clear_cache;
pub mod get_metrics;
pub mod health_check;

use std::sync::Arc;

use mcp_cache::{Cache, CacheStats};
use mcp_toolcall::ReplyCache;
use schemars::JsonSchema;
use serde::Serialize;

use crate::tools::web::page::Page;

/// The caches of the server. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Caches {
    /// Replies of reading tools.
    pub replies: ReplyCache,
    /// Web pages.
    pub pages: Cache<String, Arc<Page>>,
}

/// How full the caches are and how often they helped.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CachesReport {
    /// Replies of reading tools.
    pub replies: CacheReport,
    /// Web pages.
    pub pages: CacheReport,
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

impl Caches {
    /// How full they are.
    pub fn report(&self) -> CachesReport {
        CachesReport {
            replies: self.replies.stats().into(),
            pages: self.pages.stats().into(),
        }
    }
}
