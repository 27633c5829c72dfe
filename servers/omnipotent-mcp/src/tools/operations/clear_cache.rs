//! Forgets what was cached.

use std::time::Duration;

use mcp_toolcall::{Caching, Call, Change, Effects, Reach, Tool, ToolError, ToolSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Caches;

/// Forgets what was cached.
#[derive(Debug)]
pub struct ClearCache {
    /// The caches.
    pub caches: Caches,
}

/// Which caches.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Which cache to clear.
    #[serde(default)]
    scope: Scope,
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

/// What was forgotten.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Reply {
    /// Always true.
    success: bool,
    /// Entries that were forgotten.
    cleared: u64,
}

impl Tool for ClearCache {
    const SPEC: ToolSpec = ToolSpec {
        name: "clear_cache",
        title: "Clear caches",
        summary: "Forgets cached replies (system_info, list_processes) and cached web pages, so \
                  that the next call looks again. `scope` limits it to one of them.",
        effects: Effects {
            change: Change::Reversible,
            reach: Reach::Machine,
        },
        caching: Caching::None,
        deadline: Duration::from_secs(5),
    };
    type Args = Args;
    type Plan = Scope;
    type Reply = Reply;

    async fn vet(&self, args: Args, _: &Call) -> Result<Scope, ToolError> {
        Ok(args.scope)
    }

    async fn run(&self, scope: Scope, _: &Call) -> Result<Reply, ToolError> {
        let cleared = match scope {
            Scope::All => self.caches.replies.clear().await + self.caches.pages.clear().await,
            Scope::Replies => self.caches.replies.clear().await,
            Scope::Pages => self.caches.pages.clear().await,
        };
        Ok(Reply {
            success: true,
            cleared,
        })
    }
}
