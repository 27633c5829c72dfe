//! Deletes all entries that meet a filter.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use mcp_toolcall::bounded::Text;
use mcp_toolcall::{Caching, Call, Effects, Tool, ToolError, ToolSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::refused;
use crate::knowledge::{Category, Identity, Metadata, Source, Tags, Timestamp};
use crate::store::{Filter, Store};

/// Entries that a dry run names.
const NAMED: NonZeroU32 = NonZeroU32::MIN.saturating_add(19);

/// Deletes all entries that meet a filter.
#[derive(Debug)]
pub struct ForgetWhere {
    /// Where entries are kept.
    pub store: Arc<Store>,
}

/// Which entries; at least one condition.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Those of this category.
    #[serde(default)]
    category: Option<Category>,
    /// Those of this source.
    #[serde(default)]
    source: Option<Source>,
    /// Those with all of these tags.
    #[serde(default)]
    tags: Tags,
    /// Those whose metadata have each of these members, with an equal value.
    #[serde(default)]
    metadata: Metadata,
    /// Those last written before this: a time such as 2026-01-31T12:00:00Z, or an age such as "30d"
    /// or "12h".
    #[serde(default)]
    older_than: Option<Text<1, 64>>,
    /// Only say what would be deleted.
    #[serde(default)]
    dry_run: bool,
}

/// Which entries, and whether they are only named.
#[derive(Debug)]
pub struct Plan {
    filter: Filter,
    dry_run: bool,
}

/// What was deleted, or would be.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Reply {
    /// Entries that met the filter.
    matched: u64,
    /// Entries that were deleted: none in a dry run.
    forgotten: u64,
    /// Whether it was a dry run.
    dry_run: bool,
    /// The first entries that would be deleted, at most 20; empty when it was no dry run.
    entries: Vec<Identity>,
}

impl Tool for ForgetWhere {
    const SPEC: ToolSpec = ToolSpec {
        name: "forget_where",
        title: "Forget many",
        summary: "Deletes all entries that meet every condition given, in one step. Call it with \
                  dry_run first: it says how many and which. At least one condition is needed. \
                  Earlier values stay in memory_history.",
        effects: Effects::DESTRUCTIVE,
        caching: Caching::None,
        deadline: Duration::from_mins(5),
    };
    type Args = Args;
    type Plan = Plan;
    type Reply = Reply;

    async fn vet(&self, args: Args, _: &Call) -> Result<Plan, ToolError> {
        let older_than = args.older_than.as_deref().map(before).transpose()?;
        let filter = Filter {
            source: args.source,
            category: args.category,
            tags: args.tags,
            metadata: args.metadata.into_members(),
            updated_since: None,
            updated_before: older_than,
        };
        if filter == Filter::default() {
            return Err(ToolError::invalid(".", "no condition is given")
                .with_hint("name a category, source, tags, metadata or older_than"));
        }
        Ok(Plan {
            filter,
            dry_run: args.dry_run,
        })
    }

    async fn run(&self, Plan { filter, dry_run }: Plan, _: &Call) -> Result<Reply, ToolError> {
        if !dry_run {
            let forgotten = self.store.delete_where(filter).await.map_err(refused)?;
            return Ok(Reply {
                matched: forgotten,
                forgotten,
                dry_run,
                entries: Vec::new(),
            });
        }
        let page = self
            .store
            .list(&filter, None, NAMED)
            .await
            .map_err(refused)?;
        Ok(Reply {
            matched: page.total,
            forgotten: 0,
            dry_run,
            entries: page
                .entries
                .into_iter()
                .map(|entry| entry.identity)
                .collect(),
        })
    }
}

/// A time, or that long ago.
fn before(text: &str) -> Result<Timestamp, ToolError> {
    if let Ok(time) = Timestamp::from_str(text) {
        return Ok(time);
    }
    let age = humantime::parse_duration(text).map_err(|_| {
        ToolError::invalid("older_than", "neither a time of RFC 3339 nor an age")
            .with_hint("give 2026-01-31T12:00:00Z, or an age such as 30d or 12h")
    })?;
    Ok(Timestamp::now().before(age))
}
