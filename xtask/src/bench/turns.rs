//! Contenders that take turns, and the median of what each one brought.

use std::time::Instant;

use anyhow::{Context, Result};

/// Takes one sample.
pub(super) type Contender<'a> = &'a mut dyn FnMut() -> Result<f64>;

/// How often the contenders take turns.
#[derive(Clone, Copy)]
pub(super) struct Turns {
    /// Rounds that count; one more goes before them to warm up.
    pub(super) rounds: usize,
    /// Samples each contender takes in a round.
    pub(super) samples: usize,
}

/// The median sample of each contender.
pub(super) fn medians<const N: usize>(
    turns: Turns,
    mut contenders: [Contender<'_>; N],
) -> Result<[f64; N]> {
    let mut taken = [const { Vec::new() }; N];
    for round in 0..=turns.rounds {
        for (contender, taken) in contenders.iter_mut().zip(&mut taken) {
            for _ in 0..turns.samples {
                let sample = contender()?;
                if round > 0 {
                    taken.push(sample);
                }
            }
        }
    }
    let mut medians = [0.0; N];
    for (median, samples) in medians.iter_mut().zip(taken) {
        *median = middle(samples).context("no sample was taken")?;
    }
    Ok(medians)
}

/// Seconds that `work` takes.
pub(super) fn seconds<T>(work: impl FnOnce() -> Result<T>) -> Result<f64> {
    let started = Instant::now();
    let outcome = work()?;
    let taken = started.elapsed().as_secs_f64();
    drop(outcome);
    Ok(taken)
}

fn middle(mut samples: Vec<f64>) -> Option<f64> {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contenders_take_turns_and_the_first_round_does_not_count() {
        let order = std::cell::RefCell::new(String::new());
        let mut samples = [1000.0, 1000.0, 3.0, 1.0, 2.0, 9.0].into_iter();
        let mut first = || {
            order.borrow_mut().push('a');
            samples.next().context("more samples than asked for")
        };
        let mut second = || {
            order.borrow_mut().push('b');
            Ok(7.0)
        };
        let turns = Turns {
            rounds: 2,
            samples: 2,
        };
        let found = medians(turns, [&mut first, &mut second]).unwrap();
        assert_eq!(order.borrow().as_str(), "aabbaabbaabb");
        assert!((found[0] - 3.0).abs() < f64::EPSILON);
        assert!((found[1] - 7.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_contender_that_fails_ends_the_comparison() {
        let mut fails = || anyhow::bail!("the server is gone");
        let error = medians(
            Turns {
                rounds: 1,
                samples: 1,
            },
            [&mut fails],
        )
        .unwrap_err();
        assert_eq!(error.to_string(), "the server is gone");
    }
}
