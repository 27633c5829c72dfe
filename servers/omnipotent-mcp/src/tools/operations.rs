//! What the tools about the server itself look at here.

pub mod health;

use std::sync::Arc;

use mcp_cache::Cache;
use mcp_toolcall::ReplyCache;
use mcp_toolcall::operations::{self, CacheReport};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    replies: CacheReport,
    /// Web pages.
    pages: CacheReport,
}

/// Which caches to clear.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All of them.
    #[default]
    All,
    /// Replies of reading tools.
    Replies,
    /// Web pages.
    Pages,
}

impl operations::Caches for Caches {
    type Scope = Scope;
    type Report = CachesReport;
    const SUMMARY: &'static str = "Forgets cached replies (system_info, list_processes) and cached \
        web pages, so that the next call looks again. `scope` limits it to one of them.";

    fn report(&self) -> CachesReport {
        CachesReport {
            replies: self.replies.stats().into(),
            pages: self.pages.stats().into(),
        }
    }

    async fn clear(&self, scope: Scope) -> u64 {
        match scope {
            Scope::All => self.replies.clear().await + self.pages.clear().await,
            Scope::Replies => self.replies.clear().await,
            Scope::Pages => self.pages.clear().await,
        }
    }
}
