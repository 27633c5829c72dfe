//! Forgets what was cached.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Caches;
use crate::{Caching, Call, Effects, Tool, ToolError, ToolSpec};

/// Forgets what was cached.
#[derive(Debug)]
pub struct ClearCache<C> {
    /// The caches.
    pub caches: C,
}

/// Which caches.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    bound = "S: serde::de::DeserializeOwned + Default"
)]
pub struct Args<S: Default> {
    /// Which cache to clear.
    #[serde(default)]
    scope: S,
}

/// What was forgotten.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Reply {
    /// Always true.
    success: bool,
    /// Entries that were forgotten.
    cleared: u64,
}

impl<C: Caches> Tool for ClearCache<C> {
    const SPEC: ToolSpec = ToolSpec {
        name: "clear_cache",
        title: "Clear caches",
        summary: C::SUMMARY,
        effects: Effects::KEEP,
        caching: Caching::None,
        deadline: Duration::from_secs(5),
    };
    type Args = Args<C::Scope>;
    type Plan = C::Scope;
    type Reply = Reply;

    async fn vet(&self, args: Self::Args, _: &Call) -> Result<C::Scope, ToolError> {
        Ok(args.scope)
    }

    async fn run(&self, scope: C::Scope, _: &Call) -> Result<Reply, ToolError> {
        Ok(Reply {
            success: true,
            cleared: self.caches.clear(scope).await,
        })
    }
}
