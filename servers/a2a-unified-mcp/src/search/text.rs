//! Ranking by text: bm25 of the words that are in the index, or of those that were probably meant.

use crate::store::{Ask, Filter, Found, Ranked, Store, StoreError};

use super::query::{Query, Term};
use super::{SearchError, spelling};

/// Entries that a search may go through for words that narrow little. Rarer words find the candidates
/// then, and the common ones only count for those.
const DRIVEN: u64 = 8192;
/// Words of a query that others are looked up for when the index does not have them.
const CORRECTED: usize = 8;

/// A query whose words the index knows.
#[derive(Debug)]
pub(super) struct Text {
    /// Terms with how many entries each is in, rarest first.
    terms: Vec<(Term, u64)>,
    required: Option<String>,
}

/// What words find without going through too many entries.
#[derive(Debug)]
pub(super) enum Worded {
    /// These, best first.
    Ranked(Vec<Ranked>),
    /// Those of these that score best: going through common words to score them is left for when all
    /// are known that have to be scored.
    Among(Vec<i64>),
}

impl Worded {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Ranked(ranked) => ranked.len(),
            Self::Among(ids) => ids.len(),
        }
    }
}

impl Text {
    /// Takes the words that the index has, and for the others what was probably meant. `counts` has how
    /// many entries each of them is in.
    pub(super) async fn of(
        query: &Query,
        counts: Vec<u64>,
        store: &Store,
    ) -> Result<Self, SearchError> {
        let mut terms = Vec::new();
        let (mut corrected, mut left) = (0, spelling::COMPARED_IN_ALL);
        for (term, count) in query.wanted.iter().zip(counts) {
            if count > 0 {
                terms.push((term.clone(), count));
            } else if term.loose && corrected < CORRECTED {
                corrected += 1;
                terms.extend(spelling::meant(store, &term.words, &mut left).await?);
            }
        }
        // Stable, so that the order is always the same.
        terms.sort_by_key(|(_, count)| *count);
        let required: Vec<String> = query.required.iter().map(Term::expression).collect();
        Ok(Self {
            terms,
            required: (!required.is_empty()).then(|| required.join(" AND ")),
        })
    }

    /// A query of one word, which the index may have or not: what it finds tells.
    pub(super) fn of_one_word(query: &Query) -> Option<Self> {
        match (query.wanted.as_slice(), query.required.as_slice()) {
            ([term], []) => Some(Self {
                terms: vec![(term.clone(), 1)],
                required: None,
            }),
            _ => None,
        }
    }

    /// Every word that is looked for.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        self.terms.iter().map(|(term, _)| term.words.as_str())
    }

    /// Whether nothing was asked for that the index could have.
    pub(super) fn is_empty(&self) -> bool {
        self.terms.is_empty() && self.required.is_none()
    }

    /// What must be there, in the language of FTS5.
    pub(super) fn required(&self) -> Option<&str> {
        self.required.as_deref()
    }

    /// The best `most` entries, best first.
    pub(super) async fn best(
        &self,
        store: &Store,
        filter: &Filter,
        most: usize,
    ) -> Result<Vec<Ranked>, SearchError> {
        self.ranked(store, filter, most, async |ask: Ask<'_>| {
            store.rank(ask).await
        })
        .await
    }

    /// The best `limit` of the best `most` entries, as a whole.
    pub(super) async fn found(
        &self,
        store: &Store,
        filter: &Filter,
        (most, limit): (usize, usize),
    ) -> Result<Vec<Found>, SearchError> {
        let rank = async |ask: Ask<'_>| store.rank_found(ask, limit).await;
        self.ranked(store, filter, most, rank).await
    }

    /// What `rank` makes of the best `most` entries.
    async fn ranked<T>(
        &self,
        store: &Store,
        filter: &Filter,
        most: usize,
        rank: impl AsyncFnOnce(Ask<'_>) -> Result<Vec<T>, StoreError>,
    ) -> Result<Vec<T>, SearchError> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let all = self.all();
        let ask = self.ask(&all, filter, most);
        let among = self.candidates(store, ask).await?;
        let among = among.as_deref();
        Ok(rank(Ask { among, ..ask }).await?)
    }

    /// The entries with rare words, when those are enough and ranking them is enough therefore.
    async fn candidates(
        &self,
        store: &Store,
        ask: Ask<'_>,
    ) -> Result<Option<Vec<i64>>, SearchError> {
        let enough = u64::try_from(ask.most).unwrap_or(u64::MAX);
        let driving = self.driving(enough.saturating_mul(2));
        if driving == self.terms.len() {
            return Ok(None);
        }
        let candidates = self.driven(store, ask, driving).await?;
        Ok((candidates.len() >= ask.most).then_some(candidates))
    }

    /// As [`Text::best`], but without going through entries of which there are too many: where all the
    /// words are common, only some that were created last are found.
    pub(super) async fn quick(
        &self,
        store: &Store,
        filter: &Filter,
        most: usize,
    ) -> Result<Worded, SearchError> {
        if self.is_empty() {
            return Ok(Worded::Ranked(Vec::new()));
        }
        let all = self.all();
        let mut ask = self.ask(&all, filter, most);
        let driving = self.driving(0).max(1);
        if let Some((_, rarest)) = self.terms.first()
            && *rarest > DRIVEN
        {
            ask.newest = share(DRIVEN, *rarest);
        }
        if driving >= self.terms.len() {
            return Ok(Worded::Ranked(store.rank(ask).await?));
        }
        Ok(Worded::Among(self.driven(store, ask, driving).await?))
    }

    /// For the best `most` entries; `wanted` is [`Text::all`].
    pub(super) fn ask<'a>(&'a self, wanted: &'a str, filter: &'a Filter, most: usize) -> Ask<'a> {
        Ask {
            wanted,
            required: self.required(),
            filter,
            among: None,
            newest: 1.0,
            most,
        }
    }

    /// The best of what the rarest terms find: all terms are to rank them.
    async fn driven(
        &self,
        store: &Store,
        ask: Ask<'_>,
        driving: usize,
    ) -> Result<Vec<i64>, SearchError> {
        let wanted = either(self.terms.iter().take(driving).map(|(term, _)| term));
        let candidates = Ask {
            wanted: &wanted,
            most: ask.most.saturating_mul(2),
            ..ask
        };
        let found = store.rank(candidates).await?;
        Ok(found.iter().map(|found| found.id).collect())
    }

    /// The scores of these entries, without those that the words are not in.
    pub(super) async fn scores(
        &self,
        store: &Store,
        ids: &[i64],
    ) -> Result<Vec<Ranked>, SearchError> {
        let wanted = self.all();
        if wanted.is_empty() || ids.is_empty() {
            return Ok(Vec::new());
        }
        let filter = Filter::default();
        let ask = Ask {
            required: None,
            among: Some(ids),
            ..self.ask(&wanted, &filter, ids.len())
        };
        Ok(store.rank(ask).await?)
    }

    /// What counts, in the language of FTS5.
    pub(super) fn all(&self) -> String {
        let wanted = either(self.terms.iter().map(|(term, _)| term));
        match (&self.required, wanted.is_empty()) {
            (None, _) => wanted,
            (Some(required), true) => required.clone(),
            // What must be there counts too, and is there without any of the others.
            (Some(required), false) => format!("({required}) OR {wanted}"),
        }
    }

    /// How many of the terms, rarest first, find the candidates: as many as are needed for `enough` of
    /// them, and more as long as those are not too many.
    fn driving(&self, enough: u64) -> usize {
        if self.required.is_some() {
            return self.terms.len();
        }
        let mut found = 0_u64;
        let fits = |(_, count): &&(Term, u64)| {
            let goes = found < enough || found.saturating_add(*count) <= DRIVEN;
            found = found.saturating_add(*count);
            goes
        };
        self.terms.iter().take_while(fits).count()
    }
}

/// A part of a whole, of numbers that are far below 2³².
fn share(part: u64, whole: u64) -> f64 {
    let number = |number: u64| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    number(part) / number(whole)
}

fn either<'a>(terms: impl Iterator<Item = &'a Term>) -> String {
    let expressions: Vec<String> = terms.map(Term::expression).collect();
    expressions.join(" OR ")
}
