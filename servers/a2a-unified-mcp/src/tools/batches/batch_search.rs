//! Asks several questions at once.

use std::time::Duration;

use futures_util::future;
use mcp_toolcall::bounded::List;
use mcp_toolcall::{Caching, Call, Effects, Tool, ToolError, ToolSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::search::{Request, Searcher};
use crate::tools::object;
use crate::tools::search_knowledge::{self, refused};

/// Asks several questions at once.
#[derive(Debug)]
pub struct BatchSearch {
    /// What finds entries.
    pub searcher: Searcher,
}

/// What is looked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Queries, or objects as `search_knowledge` takes.
    queries: List<Question, 1, 20>,
}

/// One question.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "neither a text nor an object that search_knowledge takes"
)]
#[schemars(inline)]
pub enum Question {
    /// Its words.
    Query(#[schemars(length(min = 1, max = 4096))] String),
    /// With filters and the rest.
    #[serde(deserialize_with = "object")]
    Whole(Box<search_knowledge::Args>),
}

/// What was found, in the order of the queries.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Reply {
    /// One for each query.
    results: Vec<Answer>,
    /// How many queries there were.
    count: usize,
}

/// What one query found.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Answer {
    /// The query.
    query: String,
    /// As `search_knowledge` answers.
    #[serde(flatten)]
    found: search_knowledge::Reply,
}

impl Tool for BatchSearch {
    const SPEC: ToolSpec = ToolSpec {
        name: "batch_search",
        title: "Search many",
        summary: "Makes up to 20 searches at once, each as search_knowledge would. `queries` holds \
                  texts, or objects with the parameters of search_knowledge.",
        effects: Effects::READ,
        caching: Caching::None,
        deadline: Duration::from_mins(1),
    };
    type Args = Args;
    type Plan = Vec<Request>;
    type Reply = Reply;

    async fn vet(&self, args: Args, _: &Call) -> Result<Vec<Request>, ToolError> {
        let request = |(index, question)| {
            let args = match question {
                Question::Query(query) => search_knowledge::Args::of(query),
                Question::Whole(args) => *args,
            };
            args.request()
                .map_err(|error| ToolError::invalid(format!("queries[{index}]"), error.message()))
        };
        args.queries.into_iter().enumerate().map(request).collect()
    }

    async fn run(&self, requests: Vec<Request>, call: &Call) -> Result<Reply, ToolError> {
        let searches = requests.iter().map(|request| self.searcher.search(request));
        let found = future::join_all(searches).await;
        let mut budget = call.reply_budget;
        let answer = |(request, hits): (&Request, _)| {
            let hits = Result::map_err(hits, |error| refused(&error))?;
            Ok(Answer {
                query: request.query.text().to_owned(),
                found: search_knowledge::Reply::new(hits, &mut budget),
            })
        };
        let results = requests.iter().zip(found).map(answer);
        let results: Vec<Answer> = results.collect::<Result<_, ToolError>>()?;
        Ok(Reply {
            count: results.len(),
            results,
        })
    }
}
