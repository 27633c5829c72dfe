//! What an entry said before.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use mcp_toolcall::bounded::Int;
use mcp_toolcall::{Caching, Call, Effects, Tool, ToolError, ToolSpec, fit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{missing, refused};
use crate::knowledge::{Category, Identity, Key, Revision, Source, Version};
use crate::store::Store;

/// What an entry said before.
#[derive(Debug)]
pub struct MemoryHistory {
    /// Where entries are kept.
    pub store: Arc<Store>,
}

/// Which entry.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// What it is called, exactly.
    key: Key,
    /// What it belongs to.
    #[serde(default)]
    category: Category,
    /// Who said it.
    #[serde(default)]
    source: Source,
    /// Only revisions before this one.
    #[serde(default)]
    before: Option<Revision>,
    /// Revisions that are told at most.
    #[serde(default = "Args::usual_limit")]
    limit: Int<1, 200>,
}

impl Args {
    const fn usual_limit() -> Int<1, 200> {
        Int::literal(20)
    }
}

/// What an entry said, newest first. The first is what it says now, unless it is gone.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Reply {
    /// Which entry.
    #[serde(flatten)]
    identity: Identity,
    /// Its revisions; one without a value is where it was deleted or expired.
    versions: Vec<Version>,
    /// How many are told.
    count: usize,
    /// Whether there are earlier ones: ask with `before`, the last revision told.
    more: bool,
}

impl Tool for MemoryHistory {
    const SPEC: ToolSpec = ToolSpec {
        name: "memory_history",
        title: "Memory history",
        summary: "Every value that an entry had, newest first, with its revision and time, also of one \
                  that was deleted or has expired. restore_memory brings one of them back.",
        effects: Effects::READ,
        caching: Caching::None,
        deadline: Duration::from_secs(30),
    };
    type Args = Args;
    type Plan = Args;
    type Reply = Reply;

    async fn vet(&self, args: Args, _: &Call) -> Result<Args, ToolError> {
        Ok(args)
    }

    async fn run(&self, args: Args, call: &Call) -> Result<Reply, ToolError> {
        let identity = Identity {
            source: args.source,
            category: args.category,
            key: args.key,
        };
        // One more than asked for shows whether there are more.
        let most = u32::try_from(args.limit.get() + 1)
            .ok()
            .and_then(NonZeroU32::new);
        let most = most.unwrap_or(NonZeroU32::MIN);
        let versions = self.store.history(&identity, args.before, most).await;
        let versions = versions.map_err(refused)?;
        if versions.is_empty() && args.before.is_none() {
            return Err(missing(&self.store, &identity).await);
        }
        let found = versions.len();
        let mut spent = 0_usize;
        let kept: Vec<Version> = versions
            .into_iter()
            .take(args.limit.as_usize())
            .enumerate()
            .take_while(|(at, version)| {
                spent = spent.saturating_add(fit::cost_of_part(version));
                *at == 0 || spent <= call.reply_budget
            })
            .map(|(_, version)| version)
            .collect();
        Ok(Reply {
            identity,
            count: kept.len(),
            more: kept.len() < found,
            versions: kept,
        })
    }
}
