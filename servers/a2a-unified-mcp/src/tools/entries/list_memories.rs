//! Lists entries, page by page.

use std::num::NonZeroU32;
use std::time::Duration;

use mcp_toolcall::bounded::{Int, Text};
use mcp_toolcall::{Caching, Call, Effects, Tool, ToolError, ToolSpec, fit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::refused;
use crate::caches::Caches;
use crate::knowledge::{Category, Entry, Metadata, Source, Tags, Timestamp};
use crate::store::{Cursor, Filter};

/// Lists entries, page by page.
#[derive(Debug)]
pub struct ListMemories {
    /// The pages, as they are or are remembered.
    pub caches: Caches,
}

/// Which entries.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Only those of this category.
    #[serde(default)]
    category: Option<Category>,
    /// Only those of this source.
    #[serde(default)]
    source: Option<Source>,
    /// Only those with all of these tags.
    #[serde(default)]
    tags: Tags,
    /// Only those whose metadata have each of these members, with an equal value.
    #[serde(default)]
    metadata: Metadata,
    /// Only those written at this time or later.
    #[serde(default)]
    since: Option<Timestamp>,
    /// Entries a page has at most.
    #[serde(default = "Args::usual_limit")]
    limit: Int<1, 200>,
    /// `next_cursor` of the page before, with the same filters.
    #[serde(default)]
    cursor: Option<Text<1, 64>>,
}

impl Args {
    const fn usual_limit() -> Int<1, 200> {
        Int::literal(20)
    }
}

/// A page, and where in the list.
#[derive(Debug)]
pub struct Plan {
    filter: Filter,
    after: Option<Cursor>,
    limit: NonZeroU32,
}

/// A page of entries; the one that was created last comes first.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Reply {
    /// The entries.
    entries: Vec<Entry>,
    /// How many of them are in this page.
    count: usize,
    /// How many there are in all pages.
    total: u64,
    /// Ask with it for the next page; null after the last.
    next_cursor: Option<String>,
}

impl Tool for ListMemories {
    const SPEC: ToolSpec = ToolSpec {
        name: "list_memories",
        title: "List memories",
        summary: "Lists entries that meet all filters, the one that was created last first, with their \
                  number in all. Large entries make pages shorter. Follow next_cursor with the same \
                  filters: what stays in the list is met exactly once.",
        effects: Effects::READ,
        caching: Caching::None,
        deadline: Duration::from_secs(30),
    };
    type Args = Args;
    type Plan = Plan;
    type Reply = Reply;

    async fn vet(&self, args: Args, _: &Call) -> Result<Plan, ToolError> {
        let limit = u32::try_from(args.limit.get())
            .ok()
            .and_then(NonZeroU32::new);
        Ok(Plan {
            filter: Filter {
                source: args.source,
                category: args.category,
                tags: args.tags,
                metadata: args.metadata.into_members(),
                updated_since: args.since,
                updated_before: None,
            },
            after: args.cursor.map(|text| Cursor::given(text.into_inner())),
            limit: limit.unwrap_or(NonZeroU32::MIN),
        })
    }

    async fn run(&self, plan: Plan, call: &Call) -> Result<Reply, ToolError> {
        let Plan {
            filter,
            after,
            limit,
        } = plan;
        let page = self.caches.list(&filter, after.as_ref(), limit).await;
        let mut page = page.map_err(refused)?;
        if shorten(&mut page.entries, call.reply_budget) {
            let last = page.entries.last();
            let next = last.map(|last| Cursor::behind(last, &filter)).transpose();
            page.next = next.map_err(refused)?;
        }
        Ok(Reply {
            count: page.entries.len(),
            entries: page.entries,
            total: page.total,
            next_cursor: page.next.map(|cursor| cursor.as_str().to_owned()),
        })
    }
}

/// Leaves out the last entries that a reply has no room for, but never the first; whether it did.
fn shorten(entries: &mut Vec<Entry>, budget: usize) -> bool {
    let mut spent = 0_usize;
    let mut fits = |entry: &Entry| {
        spent = spent.saturating_add(fit::cost_of_part(entry));
        spent <= budget
    };
    let kept = entries
        .iter()
        .map_while(|entry| fits(entry).then_some(()))
        .count()
        .max(1);
    let shortened = kept < entries.len();
    entries.truncate(kept);
    shortened
}
