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
mod ranking;
mod request;
mod semantic;
mod snippet;
mod spelling;
#[cfg(test)]
mod tests;
mod text;

use std::sync::Arc;

use mcp_cache::CacheStats;
use sha2::{Digest, Sha256};

use crate::store::{self, Filter, LookedUp, PART, Ranked, Store};
use crate::vectors::Semantic;
use crate::words::stem_of;

use self::kept::{Found, Kept, Shown};
use self::meaning::{Failed, Meaning, Near};
use self::ranking::{Ranking, best, present, shares};
use self::text::{Text, Worded};

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

/// How a search begins.
struct Begun {
    looked: LookedUp,
    /// What a query of one word finds.
    found: Option<(Text, Vec<store::Found>)>,
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
        let shown = self.kept.in_memory(&key).await;
        if let Some(shown) = &shown
            && let Some(hits) = self.store.known_moment().and_then(|now| shown.at(now))
        {
            return Ok(Hits::kept(hits, mode, why));
        }
        // Boxed, so that what is kept is answered without moving what a search needs.
        Box::pin(self.search_anew(request, (mode, why), (key, shown), most)).await
    }

    /// Ranks, unless the store says that what is kept is true.
    async fn search_anew(
        &self,
        request: &Request,
        (mode, why): (Mode, Option<String>),
        (key, shown): (String, Option<Arc<Shown>>),
        most: usize,
    ) -> Result<Hits, SearchError> {
        // Before anything is ranked: what is written meanwhile makes the ranking stale.
        let expressions = match shown {
            // Most likely true again: counting waits until it is not.
            Some(_) => Vec::new(),
            None => request.query.expressions(),
        };
        let begun = self.begin(request, mode, (&key, &expressions), most);
        let begun = begun.await?;
        let moment = begun.looked.moment;
        if let Some(hits) = shown.and_then(|shown| shown.at(moment)) {
            return Ok(Hits::kept(hits, mode, why));
        }
        if let Some(hits) = self.in_file(&key, &begun.looked).await? {
            return Ok(Hits::kept(hits, mode, why));
        }
        let (text, ranking) = self.rank(request, mode, begun, most).await?;
        let mut stems = request.query.stems();
        stems.extend(text.words().flat_map(|words| words.split(' ')).map(stem_of));
        let best = best(ranking.ranked, most, request.min_score);
        let found = Found::new(moment, ranking.mode, best, stems);
        let hits = match ranking.entries {
            Some(entries) => present(&found, entries),
            None => self.read(&found).await?,
        };
        if ranking.mode == mode {
            self.kept.put(&self.store, key, found, hits.clone()).await;
        }
        Ok(Hits {
            hits,
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

    /// Asks the store at once for all that can be known to be needed.
    async fn begin(
        &self,
        request: &Request,
        mode: Mode,
        (key, expressions): (&str, &[String]),
        most: usize,
    ) -> Result<Begun, SearchError> {
        if mode == Mode::Text
            && most <= PART
            && let Some(text) = Text::of_one_word(&request.query)
        {
            let all = text.all();
            let ask = text.ask(&all, &request.filter, CANDIDATES);
            let (looked, found) = self.store.look_up_and_rank(key, ask, most).await?;
            let found = (!found.is_empty()).then_some((text, found));
            return Ok(Begun { looked, found });
        }
        let looked = self.store.look_up(Some(key), expressions).await?;
        let found = None;
        Ok(Begun { looked, found })
    }

    /// What the file keeps, if it is what would be found now.
    async fn in_file(&self, key: &str, looked: &LookedUp) -> Result<Option<Vec<Hit>>, SearchError> {
        let found = looked.kept.as_deref().map(serde_json::from_str::<Found>);
        let Some(Ok(found)) = found else {
            return Ok(None);
        };
        if !found.is_true_at(looked.moment) {
            return Ok(None);
        }
        let hits = self.read(&found).await?;
        if hits.len() < found.best.len() {
            return Ok(None);
        }
        self.kept.show(key.to_owned(), found, hits.clone()).await;
        Ok(Some(hits))
    }

    async fn rank(
        &self,
        request: &Request,
        mode: Mode,
        begun: Begun,
        most: usize,
    ) -> Result<(Text, Ranking), SearchError> {
        if let Some((text, found)) = begun.found {
            return Ok((text, Ranking::whole(found)));
        }
        let expressions = request.query.expressions();
        let counts = if begun.looked.counts.len() == expressions.len() {
            begun.looked.counts
        } else {
            self.store.look_up(None, &expressions).await?.counts
        };
        let text = Text::of(&request.query, counts, &self.store).await?;
        let mut why = None;
        if mode != Mode::Text
            && let Some(meaning) = &self.meaning
        {
            let candidates = most.max(CANDIDATES);
            let ranked = self.rank_by_meaning(request, &text, meaning.as_ref(), candidates);
            match ranked.await? {
                Ok(ranked) => return Ok((text, Ranking::numbered(ranked, mode))),
                Err(Failed(reason)) => why = Some(reason),
            }
        }
        let mut ranking = self.rank_by_words(request, &text, most).await?;
        ranking.why = why;
        Ok((text, ranking))
    }

    async fn rank_by_words(
        &self,
        request: &Request,
        text: &Text,
        most: usize,
    ) -> Result<Ranking, SearchError> {
        let candidates = most.max(CANDIDATES);
        if most > PART {
            let ranked = text.best(&self.store, &request.filter, candidates);
            return Ok(Ranking::numbered(shares(ranked.await?), Mode::Text));
        }
        let found = text.found(&self.store, &request.filter, (candidates, most));
        Ok(Ranking::whole(found.await?))
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
            worded = Worded::Ranked(text.best(&self.store, &request.filter, most).await?);
        }
        let worded = (worded, most);
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

    /// What was found, with what it says now.
    async fn read(&self, found: &Found) -> Result<Vec<Hit>, SearchError> {
        let ids: Vec<i64> = found.best.iter().map(|(id, _)| *id).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        Ok(present(found, self.store.numbered(&ids).await?))
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
