//! Deletes an entry.

use std::sync::Arc;
use std::time::Duration;

use mcp_toolcall::{Caching, Call, Effects, Tool, ToolError, ToolSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{missing, refused};
use crate::knowledge::{Category, Identity, Key, Revision, Source};
use crate::store::Store;

/// Deletes an entry.
#[derive(Debug)]
pub struct Forget {
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
    /// Only delete when the entry has this revision now.
    #[serde(default)]
    if_revision: Option<Revision>,
}

/// Which entry, and the revision it must have.
#[derive(Debug)]
pub struct Plan(Identity, Option<Revision>);

/// What was deleted.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Reply {
    /// Always true.
    forgotten: bool,
    /// The revision of the deletion; `restore_memory` brings one before it back.
    revision: Revision,
}

impl Tool for Forget {
    const SPEC: ToolSpec = ToolSpec {
        name: "forget",
        title: "Forget",
        summary: "Deletes the entry of exactly this key. What it said stays in memory_history, and \
                  restore_memory brings it back.",
        effects: Effects::DESTRUCTIVE,
        caching: Caching::None,
        deadline: Duration::from_mins(1),
    };
    type Args = Args;
    type Plan = Plan;
    type Reply = Reply;

    async fn vet(&self, args: Args, _: &Call) -> Result<Plan, ToolError> {
        let identity = Identity {
            source: args.source,
            category: args.category,
            key: args.key,
        };
        Ok(Plan(identity, args.if_revision))
    }

    async fn run(&self, Plan(identity, expected): Plan, _: &Call) -> Result<Reply, ToolError> {
        let deleted = self.store.delete(identity.clone(), expected).await;
        match deleted.map_err(refused)? {
            Some(revision) => Ok(Reply {
                forgotten: true,
                revision,
            }),
            None => Err(missing(&self.store, &identity).await),
        }
    }
}
