//! How much is remembered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mcp_toolcall::operations::{Caches as _, NoArgs};
use mcp_toolcall::{Caching, Call, Effects, Tool, ToolError, ToolSpec};
use schemars::JsonSchema;
use serde::Serialize;

use crate::caches::{Caches, CachesReport};
use crate::embeddings::Embedder;
use crate::store::{Stats, Store};
use crate::tools::explain;

/// How much is remembered.
#[derive(Debug)]
pub struct KnowledgeStats {
    /// Where entries are kept.
    pub store: Arc<Store>,
    /// What makes vectors of entries.
    pub embedder: Embedder,
    /// What is remembered in memory.
    pub caches: Caches,
}

/// How much is remembered.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Reply {
    /// Entries that can be found.
    entries: u64,
    /// Entries past their time whose room is not free yet.
    expired: u64,
    /// Earlier revisions and deletions that are kept.
    history: u64,
    /// Size of the file in bytes.
    size_bytes: u64,
    /// Entries by category.
    by_category: BTreeMap<String, u64>,
    /// Entries by source.
    by_source: BTreeMap<String, u64>,
    /// Whether there are more than the 1000 largest pairs of source and category, which alone are
    /// counted above.
    more_groups: bool,
    /// Vectors of entries, which searching by meaning needs.
    embeddings: Embeddings,
    /// The caches.
    caches: CachesReport,
}

/// Vectors of entries.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Embeddings {
    /// What makes them, once it did.
    model: Option<String>,
    /// Why nothing makes them; null when something does.
    unavailable: Option<String>,
    /// Entries that have theirs.
    done: u64,
    /// Entries that wait for theirs.
    pending: u64,
    /// Entries that could not be embedded.
    failed: u64,
}

impl Tool for KnowledgeStats {
    const SPEC: ToolSpec = ToolSpec {
        name: "knowledge_stats",
        title: "Knowledge statistics",
        summary: "How many entries there are by category and source, how many earlier revisions, the \
                  size of the file, and how the caches do.",
        effects: Effects::READ,
        caching: Caching::None,
        deadline: Duration::from_secs(30),
    };
    type Args = NoArgs;
    type Plan = ();
    type Reply = Reply;

    async fn vet(&self, _: NoArgs, _: &Call) -> Result<(), ToolError> {
        Ok(())
    }

    async fn run(&self, (): (), _: &Call) -> Result<Reply, ToolError> {
        let stats = self.caches.stats().await?;
        let mut by_category = BTreeMap::new();
        let mut by_source = BTreeMap::new();
        for group in &stats.groups {
            *by_category.entry(group.category.to_string()).or_insert(0) += group.entries;
            *by_source.entry(group.source.to_string()).or_insert(0) += group.entries;
        }
        let embeddings = self.embeddings().await?;
        let Stats {
            entries,
            expired,
            history,
            bytes,
            ..
        } = *stats;
        Ok(Reply {
            entries,
            expired,
            history,
            size_bytes: bytes,
            more_groups: by_source.values().sum::<u64>() < entries,
            by_category,
            by_source,
            embeddings,
            caches: self.caches.report(),
        })
    }
}

impl KnowledgeStats {
    async fn embeddings(&self) -> Result<Embeddings, ToolError> {
        let status = self.embedder.status().await;
        let progress = self.store.embedding_progress().await;
        let progress = progress.map_err(|error| explain(&error))?;
        Ok(Embeddings {
            model: status.model,
            unavailable: status.unavailable,
            done: progress.done,
            pending: progress.pending,
            failed: progress.failed,
        })
    }
}
