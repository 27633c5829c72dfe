//! nDCG and recall at ten, averaged over queries.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

/// Results that count.
pub(super) const RANKS: usize = 10;

/// Averages over the queries so far.
#[derive(Debug, Default)]
pub(super) struct Measures {
    queries: f64,
    ndcg: f64,
    recall: f64,
    seconds: f64,
}

impl Measures {
    /// Adds a query: the documents that were found, best first, against the judgements.
    pub(super) fn add(&mut self, found: &[&str], gains: &HashMap<String, f64>, taken: Duration) {
        let gain = |document: &&str| gains.get(*document).copied().unwrap_or(0.0);
        let got: Vec<f64> = found.iter().take(RANKS).map(gain).collect();
        let mut ideal: Vec<f64> = gains.values().copied().collect();
        ideal.sort_by(|a, b| b.total_cmp(a));
        let relevant = |gains: &[f64]| {
            gains
                .iter()
                .filter(|gain| **gain > 0.0)
                .map(|_| 1.0)
                .sum::<f64>()
        };
        self.queries += 1.0;
        self.ndcg += discounted(&got) / discounted(&ideal);
        self.recall += relevant(&got) / relevant(&ideal);
        self.seconds += taken.as_secs_f64();
    }
}

/// Linear gain, discounted by the binary logarithm of the rank + 1 (Järvelin & Kekäläinen, 2002).
fn discounted(gains: &[f64]) -> f64 {
    let ranks = (2_u32..).map(|rank| f64::from(rank).log2());
    gains
        .iter()
        .take(RANKS)
        .zip(ranks)
        .map(|(gain, discount)| gain / discount)
        .sum()
}

impl fmt::Display for Measures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mean = |sum: f64| sum / self.queries;
        let (ndcg, recall) = (mean(self.ndcg), mean(self.recall));
        write!(
            f,
            "{ndcg:.3} | {recall:.3} | {:.1}",
            mean(self.seconds) * 1000.0
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_are_those_of_the_books() {
        let gains: HashMap<String, f64> = [("a", 4.0), ("b", 2.0), ("c", 0.0)]
            .map(|(id, gain)| (id.to_owned(), gain))
            .into();
        let mut perfect = Measures::default();
        perfect.add(&["a", "b", "c"], &gains, Duration::from_millis(2));
        assert_eq!(perfect.to_string(), "1.000 | 1.000 | 2.0");
        // (2 + 4 / log2 3) / (4 + 2 / log2 3)
        let mut swapped = Measures::default();
        swapped.add(&["b", "a"], &gains, Duration::ZERO);
        assert_eq!(swapped.to_string(), "0.860 | 1.000 | 0.0");
        let mut half = Measures::default();
        half.add(&["x", "c", "b"], &gains, Duration::ZERO);
        half.add(&["a", "b"], &gains, Duration::ZERO);
        // 1 / (4 + 2 / log2 3), and 1
        assert_eq!(half.to_string(), "0.595 | 0.750 | 0.0");
    }
}
