//! Entries in the order of how well they fit.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::kept::Found;
use super::{Hit, Mode, snippet};
use crate::knowledge::Entry;
use crate::store::{self, Ranked};

/// Scores are shown to a millionth: more is noise that costs whoever reads it, and differs by how a number
/// was kept.
const DECIMALS: f64 = 1e6;

/// A ranking, and why it is not what was asked for.
pub(super) struct Ranking {
    pub(super) ranked: Vec<Ranked>,
    /// The entries with whether each is whole, when they were read with the ranking.
    pub(super) entries: Option<Vec<(Entry, bool)>>,
    pub(super) mode: Mode,
    pub(super) why: Option<String>,
}

impl Ranking {
    pub(super) fn numbered(ranked: Vec<Ranked>, mode: Mode) -> Self {
        Self {
            ranked,
            entries: None,
            mode,
            why: None,
        }
    }

    pub(super) fn whole(found: Vec<store::Found>) -> Self {
        let ranked = found.iter().map(store::Found::ranked).collect();
        let entries = found.into_iter().map(|found| (found.entry, true)).collect();
        Self {
            entries: Some(entries),
            ..Self::numbered(shares(ranked), Mode::Text)
        }
    }
}

/// What was found, as far as it is among those entries.
pub(super) fn present(found: &Found, entries: Vec<(Entry, bool)>) -> Vec<Hit> {
    let mut entries: HashMap<i64, (Entry, bool)> = entries
        .into_iter()
        .map(|entry| (entry.0.id, entry))
        .collect();
    let hit = |(id, score): &(i64, f64)| {
        let (entry, is_whole) = entries.remove(id)?;
        Some(Hit {
            snippet: snippet::best(entry.value.as_str(), &found.stems),
            score: *score,
            is_whole,
            entry,
        })
    };
    found.best.iter().filter_map(hit).collect()
}

/// Each score as a share of the best one.
pub(super) fn shares(mut ranked: Vec<Ranked>) -> Vec<Ranked> {
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

pub(super) fn best(
    mut ranked: Vec<Ranked>,
    limit: usize,
    min_score: Option<f64>,
) -> Vec<(i64, f64)> {
    for ranked in &mut ranked {
        ranked.score = (ranked.score * DECIMALS).round() / DECIMALS;
    }
    ranked.sort_by(better);
    let enough = |ranked: &Ranked| min_score.is_none_or(|least| ranked.score >= least);
    let ranked = ranked.into_iter().filter(enough).take(limit);
    ranked.map(|ranked| (ranked.id, ranked.score)).collect()
}
