//! Finding entries by what they say: by their words, their meaning, or both.
//!
//! [`Query::parse`] understands any text; [`Searcher::search`] ranks the entries that a filter lets
//! through. The filter is applied before anything is ranked, and the same question about the same
//! entries always has the same answer.

mod config;
mod fusion;
mod kept;
mod meaning;
mod query;
mod request;
mod semantic;
mod snippet;
mod spelling;
#[cfg(test)]
mod tests;
mod text;

use std::cmp::Ordering;
use std::sync::Arc;

use mcp_cache::CacheStats;
use sha2::{Digest, Sha256};

use crate::knowledge::Entry;
use crate::store::{Filter, Ranked, Store};
use crate::vectors::Semantic;
use crate::words::stem_of;

use self::kept::{Found, Kept};
use self::meaning::{Failed, Meaning, Near};
use self::text::Text;

pub use self::config::SearchConfig;
pub use self::query::{MAX_QUERY_BYTES, Query};
pub use self::request::{Hit, Hits, MAX_LIMIT, Mode, Request, SearchError};
pub use self::snippet::MAX_SNIPPET_CHARS;

/// Candidates of which the best are chosen, at least.
const CANDIDATES: usize = 100;

/// Finds entries. Cheap to clone: clones share what they keep.
#[derive(Debug, Clone)]
pub struct Searcher {
    store: Arc<Store>,
    meaning: Option<Arc<dyn Meaning>>,
    weight: f64,
    kept: Kept,
}

/// A ranking, and why it is not what was asked for.
struct Ranking {
    ranked: Vec<Ranked>,
    mode: Mode,
    why: Option<String>,
}

impl Ranking {
    fn by_words(ranked: Vec<Ranked>, why: Option<String>) -> Self {
        Self {
            ranked: shares(ranked),
            mode: Mode::Text,
            why,
        }
    }
}

impl Searcher {
    /// Searches in `store` by words.
    pub fn new(store: Arc<Store>, config: &SearchConfig) -> Self {
        Self {
            store,
            meaning: None,
            weight: config.meaning.into(),
            kept: Kept::build(&config.cache),
        }
    }

    /// By meaning as well.
    #[must_use]
    pub fn with_semantic(self, semantic: Semantic) -> Self {
        self.with(semantic)
    }

    #[must_use]
    fn with(mut self, meaning: impl Meaning + 'static) -> Self {
        self.meaning = Some(Arc::new(meaning));
        self
    }

    /// The best entries that the filter lets through.
    pub async fn search(&self, request: &Request) -> Result<Hits, SearchError> {
        let most = request.most()?;
        let (mode, why) = self.possible(request.mode);
        let key = self.key(request, mode);
        // Asked first: what is written while entries are ranked makes the ranking stale.
        let (moment, kept) = self.kept.get(&self.store, &key).await?;
        if let Some(found) = kept {
            let hits = self.present(&found).await?;
            // Fewer when one of them has passed its time since: another may have moved up.
            if hits.len() == found.best.len() {
                return Ok(Hits {
                    hits,
                    mode,
                    why,
                    cached: true,
                });
            }
        }
        let (text, ranking) = self.rank(request, mode, most.max(CANDIDATES)).await?;
        let mut stems = request.query.stems();
        stems.extend(text.words().flat_map(|words| words.split(' ')).map(stem_of));
        let best = best(ranking.ranked, most, request.min_score);
        let found = Arc::new(Found::new(moment, ranking.mode, best, stems));
        if ranking.mode == mode {
            self.kept.put(&self.store, key, &found).await;
        }
        Ok(Hits {
            hits: self.present(&found).await?,
            mode: ranking.mode,
            why: ranking.why.or(why),
            cached: false,
        })
    }

    /// How full the memory of results is and how often it helped.
    pub fn cache_stats(&self) -> CacheStats {
        self.kept.stats()
    }

    /// Forgets the results that are kept, in memory and in the file; says how many those were.
    pub async fn clear_cache(&self) -> Result<u64, SearchError> {
        Ok(self.kept.clear(&self.store).await?)
    }

    /// How entries can be ranked, and why not as it was asked.
    fn possible(&self, asked: Mode) -> (Mode, Option<String>) {
        if asked == Mode::Text {
            return (asked, None);
        }
        match &self.meaning {
            None => (
                Mode::Text,
                Some("there is no model for the meaning of texts".to_owned()),
            ),
            Some(meaning) => match meaning.unavailable() {
                None => (asked, None),
                why => (Mode::Text, why),
            },
        }
    }

    async fn rank(
        &self,
        request: &Request,
        mode: Mode,
        most: usize,
    ) -> Result<(Text, Ranking), SearchError> {
        if mode == Mode::Text
            && let Some(text) = Text::of_one_word(&request.query)
        {
            let ranked = text.best(&self.store, &request.filter, most).await?;
            if !ranked.is_empty() {
                return Ok((text, Ranking::by_words(ranked, None)));
            }
        }
        let text = Text::of(&request.query, &self.store).await?;
        let mut why = None;
        if mode != Mode::Text
            && let Some(meaning) = &self.meaning
        {
            let ranked = self.rank_by_meaning(request, &text, meaning.as_ref(), most);
            match ranked.await? {
                Ok(ranked) => {
                    let ranking = Ranking {
                        ranked,
                        mode,
                        why: None,
                    };
                    return Ok((text, ranking));
                }
                Err(Failed(reason)) => why = Some(reason),
            }
        }
        let ranked = text.best(&self.store, &request.filter, most).await?;
        Ok((text, Ranking::by_words(ranked, why)))
    }

    async fn rank_by_meaning(
        &self,
        request: &Request,
        text: &Text,
        meaning: &dyn Meaning,
        most: usize,
    ) -> Result<Result<Vec<Ranked>, Failed>, SearchError> {
        let among = self.among(&request.filter, text).await?;
        let near = meaning.nearest(request.query.text(), among, most);
        if request.mode == Mode::Semantic {
            return match near.await {
                Ok(near) => Ok(Ok(fusion::by_meaning(&self.store, near.as_ref()).await?)),
                Err(failed) => Ok(Err(failed)),
            };
        }
        let worded = text.quick(&self.store, &request.filter, most);
        let (near, worded) = tokio::join!(near, worded);
        let (near, mut worded): (Box<dyn Near>, _) = match near {
            Ok(near) => (near, worded?),
            Err(failed) => return Ok(Err(failed)),
        };
        if near.best().len() < most && worded.len() < most {
            // Vectors are still being made, or there are few entries: words alone have to do.
            worded = text.best(&self.store, &request.filter, most).await?;
        }
        fusion::fuse(&self.store, text, worded, near.as_ref(), self.weight).await
    }

    /// Which entries may be found, when not all may.
    async fn among(&self, filter: &Filter, text: &Text) -> Result<Option<Arc<[i64]>>, SearchError> {
        if *filter == Filter::default() && text.required().is_none() {
            return Ok(None);
        }
        let ids = self.store.let_through(filter, text.required()).await?;
        Ok(Some(ids.into()))
    }

    async fn present(&self, found: &Found) -> Result<Vec<Hit>, SearchError> {
        let ids: Vec<i64> = found.best.iter().map(|(id, _)| *id).collect();
        let entries = if ids.is_empty() {
            Vec::new()
        } else {
            self.store.numbered(&ids).await?
        };
        let scored = |(entry, is_whole): (Entry, bool)| {
            let (_, score) = found.best.iter().find(|(id, _)| *id == entry.id)?;
            Some(Hit {
                snippet: snippet::best(entry.value.as_str(), &found.stems),
                score: *score,
                is_whole,
                entry,
            })
        };
        Ok(entries.into_iter().filter_map(scored).collect())
    }

    /// Equal for requests that ask the same, and as good as never for others.
    fn key(&self, request: &Request, mode: Mode) -> String {
        let asked = (
            request.query.text(),
            &request.filter,
            mode,
            request.limit,
            request.min_score,
            self.weight,
        );
        let text = serde_json::to_vec(&asked).unwrap_or_default();
        let mut key = String::with_capacity(64);
        for byte in Sha256::digest(text) {
            key.extend(
                [byte >> 4, byte & 15]
                    .map(|half| char::from_digit(half.into(), 16))
                    .into_iter()
                    .flatten(),
            );
        }
        key
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
