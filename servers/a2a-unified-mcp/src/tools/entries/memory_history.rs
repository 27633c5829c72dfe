//! What an entry said before.

use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use mcp_toolcall::bounded::Int;
use mcp_toolcall::{Caching, Call, Effects, Tool, ToolError, ToolSpec, fit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{missing, refused};
use crate::knowledge::{Category, Identity, Key, Revision, Source, Version};
use crate::store::Store;

/// Versions that are read at once.
const PART: NonZeroU8 = NonZeroU8::MIN.saturating_add(15);

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
            source: args.source.clone(),
            category: args.category.clone(),
            key: args.key.clone(),
        };
        let told = self.versions(&identity, &args, call.reply_budget).await?;
        let (versions, more) = told;
        if versions.is_empty() && args.before.is_none() {
            return Err(missing(&self.store, &identity).await);
        }
        Ok(Reply {
            identity,
            count: versions.len(),
            more,
            versions,
        })
    }
}

impl MemoryHistory {
    /// The newest versions, at least one, for which there is room, and whether there are more. They are
    /// read in parts, so that little is that there is no room for.
    async fn versions(
        &self,
        identity: &Identity,
        args: &Args,
        room: usize,
    ) -> Result<(Vec<Version>, bool), ToolError> {
        let most = args.limit.as_usize();
        let (mut told, mut spent) = (Vec::new(), 0_usize);
        let mut before = args.before;
        loop {
            let part = self.store.history(identity, before, PART.into()).await;
            let part = part.map_err(refused)?;
            let Some(last) = part.last() else {
                return Ok((told, false));
            };
            before = Some(last.revision);
            let is_last = part.len() < usize::from(PART.get());
            for version in part {
                spent = spent.saturating_add(fit::cost_of_part(&version));
                if told.len() == most || (!told.is_empty() && spent > room) {
                    return Ok((told, true));
                }
                told.push(version);
            }
            if is_last {
                return Ok((told, false));
            }
        }
    }
}
