//! The nearest by meaning, found exactly: every vector is looked at.
//!
//! All vectors of the model in use are in memory as 8-bit integers, loaded when somebody first
//! searches by meaning. They say which vectors may be among the best; those are scored with what is
//! in the file, which also says which entries are still there.

mod index;
mod matrix;
mod scan;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::embeddings::{Availability, EmbedError, Embedder, Sentence, Unavailable};
use crate::store::{Store, StoreError};

use self::index::Index;

/// Candidates that are scored with the file's vectors at most, beside four for each that is asked
/// for: only when more vectors than that are as good as equal could a better one be left out.
const MOST_CANDIDATES: usize = 1024;

/// Searches by meaning. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Semantic {
    embedder: Embedder,
    index: Arc<Index>,
}

/// Which entries may be found.
#[derive(Debug, Clone)]
pub enum Among {
    /// All.
    All,
    /// Those with these numbers, which are sorted.
    Ids(Arc<[i64]>),
}

/// The entries nearest to what was searched for.
#[derive(Debug, Clone)]
pub struct Nearest {
    store: Arc<Store>,
    query: Arc<Sentence>,
    best: Vec<(i64, f32)>,
}

/// A search by meaning failed.
#[derive(Debug, thiserror::Error)]
pub enum SemanticError {
    /// Meaning cannot be searched now.
    #[error("meaning cannot be searched: {0}")]
    Unavailable(Unavailable),
    /// What is searched for cannot be embedded.
    #[error("what is searched for cannot be embedded: {reason}")]
    Query {
        /// Why.
        reason: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(Arc<StoreError>),
    /// Work on another thread panicked.
    #[error("the search failed in the server itself")]
    Panicked,
}

impl From<EmbedError> for SemanticError {
    fn from(error: EmbedError) -> Self {
        match error {
            EmbedError::Unavailable(reason) => Self::Unavailable(reason),
            EmbedError::Text { reason } => Self::Query { reason },
            EmbedError::Store(error) => Self::Store(error),
        }
    }
}

impl From<StoreError> for SemanticError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl Semantic {
    /// Over the entries of the embedder's store. Loads nothing yet.
    pub fn new(embedder: Embedder) -> Self {
        let index = Arc::default();
        Self { embedder, index }
    }

    /// Whether meaning can be searched, as far as that is known without loading anything.
    pub fn availability(&self) -> Availability {
        self.embedder.availability()
    }

    /// What makes the vectors.
    pub fn embedder(&self) -> &Embedder {
        &self.embedder
    }

    /// The `k` entries whose best chunk is nearest to the query, by cosine, then by number. Entries
    /// that have no vectors yet are not among them; what was deleted or is past its time never is.
    pub async fn search(
        &self,
        query: &str,
        among: Among,
        k: usize,
    ) -> Result<Nearest, SemanticError> {
        let query = self.embedder.query(query).await?;
        let store = self.embedder.store();
        let fresh = self.index.refresh(store, query.model, query.vector.len());
        if !fresh.await? {
            self.embedder.set_superseded();
            return Err(SemanticError::Unavailable(Unavailable::Superseded));
        }
        let mut wanted = k;
        let best = loop {
            let found = self.best(&query, &among, wanted).await?;
            // The next ones take the places of those that are gone since, or past their time.
            if found.are_all || wanted - found.gone.min(wanted) >= k {
                break found.best.into_iter().take(k).collect();
            }
            wanted = wanted.saturating_mul(2).max(k.saturating_add(found.gone));
        };
        Ok(Nearest {
            store: Arc::clone(store),
            query,
            best,
        })
    }

    /// The `k` best in memory, and those that may be as good, scored with what is in the file.
    async fn best(
        &self,
        query: &Arc<Sentence>,
        among: &Among,
        k: usize,
    ) -> Result<Found, SemanticError> {
        let most = MOST_CANDIDATES.max(k.saturating_mul(4));
        let scan = self
            .index
            .candidates(Arc::clone(query), among.clone(), k, most);
        let candidates = scan.await?;
        let store = self.embedder.store();
        let mut scores: BTreeMap<i64, Option<f32>> = BTreeMap::new();
        for (entry, _) in &candidates.chunks {
            scores.insert(*entry, None);
        }
        for found in store.vectors_at(query.model, &candidates.chunks).await? {
            let cosine = cosine(&query.vector, &found.vector);
            let best = scores.entry(found.entry).or_default();
            *best = Some(best.map_or(cosine, |best| best.max(cosine)));
        }
        let entries = scores.len();
        let scores = scores.into_iter();
        let mut best: Vec<(i64, f32)> = scores
            .filter_map(|(entry, score)| Some((entry, score?)))
            .collect();
        best.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        Ok(Found {
            gone: entries - best.len(),
            best,
            are_all: candidates.are_all,
        })
    }
}

/// What a scan found.
struct Found {
    /// Sorted; more than were asked for when they are close together.
    best: Vec<(i64, f32)>,
    /// Entries that would be among them if they were still there.
    gone: usize,
    /// Whether there are no others.
    are_all: bool,
}

impl Nearest {
    /// Entries with their cosine, from -1 to 1, the best first; equal ones by their number.
    pub fn best(&self) -> &[(i64, f32)] {
        &self.best
    }

    /// The cosine of each of these entries, whether among the best or not; `None` for one that has no
    /// vectors yet, or is gone.
    pub async fn cosines(&self, ids: &[i64]) -> Result<Vec<Option<f32>>, SemanticError> {
        let found = self.store.vectors_of(self.query.model, ids).await?;
        let best = |chunks: &[Vec<f32>]| {
            let scores = chunks.iter().map(|chunk| cosine(&self.query.vector, chunk));
            scores.reduce(f32::max)
        };
        let scores: BTreeMap<i64, Option<f32>> = found
            .iter()
            .map(|found| (found.entry, best(&found.chunks)))
            .collect();
        let score = |id| scores.get(id).copied().flatten();
        Ok(ids.iter().map(score).collect())
    }
}

/// Of vectors of length 1. The same numbers are added in the same order each time, so that equal
/// texts have equal scores.
fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
