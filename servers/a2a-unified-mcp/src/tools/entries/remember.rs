//! Writes an entry, or a new revision of it.

use std::sync::Arc;
use std::time::Duration;

use mcp_toolcall::bounded::Int;
use mcp_toolcall::{Caching, Call, Effects, Tool, ToolError, ToolSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::refused;
use crate::knowledge::{
    Category, Draft, Expected, Identity, Key, Metadata, Revision, Source, Tags, Timestamp, Value,
};
use crate::store::{Store, Written};

/// Writes an entry, or a new revision of it.
#[derive(Debug)]
pub struct Remember {
    /// Where entries are kept.
    pub store: Arc<Store>,
}

/// Ten years, in seconds.
const LONGEST: u64 = 10 * 366 * 24 * 60 * 60;

/// The last revision that there can be.
const LAST_REVISION: u64 = 0xffff_ffff;

/// What is to be remembered.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// What the fact is called; unique within source and category.
    key: Key,
    /// The fact: at most 1 MiB of text.
    value: Value,
    /// What it belongs to, such as a project or a topic.
    #[serde(default)]
    category: Category,
    /// Who says it.
    #[serde(default)]
    source: Source,
    /// A JSON object about it: at most 64 KiB, 16 levels deep.
    #[serde(default)]
    metadata: Metadata,
    /// Labels to filter by.
    #[serde(default)]
    tags: Tags,
    /// It is gone after so many seconds; kept for ever when left out.
    #[serde(default)]
    ttl_seconds: Option<Int<1, LONGEST>>,
    /// Only write when the entry has this revision now; 0 when there must be none.
    #[serde(default)]
    if_revision: Option<Int<0, LAST_REVISION>>,
}

/// What was written. It is on the disk.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Reply {
    /// The number of the entry.
    id: i64,
    /// The revision it has now.
    revision: Revision,
    /// Whether there was no such entry before.
    created: bool,
}

impl From<Written> for Reply {
    fn from(written: Written) -> Self {
        Self {
            id: written.id,
            revision: written.revision,
            created: written.created,
        }
    }
}

impl Args {
    /// What is to be written from now on.
    pub(crate) fn draft(self) -> Draft {
        let ttl = self.ttl_seconds.map(|ttl| Duration::from_secs(ttl.get()));
        let expected = self.if_revision.map(|number| {
            let revision = i64::try_from(number.get()).map(Revision::try_from);
            match revision {
                Ok(Ok(revision)) => Expected::Revision(revision),
                Ok(Err(_)) | Err(_) => Expected::Absent,
            }
        });
        Draft {
            identity: Identity {
                source: self.source,
                category: self.category,
                key: self.key,
            },
            value: self.value,
            metadata: self.metadata,
            tags: self.tags,
            expires_at: ttl.map(|ttl| Timestamp::now().after(ttl)),
            expected,
        }
    }
}

impl Tool for Remember {
    const SPEC: ToolSpec = ToolSpec {
        name: "remember",
        title: "Remember",
        summary: "Writes an entry: `value` under `key` in a `category` of a `source`. Answered once \
                  it is on the disk. An entry that is there gets a new revision and its earlier \
                  value stays in memory_history; metadata, tags and expiry are replaced too. \
                  `if_revision` refuses with `conflict` when somebody else wrote in between.",
        effects: Effects::KEEP,
        caching: Caching::None,
        deadline: Duration::from_mins(1),
    };
    type Args = Args;
    type Plan = Draft;
    type Reply = Reply;

    async fn vet(&self, args: Args, _: &Call) -> Result<Draft, ToolError> {
        Ok(args.draft())
    }

    async fn run(&self, draft: Draft, _: &Call) -> Result<Reply, ToolError> {
        Ok(self.store.put(draft).await.map_err(refused)?.into())
    }
}
