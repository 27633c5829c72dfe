//! Brings back what an entry said.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use mcp_toolcall::{Caching, Call, Code, Effects, Tool, ToolError, ToolSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{missing, refused};
use crate::knowledge::{Category, Draft, Identity, Key, Revision, Source, Timestamp, Version};
use crate::store::Store;

/// Brings back what an entry said.
#[derive(Debug)]
pub struct RestoreMemory {
    /// Where entries are kept.
    pub store: Arc<Store>,
}

/// Which entry and revision.
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
    /// A revision of `memory_history` that has a value.
    revision: Revision,
}

/// What the entry says again.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Reply {
    /// The revision it has now.
    revision: Revision,
    /// The revision whose value, metadata and tags it has.
    restored: Revision,
    /// Whether there was no such entry before.
    created: bool,
}

impl Tool for RestoreMemory {
    const SPEC: ToolSpec = ToolSpec {
        name: "restore_memory",
        title: "Restore memory",
        summary: "Writes the value, metadata and tags of an earlier revision again, as a new revision; \
                  also of an entry that was deleted or has expired. An expiry that has passed is not \
                  restored.",
        effects: Effects::KEEP,
        caching: Caching::None,
        deadline: Duration::from_mins(1),
    };
    type Args = Args;
    type Plan = Args;
    type Reply = Reply;

    async fn vet(&self, args: Args, _: &Call) -> Result<Args, ToolError> {
        Ok(args)
    }

    async fn run(&self, args: Args, _: &Call) -> Result<Reply, ToolError> {
        let wanted = args.revision;
        let identity = Identity {
            source: args.source,
            category: args.category,
            key: args.key,
        };
        let Some(version) = self.version(&identity, wanted).await? else {
            return Err(self.no_such(&identity, wanted).await);
        };
        let Some(value) = version.value else {
            let text = format!("revision {wanted} is where the entry was deleted or expired");
            return Err(ToolError::new(Code::NotFound, text)
                .with_hint("memory_history tells which revisions have a value"));
        };
        let draft = Draft {
            metadata: version.metadata,
            tags: version.tags,
            expires_at: version.expires_at.filter(|end| *end > Timestamp::now()),
            ..Draft::new(identity, value)
        };
        let written = self.store.put(draft).await.map_err(refused)?;
        Ok(Reply {
            revision: written.revision,
            restored: wanted,
            created: written.created,
        })
    }
}

impl RestoreMemory {
    async fn version(
        &self,
        identity: &Identity,
        wanted: Revision,
    ) -> Result<Option<Version>, ToolError> {
        let before = wanted.next();
        let versions = self.store.history(identity, before, NonZeroU32::MIN).await;
        let newest = versions.map_err(refused)?.into_iter().next();
        Ok(newest.filter(|version| version.revision == wanted))
    }

    async fn no_such(&self, identity: &Identity, wanted: Revision) -> ToolError {
        match self.store.history(identity, None, NonZeroU32::MIN).await {
            Ok(versions) if versions.is_empty() => missing(&self.store, identity).await,
            Ok(_) => ToolError::new(
                Code::NotFound,
                format!("the entry has no revision {wanted}"),
            )
            .with_hint("memory_history tells which there are"),
            Err(error) => refused(error),
        }
    }
}
