//! Reads many entries by their names.

use std::sync::Arc;
use std::time::Duration;

use mcp_toolcall::bounded::List;
use mcp_toolcall::{Caching, Call, Code, Effects, Tool, ToolError, ToolSpec, fit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ItemError;
use crate::knowledge::{Category, Entry, Identity, Key, Source};
use crate::store::Store;
use crate::tools::entries::{recall, refused};
use crate::tools::object;

/// Reads many entries by their names.
#[derive(Debug)]
pub struct BatchRecall {
    /// Where entries are kept.
    pub store: Arc<Store>,
}

/// Which entries.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Keys, or objects as `recall` takes.
    keys: List<Wanted, 1, 200>,
    /// What those that are only keys belong to.
    #[serde(default)]
    category: Category,
    /// Who said those that are only keys.
    #[serde(default)]
    source: Source,
}

/// Which entry.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "neither a key, 1 to 1024 characters, nor an object that recall takes"
)]
#[schemars(inline)]
pub enum Wanted {
    /// Its key.
    Key(Key),
    /// Its whole name.
    #[serde(deserialize_with = "object")]
    Named(recall::Args),
}

/// What there is, in the order of the keys.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Reply {
    /// Entries that were found.
    found: usize,
    /// Entries that there are not.
    missing: usize,
    /// One for each key, in their order.
    results: Vec<Outcome>,
}

/// An entry, or that there is none.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Outcome {
    /// Which was asked for.
    #[serde(flatten)]
    identity: Identity,
    /// Whether there is one.
    found: bool,
    /// The entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<Entry>,
    /// Why it is not told though it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<ItemError>")]
    failure: Option<ItemError>,
}

impl Tool for BatchRecall {
    const SPEC: ToolSpec = ToolSpec {
        name: "batch_recall",
        title: "Recall many",
        summary: "Reads up to 200 entries by their exact keys, all as they were at one moment. `keys` \
                  holds keys, or objects with key, category and source. What is not there is said so \
                  for each.",
        effects: Effects::READ,
        caching: Caching::None,
        deadline: Duration::from_mins(1),
    };
    type Args = Args;
    type Plan = Vec<Identity>;
    type Reply = Reply;

    async fn vet(&self, args: Args, _: &Call) -> Result<Vec<Identity>, ToolError> {
        let identity = |wanted| match wanted {
            Wanted::Key(key) => Identity {
                source: args.source.clone(),
                category: args.category.clone(),
                key,
            },
            Wanted::Named(named) => named.into(),
        };
        Ok(args.keys.into_iter().map(identity).collect())
    }

    async fn run(&self, identities: Vec<Identity>, call: &Call) -> Result<Reply, ToolError> {
        let entries = self.store.get_all(&identities).await.map_err(refused)?;
        let mut left = call.reply_budget;
        let results: Vec<Outcome> = identities
            .into_iter()
            .zip(entries)
            .map(|(identity, entry)| outcome(identity, entry, &mut left))
            .collect();
        let found = results.iter().filter(|outcome| outcome.found).count();
        Ok(Reply {
            found,
            missing: results.len() - found,
            results,
        })
    }
}

fn outcome(identity: Identity, entry: Option<Entry>, left: &mut usize) -> Outcome {
    let found = entry.is_some();
    let cost = entry.as_ref().map_or(0, fit::cost_of_part);
    let entry = entry.filter(|_| cost <= *left);
    let failure = (found && entry.is_none()).then(|| {
        let text = "the reply has no room left for this entry; recall it by itself";
        ItemError::from(&ToolError::new(Code::TooLarge, text))
    });
    if entry.is_some() {
        *left -= cost;
    }
    Outcome {
        identity,
        found,
        entry,
        failure,
    }
}
