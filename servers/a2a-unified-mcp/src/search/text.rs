//! Ranking by text: bm25 of the words that are in the index, or of those that were probably meant.

use crate::store::{Ask, Filter, Ranked, Store};

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

impl Text {
    /// Looks the words up, and takes what was probably meant for those that are not there.
    pub(super) async fn of(query: &Query, store: &Store) -> Result<Self, SearchError> {
        let expressions: Vec<String> = query.wanted.iter().map(Term::expression).collect();
        let counts = match expressions.as_slice() {
            [] => Vec::new(),
            expressions => store.count_each(expressions).await?,
        };
        let mut terms = Vec::new();
        let mut corrected = 0;
        for (term, count) in query.wanted.iter().zip(counts) {
            if count > 0 {
                terms.push((term.clone(), count));
            } else if term.loose && corrected < CORRECTED {
                corrected += 1;
                terms.extend(spelling::meant(store, &term.words).await?);
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

    /// Every word that is looked for.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        self.terms.iter().map(|(term, _)| term.words.as_str())
    }

    /// The best `most` entries, best first.
    pub(super) async fn best(
        &self,
        store: &Store,
        filter: &Filter,
        most: usize,
    ) -> Result<Vec<Ranked>, SearchError> {
        let ask = Ask {
            wanted: &self.all(),
            required: self.required(),
            filter,
            among: None,
            most,
        };
        if ask.wanted.is_empty() {
            return Ok(Vec::new());
        }
        let driving = self.driving(most);
        if driving < self.terms.len() {
            let wanted = either(self.terms.iter().take(driving).map(|(term, _)| term));
            let candidates = Ask {
                wanted: &wanted,
                most: most.saturating_mul(2),
                ..ask
            };
            let found = store.rank(candidates).await?;
            if found.len() >= most {
                let ids: Vec<i64> = found.iter().map(|found| found.id).collect();
                let among = Some(ids.as_slice());
                return Ok(store.rank(Ask { among, ..ask }).await?);
            }
        }
        Ok(store.rank(ask).await?)
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
        let ask = Ask {
            wanted: &wanted,
            required: None,
            filter: &Filter::default(),
            among: Some(ids),
            most: ids.len(),
        };
        Ok(store.rank(ask).await?)
    }

    fn required(&self) -> Option<&str> {
        self.required.as_deref()
    }

    fn all(&self) -> String {
        let wanted = either(self.terms.iter().map(|(term, _)| term));
        match (&self.required, wanted.is_empty()) {
            (None, _) => wanted,
            (Some(required), true) => required.clone(),
            // What must be there counts too, and is there without any of the others.
            (Some(required), false) => format!("({required}) OR {wanted}"),
        }
    }

    /// How many of the terms, rarest first, find the candidates.
    fn driving(&self, most: usize) -> usize {
        if self.required.is_some() {
            return self.terms.len();
        }
        let enough = u64::try_from(most).unwrap_or(u64::MAX).saturating_mul(2);
        let mut found = 0_u64;
        let fits = |(_, count): &&(Term, u64)| {
            let goes = found < enough || found.saturating_add(*count) <= DRIVEN;
            found = found.saturating_add(*count);
            goes
        };
        self.terms.iter().take_while(fits).count()
    }
}

fn either<'a>(terms: impl Iterator<Item = &'a Term>) -> String {
    let expressions: Vec<String> = terms.map(Term::expression).collect();
    expressions.join(" OR ")
}
