//! Reads an entry by its name.

use std::sync::Arc;
use std::time::Duration;

use mcp_toolcall::{Caching, Call, Effects, Tool, ToolError, ToolSpec};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{missing, refused};
use crate::knowledge::{Category, Entry, Identity, Key, Source};
use crate::store::Store;

/// Reads an entry by its name.
#[derive(Debug)]
pub struct Recall {
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
}

impl From<Args> for Identity {
    fn from(args: Args) -> Self {
        Self {
            source: args.source,
            category: args.category,
            key: args.key,
        }
    }
}

impl Tool for Recall {
    const SPEC: ToolSpec = ToolSpec {
        name: "recall",
        title: "Recall",
        summary: "Reads the entry of exactly this key, with its revision and times. `not_found` names \
                  the nearest keys. When you do not know the key, use search_knowledge.",
        effects: Effects::READ,
        caching: Caching::None,
        deadline: Duration::from_secs(30),
    };
    type Args = Args;
    type Plan = Identity;
    type Reply = Entry;

    async fn vet(&self, args: Args, _: &Call) -> Result<Identity, ToolError> {
        Ok(args.into())
    }

    async fn run(&self, identity: Identity, _: &Call) -> Result<Entry, ToolError> {
        match self.store.get(&identity).await.map_err(refused)? {
            Some(entry) => Ok(entry),
            None => Err(missing(&self.store, &identity).await),
        }
    }
}
