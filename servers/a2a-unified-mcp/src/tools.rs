//! The tools: one file each, one line each in `catalog`.

pub mod batches;
pub mod entries;
pub mod operations;
pub mod search_knowledge;
pub mod transfer;

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mcp_metrics::Recorder;
use mcp_serve::Standing;
use mcp_toolcall::operations::{ClearCache, GetMetrics, HealthCheck};
use mcp_toolcall::{Catalog, Code, ToolError};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::IDENTITY;
use crate::caches::Caches;
use crate::embeddings::Embedder;
use crate::search::Searcher;
use crate::store::{Store, StoreError};
use crate::upkeep::Soundness;
use batches::batch_recall::BatchRecall;
use batches::batch_remember::BatchRemember;
use batches::batch_search::BatchSearch;
use entries::forget::Forget;
use entries::forget_where::ForgetWhere;
use entries::list_memories::ListMemories;
use entries::memory_history::MemoryHistory;
use entries::recall::Recall;
use entries::remember::Remember;
use entries::restore_memory::RestoreMemory;
use operations::health::MemoryChecks;
use operations::knowledge_stats::KnowledgeStats;
use search_knowledge::SearchKnowledge;
use transfer::Exports;
use transfer::export_knowledge::ExportKnowledge;
use transfer::import_knowledge::ImportKnowledge;

/// When a caller who met a busy file may try again.
const BUSY_RETRY: Duration = Duration::from_secs(1);

/// What the tools are made of.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    /// Where entries are kept.
    pub(crate) store: Arc<Store>,
    /// What finds them.
    pub(crate) searcher: Searcher,
    /// What makes vectors of them.
    pub(crate) embedder: Embedder,
    /// Where files may be written and read.
    pub(crate) exports: Exports,
    /// What is remembered in memory.
    pub(crate) caches: Caches,
    /// Where the numbers are.
    pub(crate) recorder: Recorder,
    /// What is known of the file.
    pub(crate) soundness: Soundness,
    /// When the server started.
    pub(crate) started: Instant,
    /// How the configuration on disk stands to the one in force.
    pub(crate) standing: Standing,
}

/// The list of tools, of a policy of that version.
pub(crate) fn catalog(parts: Parts, policy: Arc<str>) -> Catalog {
    let Parts {
        store,
        searcher,
        embedder,
        exports,
        caches,
        recorder,
        soundness,
        started,
        standing,
    } = parts;
    let shared = || Arc::clone(&store);
    let caches = || caches.clone();
    Catalog::default()
        .with(BatchRecall { store: shared() })
        .with(BatchRemember { store: shared() })
        .with(BatchSearch {
            searcher: searcher.clone(),
        })
        .with(ClearCache { caches: caches() })
        .with(ExportKnowledge {
            store: shared(),
            exports: exports.clone(),
        })
        .with(Forget { store: shared() })
        .with(ForgetWhere { store: shared() })
        .with(GetMetrics {
            recorder: recorder.clone(),
            caches: caches(),
        })
        .with(HealthCheck {
            checks: MemoryChecks {
                store: shared(),
                embedder: embedder.clone(),
                soundness,
                policy,
                standing,
            },
            caches: caches(),
            recorder,
            version: IDENTITY.version,
            started,
        })
        .with(ImportKnowledge {
            store: shared(),
            exports,
        })
        .with(KnowledgeStats {
            store: shared(),
            embedder,
            caches: caches(),
        })
        .with(ListMemories { caches: caches() })
        .with(MemoryHistory { store: shared() })
        .with(Recall { store: shared() })
        .with(Remember { store: shared() })
        .with(RestoreMemory { store: shared() })
        .with(SearchKnowledge { searcher })
}

/// Parses an object, and nothing else: serde takes a list of the fields for a struct too.
pub(crate) fn object<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<T, D::Error> {
    let fields = Map::<String, Value>::deserialize(deserializer)?;
    serde_path_to_error::deserialize(Value::Object(fields)).map_err(|error| match error.path() {
        path if path.iter().next().is_none() => D::Error::custom(error.inner()),
        path => D::Error::custom(format_args!("`{path}`: {}", error.inner())),
    })
}

/// Why the store refused, and what the caller can do about it.
pub(crate) fn explain(error: &StoreError) -> ToolError {
    let text = error.to_string();
    match error {
        StoreError::Conflict { current: Some(_) } => ToolError::new(Code::Conflict, text)
            .with_hint("recall the entry, build on what it says, and give its revision"),
        StoreError::Conflict { current: None } => ToolError::new(Code::Conflict, text)
            .with_hint("leave if_revision out to make a new entry"),
        StoreError::Item { source, .. } => explain(source).with_message(text),
        StoreError::Disordered => ToolError::invalid(".", text),
        StoreError::Cursor => ToolError::invalid("cursor", text),
        StoreError::Busy => ToolError::new(Code::Unavailable, text).with_retry_after(BUSY_RETRY),
        StoreError::Full => ToolError::new(Code::Unavailable, text)
            .with_hint("what failed changed nothing; make room on the disk, then call again"),
        StoreError::ReadOnly => ToolError::new(Code::Unavailable, text).with_hint(
            "what failed changed nothing; the operator must let the server write its data directory, and \
             start it again",
        ),
        StoreError::Damaged { .. } => ToolError::new(Code::Unavailable, text).with_hint(
            "the operator can look it over with `a2a-unified-mcp doctor`; `doctor --repair` mends \
             the full-text index, `restore` puts a backup in its place",
        ),
        StoreError::Unusable { .. } => ToolError::new(Code::Unavailable, text).with_hint(
            "what failed changed nothing; the operator must look after the disk, permissions, quotas and \
             limits on the size of files",
        ),
        StoreError::Closed
        | StoreError::Overtaken { .. }
        | StoreError::Newer { .. }
        | StoreError::Foreign { .. } => ToolError::new(Code::Unavailable, text),
        StoreError::Io { source, .. } => {
            ToolError::new(Code::Unavailable, format!("{text}: {source}"))
        }
        StoreError::Database(_) => {
            let reason = error.source().map_or_else(String::new, ToString::to_string);
            ToolError::new(Code::Internal, format!("{text}: {reason}"))
        }
    }
}
