//! Finding entries by what they say: by their words, their meaning, or both.
//!
//! [`Query::parse`] understands any text; [`Searcher::search`] ranks the entries that a filter lets
//! through. The filter is applied before anything is ranked, and the same question about the same
//! entries always has the same answer.

mod config;
mod query;
mod snippet;
mod spelling;
#[cfg(test)]
mod tests;
mod text;

use std::cmp::Ordering;
use std::collections::HashSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use mcp_cache::{Cache, CacheStats};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::knowledge::Entry;
use crate::store::{ChangeToken, Filter, Ranked, Store, StoreError};
use crate::words::stem_of;

pub use self::config::SearchConfig;
pub use self::query::{MAX_QUERY_BYTES, Query};
pub use self::snippet::MAX_SNIPPET_CHARS;
use self::text::Text;

/// The most hits of one search.
pub const MAX_LIMIT: u32 = 200;
/// Candidates of which the best are chosen, at least.
const CANDIDATES: usize = 100;
/// How long results are kept in memory, if nothing is written meanwhile.
const KEPT: Duration = Duration::from_secs(300);

/// Finds entries. Cheap to clone: clones share what they keep.
#[derive(Debug, Clone)]
pub struct Searcher {
    store: Arc<Store>,
    cache: Cache<String, Arc<Found>>,
}

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The words.
    pub query: Query,
    /// Which entries may be found.
    pub filter: Filter,
    /// How they are ranked.
    pub mode: Mode,
    /// How many hits at most, from 1 to [`MAX_LIMIT`].
    pub limit: NonZeroU32,
    /// Hits with a lower score are left out.
    pub min_score: Option<f64>,
}

/// How entries are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// By their words (BM25).
    Text,
    /// By their meaning (embeddings).
    Semantic,
    /// By both.
    #[default]
    Hybrid,
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Hits {
    /// Best first; of equal scores the one written last, then the greatest number.
    pub hits: Vec<Hit>,
    /// How they were ranked.
    pub mode: Mode,
    /// Why not as it was asked.
    pub why: Option<String>,
    /// Whether the ranking was kept from an earlier search.
    pub cached: bool,
}

/// An entry that was found.
#[derive(Debug, Clone)]
pub struct Hit {
    /// The entry.
    pub entry: Entry,
    /// Where it says what was looked for: at most [`MAX_SNIPPET_CHARS`] characters.
    pub snippet: String,
    /// From 0 to 1: its share of the score of the best entry.
    pub score: f64,
}

/// A search could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// No word, or only white space.
    #[error("the query is empty")]
    Empty,
    /// More than is looked at.
    #[error("the query has {got} bytes; {MAX_QUERY_BYTES} is the most")]
    TooLong {
        /// What was given.
        got: usize,
    },
    /// More hits than there may be.
    #[error("the limit is {got}; {MAX_LIMIT} is the most")]
    Limit {
        /// What was given.
        got: u32,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A ranking, without what the entries say.
#[derive(Debug, Clone)]
struct Found {
    token: ChangeToken,
    best: Vec<(i64, f64)>,
    stems: HashSet<String>,
    mode: Mode,
    why: Option<String>,
}

impl Searcher {
    /// Searches in `store`.
    pub fn new(store: Arc<Store>, config: &SearchConfig) -> Self {
        let cache = Cache::build("searches", &config.cache, |found: &Arc<Found>| {
            let words: usize = found.stems.iter().map(String::len).sum();
            size_of::<Found>() + found.best.len() * size_of::<(i64, f64)>() + words
        });
        Self { store, cache }
    }

    /// The best entries that the filter lets through.
    pub async fn search(&self, request: &Request) -> Result<Hits, SearchError> {
        if request.limit.get() > MAX_LIMIT {
            let got = request.limit.get();
            return Err(SearchError::Limit { got });
        }
        let key = request.fingerprint();
        // Read first: what is written while entries are ranked makes the ranking stale.
        let token = self.store.token().await?;
        if let Some(found) = self
            .cache
            .get(&key)
            .await
            .filter(|found| found.token == token)
        {
            let hits = self.present(&found, true).await?;
            // Fewer when one of them has passed its time since: another may have moved up.
            if hits.hits.len() == found.best.len() {
                return Ok(hits);
            }
        }
        let found = Arc::new(self.find(request, token).await?);
        self.cache.insert(key, KEPT, Arc::clone(&found)).await;
        self.present(&found, false).await
    }

    /// How full the memory of results is and how often it helped.
    pub fn cache_stats(&self) -> CacheStats {
        self.cache.stats()
    }

    /// Forgets the results that are kept; says how many those were.
    pub async fn clear_cache(&self) -> u64 {
        self.cache.clear().await
    }

    async fn find(&self, request: &Request, token: ChangeToken) -> Result<Found, SearchError> {
        let text = Text::of(&request.query, &self.store).await?;
        let limit = usize::try_from(request.limit.get()).unwrap_or(usize::MAX);
        let ranked = text
            .best(&self.store, &request.filter, limit.max(CANDIDATES))
            .await?;
        let mut stems = request.query.stems();
        stems.extend(text.words().flat_map(|words| words.split(' ')).map(stem_of));
        let why = (request.mode != Mode::Text)
            .then(|| "there is no model for the meaning of texts".to_owned());
        Ok(Found {
            token,
            best: best(shares(ranked), limit, request.min_score),
            stems,
            mode: Mode::Text,
            why,
        })
    }

    async fn present(&self, found: &Found, cached: bool) -> Result<Hits, SearchError> {
        let ids: Vec<i64> = found.best.iter().map(|(id, _)| *id).collect();
        let entries = if ids.is_empty() {
            Vec::new()
        } else {
            self.store.numbered(&ids).await?
        };
        let scored = |entry: Entry| {
            let (_, score) = found.best.iter().find(|(id, _)| *id == entry.id)?;
            Some(Hit {
                snippet: snippet::best(entry.value.as_str(), &found.stems),
                score: *score,
                entry,
            })
        };
        Ok(Hits {
            hits: entries.into_iter().filter_map(scored).collect(),
            mode: found.mode,
            why: found.why.clone(),
            cached,
        })
    }
}

impl Request {
    /// Equal for requests that ask the same.
    fn fingerprint(&self) -> String {
        let asked = (
            self.query.text(),
            &self.filter,
            self.mode,
            self.limit,
            self.min_score,
        );
        serde_json::to_string(&asked).unwrap_or_default()
    }
}

/// Each score as a share of the best one.
fn shares(mut ranked: Vec<Ranked>) -> Vec<Ranked> {
    let best = ranked.iter().map(|ranked| ranked.score).fold(0.0, f64::max);
    for ranked in &mut ranked {
        ranked.score = if best > 0.0 {
            (ranked.score / best).clamp(0.0, 1.0)
        } else {
            0.0
        };
    }
    ranked
}

/// The order that hits have.
fn better(a: &Ranked, b: &Ranked) -> Ordering {
    let scores = b.score.total_cmp(&a.score);
    let times = || b.updated_at.cmp(&a.updated_at);
    scores.then_with(times).then_with(|| b.id.cmp(&a.id))
}

fn best(mut ranked: Vec<Ranked>, limit: usize, min_score: Option<f64>) -> Vec<(i64, f64)> {
    ranked.sort_by(better);
    let enough = |ranked: &Ranked| min_score.is_none_or(|least| ranked.score >= least);
    let ranked = ranked.into_iter().filter(enough).take(limit);
    ranked.map(|ranked| (ranked.id, ranked.score)).collect()
}
