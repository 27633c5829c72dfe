//! Reads many entries by their names.

use std::sync::Arc;
use std::time::Duration;

use mcp_toolcall::bounded::List;
use mcp_toolcall::{Caching, Call, Code, Effects, Tool, ToolError, ToolSpec, fit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ItemError;
use crate::knowledge::{Category, Entry, Identity, Key, Source};
use crate::store::{Recalled, Store};
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
        let mut left = call.reply_budget;
        let recalled = self.store.recall_all(&identities, left).await;
        let recalled = recalled.map_err(refused)?;
        let results: Vec<Outcome> = identities
            .into_iter()
            .zip(recalled)
            .map(|(identity, recalled)| outcome(identity, recalled, &mut left))
            .collect();
        let found = results.iter().filter(|outcome| outcome.found).count();
        Ok(Reply {
            found,
            missing: results.len() - found,
            results,
        })
    }
}

fn outcome(identity: Identity, recalled: Recalled, left: &mut usize) -> Outcome {
    let found = recalled != Recalled::Missing;
    let entry = match recalled {
        Recalled::Entry(entry) => Some(entry),
        Recalled::Missing | Recalled::NoRoom => None,
    };
    let entry = entry.filter(|entry| {
        let cost = fit::cost_of_part(entry);
        let fits = cost <= *left;
        *left -= if fits { cost } else { 0 };
        fits
    });
    let failure = (found && entry.is_none()).then(|| {
        let text = "the reply has no room left for this entry; recall it by itself";
        ItemError::from(&ToolError::new(Code::TooLarge, text))
    });
    Outcome {
        identity,
        found,
        entry,
        failure,
    }
}
