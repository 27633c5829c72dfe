//! Finds entries by what they say.

use std::num::NonZeroU32;
use std::time::Duration;

use mcp_toolcall::bounded::Int;
use mcp_toolcall::{Caching, Call, Effects, Tool, ToolError, ToolSpec, fit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::knowledge::{Category, Identity, Metadata, Revision, Source, Tags, Timestamp, Value};
use crate::search::{Hit, Hits, Mode, Query, Request, SearchError, Searcher};
use crate::store::Filter;
use crate::tools::explain;

/// Finds entries by what they say.
#[derive(Debug)]
pub struct SearchKnowledge {
    /// What finds them.
    pub searcher: Searcher,
}

/// What is looked for.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// A question or words, in any language. "…" holds words that must stand together; key:x,
    /// category:x and tag:x must be there too.
    #[schemars(length(min = 1, max = 4096))]
    query: String,
    /// Only entries of this category.
    #[serde(default)]
    category: Option<Category>,
    /// Only entries of this source.
    #[serde(default)]
    source: Option<Source>,
    /// Only entries with all of these tags.
    #[serde(default)]
    tags: Tags,
    /// Only entries whose metadata have each of these members, with an equal value.
    #[serde(default)]
    metadata: Metadata,
    /// Only entries written at this time or later.
    #[serde(default)]
    since: Option<Timestamp>,
    /// By words, by meaning, or by both.
    #[serde(default)]
    mode: Mode,
    /// Results at most.
    #[serde(default = "Args::usual_limit")]
    limit: Int<1, 200>,
    /// Leave out results with a lower score.
    #[serde(default)]
    min_score: Option<Score>,
}

/// A score, from 0 to 1.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(try_from = "f64")]
#[schemars(inline)]
pub struct Score(#[schemars(range(min = 0.0, max = 1.0))] f64);

impl TryFrom<f64> for Score {
    type Error = String;

    fn try_from(number: f64) -> Result<Self, String> {
        if (0.0..=1.0).contains(&number) {
            Ok(Self(number))
        } else {
            Err(format!("must be between 0 and 1, got {number}"))
        }
    }
}

impl Args {
    const fn usual_limit() -> Int<1, 200> {
        Int::literal(10)
    }

    /// What is asked by words alone.
    pub(crate) fn of(query: String) -> Self {
        Self {
            query,
            category: None,
            source: None,
            tags: Tags::default(),
            metadata: Metadata::default(),
            since: None,
            mode: Mode::default(),
            limit: Self::usual_limit(),
            min_score: None,
        }
    }

    /// The request, or what of it cannot be asked.
    pub(crate) fn request(self) -> Result<Request, ToolError> {
        let query = Query::parse(&self.query).map_err(|error| refused(&error))?;
        let limit = u32::try_from(self.limit.get())
            .ok()
            .and_then(NonZeroU32::new);
        Ok(Request {
            query,
            filter: Filter {
                source: self.source,
                category: self.category,
                tags: self.tags,
                metadata: self.metadata.into_members(),
                updated_since: self.since,
                updated_before: None,
            },
            mode: self.mode,
            limit: limit.unwrap_or(NonZeroU32::MIN),
            min_score: self.min_score.map(|Score(score)| score),
        })
    }
}

/// What was found, best first.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Reply {
    /// The entries.
    results: Vec<Found>,
    /// How many there are.
    count: usize,
    /// How they were ranked.
    mode: Mode,
    /// Why they were not ranked as it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// Whether the ranking was made before; what it shows is as it is now.
    cached: bool,
}

/// An entry that was found.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Found {
    /// Which entry.
    #[serde(flatten)]
    identity: Identity,
    /// What it says; null when the reply has no room for it: recall it then.
    value: Option<Value>,
    /// Where it says what was looked for.
    snippet: String,
    /// From 0 to 1: how well it fits.
    score: f64,
    /// About it.
    metadata: Metadata,
    /// Its labels.
    tags: Tags,
    /// Its revision.
    revision: Revision,
    /// When it was first written.
    created_at: Timestamp,
    /// When it was last written.
    updated_at: Timestamp,
    /// When it is gone.
    expires_at: Option<Timestamp>,
}

impl Reply {
    /// What was found, within `budget` bytes on the wire: values that do not fit are left out.
    pub(crate) fn new(hits: Hits, budget: &mut usize) -> Self {
        let results: Vec<Found> = hits
            .hits
            .into_iter()
            .map(|hit| Found::new(hit, budget))
            .collect();
        Self {
            count: results.len(),
            results,
            mode: hits.mode,
            why: hits.why,
            cached: hits.cached,
        }
    }
}

impl Found {
    fn new(hit: Hit, budget: &mut usize) -> Self {
        let entry = hit.entry;
        let mut found = Self {
            identity: entry.identity,
            value: None,
            snippet: hit.snippet,
            score: hit.score,
            metadata: entry.metadata,
            tags: entry.tags,
            revision: entry.revision,
            created_at: entry.created_at,
            updated_at: entry.updated_at,
            expires_at: entry.expires_at,
        };
        *budget = budget.saturating_sub(fit::cost_of_part(&found));
        let cost = fit::cost_of(entry.value.as_str());
        if hit.is_whole && cost <= *budget {
            *budget -= cost;
            found.value = Some(entry.value);
        }
        found
    }
}

/// What the search refused, as the caller reads it.
pub(crate) fn refused(error: &SearchError) -> ToolError {
    match error {
        SearchError::Store(error) => explain(error),
        SearchError::Empty | SearchError::TooLong { .. } => ToolError::invalid("query", error),
        SearchError::Limit { .. } => ToolError::invalid("limit", error),
    }
}

impl Tool for SearchKnowledge {
    const SPEC: ToolSpec = ToolSpec {
        name: "search_knowledge",
        title: "Search knowledge",
        summary: "Finds entries by words, by meaning, or by both (the default), best first, with a \
                  score and the passage that fits. Ask in plain words or a question; names in code, \
                  other word forms and small misspellings are found too. Filters are exact. `mode` \
                  says how it was ranked, `why` if that is not what was asked.",
        effects: Effects::READ,
        caching: Caching::None,
        deadline: Duration::from_secs(30),
    };
    type Args = Args;
    type Plan = Request;
    type Reply = Reply;

    async fn vet(&self, args: Args, _: &Call) -> Result<Request, ToolError> {
        args.request()
    }

    async fn run(&self, request: Request, call: &Call) -> Result<Reply, ToolError> {
        let hits = self.searcher.search(&request).await;
        let mut budget = call.reply_budget;
        Ok(Reply::new(
            hits.map_err(|error| refused(&error))?,
            &mut budget,
        ))
    }
}
