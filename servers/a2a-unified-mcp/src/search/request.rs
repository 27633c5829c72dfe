//! What is asked and what is answered.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MAX_QUERY_BYTES, Query};
use crate::knowledge::Entry;
use crate::store::{Filter, StoreError};

/// The most hits of one search.
pub const MAX_LIMIT: u32 = 200;

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

impl Hits {
    /// What is kept of an earlier search.
    pub(super) fn kept(hits: Vec<Hit>, mode: Mode, why: Option<String>) -> Self {
        Self {
            hits,
            mode,
            why,
            cached: true,
        }
    }
}

/// An entry that was found.
#[derive(Debug, Clone)]
pub struct Hit {
    /// The entry.
    pub entry: Entry,
    /// Whether it has its whole value; otherwise only the beginning.
    pub is_whole: bool,
    /// Where it says what was looked for: at most [`super::MAX_SNIPPET_CHARS`] characters.
    pub snippet: String,
    /// From 0 to 1. By meaning: the cosine, 0 when it is less. By words: its share of the score of the
    /// best entry. By both: the mean of the two shares.
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

impl Request {
    /// The most hits.
    pub(super) fn most(&self) -> Result<usize, SearchError> {
        let got = self.limit.get();
        if got > MAX_LIMIT {
            return Err(SearchError::Limit { got });
        }
        Ok(usize::try_from(got).unwrap_or(usize::MAX))
    }
}
