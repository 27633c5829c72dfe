//! Writes many entries in one transaction.

use std::sync::Arc;
use std::time::Duration;

use mcp_toolcall::bounded::List;
use mcp_toolcall::{Caching, Call, Effects, Tool, ToolError, ToolSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Item, ItemError};
use crate::knowledge::{Draft, Revision};
use crate::store::{Store, Written};
use crate::tools::entries::refused;
use crate::tools::entries::remember;

/// Writes many entries in one transaction.
#[derive(Debug)]
pub struct BatchRemember {
    /// Where entries are kept.
    pub store: Arc<Store>,
}

/// What is to be remembered.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The entries, each as `remember` takes one.
    items: List<Item<remember::Args>, 1, 1000>,
    /// Whether items that can be written are written when others cannot. Otherwise it is all or
    /// nothing.
    #[serde(default)]
    partial: bool,
}

/// What is to be written, item by item.
#[derive(Debug)]
pub enum Plan {
    /// All or nothing.
    Whole(Vec<Draft>),
    /// What can be.
    Partial(Vec<Result<Draft, ToolError>>),
}

/// What was written. It is on the disk.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Reply {
    /// Items that were written.
    written: usize,
    /// Items that were not.
    failed: usize,
    /// One for each item, in their order.
    results: Vec<Outcome>,
}

/// What became of an item.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Outcome {
    /// Its place among the items, from 0.
    index: usize,
    /// The number of the entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<i64>,
    /// The revision it has now.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<Revision>,
    /// Whether there was no such entry before.
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<bool>,
    /// Why it was not written.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<ItemError>")]
    failure: Option<ItemError>,
}

impl Outcome {
    fn new(index: usize, outcome: Result<Written, ToolError>) -> Self {
        let failure = outcome.as_ref().err().map(ItemError::from);
        let written = outcome.ok();
        Self {
            index,
            id: written.map(|written| written.id),
            revision: written.map(|written| written.revision),
            created: written.map(|written| written.created),
            failure,
        }
    }
}

impl Tool for BatchRemember {
    const SPEC: ToolSpec = ToolSpec {
        name: "batch_remember",
        title: "Remember many",
        summary: "Writes up to 1000 entries, each as remember would, in one transaction: an item that \
                  cannot be written fails the call, and nothing is changed. With `partial` each item \
                  is written by itself and has its own outcome.",
        effects: Effects::KEEP,
        caching: Caching::None,
        deadline: Duration::from_mins(2),
    };
    type Args = Args;
    type Plan = Plan;
    type Reply = Reply;

    async fn vet(&self, args: Args, _: &Call) -> Result<Plan, ToolError> {
        let drafts = args
            .items
            .into_iter()
            .enumerate()
            .map(|(index, Item(item))| {
                let item = item.map_err(|bad| bad.of("items", index))?;
                Ok(item.draft())
            });
        Ok(if args.partial {
            Plan::Partial(drafts.collect())
        } else {
            Plan::Whole(drafts.collect::<Result<_, _>>()?)
        })
    }

    async fn run(&self, plan: Plan, _: &Call) -> Result<Reply, ToolError> {
        let outcomes = match plan {
            Plan::Whole(drafts) => {
                let written = self.store.put_all(drafts).await.map_err(refused)?;
                written.into_iter().map(Ok).collect()
            }
            Plan::Partial(items) => self.write_each(items).await,
        };
        let failed = outcomes.iter().filter(|outcome| outcome.is_err()).count();
        Ok(Reply {
            written: outcomes.len() - failed,
            failed,
            results: outcomes
                .into_iter()
                .enumerate()
                .map(|(index, outcome)| Outcome::new(index, outcome))
                .collect(),
        })
    }
}

impl BatchRemember {
    async fn write_each(
        &self,
        items: Vec<Result<Draft, ToolError>>,
    ) -> Vec<Result<Written, ToolError>> {
        let mut drafts = Vec::with_capacity(items.len());
        let places: Vec<Result<(), ToolError>> = items
            .into_iter()
            .map(|item| item.map(|draft| drafts.push(draft)))
            .collect();
        let mut written = self.store.put_each(drafts).await.into_iter();
        let outcome = |place: Result<(), ToolError>| {
            place?;
            let written = written
                .next()
                .unwrap_or(Err(crate::store::StoreError::Closed));
            written.map_err(refused)
        };
        places.into_iter().map(outcome).collect()
    }
}
