//! Numbers that look random and can be had again.

use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

/// `SplitMix64` (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Seeded by `TORTURE_SEED`, or else by the clock; the seed is printed. The same seed makes the same
    /// calls and the same moments; what the machine makes of these is never quite the same.
    #[expect(clippy::print_stdout, reason = "shown when the test fails")]
    pub fn new(test: &str) -> Self {
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let seed = match std::env::var("TORTURE_SEED") {
            Ok(seed) => seed.parse().expect("TORTURE_SEED is a number"),
            Err(_) => clock().as_secs(),
        };
        println!("{test}: TORTURE_SEED={seed}");
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of the numbers in a range that is not empty.
    pub fn roll(&mut self, range: Range<u64>) -> u64 {
        range.start + self.number() % (range.end - range.start)
    }

    /// A place in a list of that length.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.roll(0..u64::try_from(length).unwrap())).unwrap()
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.roll(0..times) == 0
    }
}
