//! Vectors in memory as 8-bit integers, a quarter of their size in the file.
//!
//! A score that is computed from them is off by a little. How much at most is known for each vector,
//! so [`Matrix::candidates`] leaves out only what cannot be among the best.

use std::iter::Peekable;
use std::ops::Range;

use super::scan::{self, Codes, Query};

/// Vectors of one model, by entry.
#[derive(Debug)]
pub(super) struct Matrix {
    dimension: usize,
    /// One row of `dimension` for each vector.
    codes: Vec<i8>,
    rows: Vec<Row>,
    /// In the order of their numbers.
    entries: Vec<Place>,
}

/// About a vector `v` that is stored as codes `c`.
#[derive(Debug, Clone, Copy)]
struct Row {
    /// `v` is about `scale * c`.
    scale: f32,
    /// The length of `v - scale * c`.
    error: f32,
}

/// Where the vectors of an entry are: its chunks in their order. Rows that no entry has are waste.
#[derive(Debug, Clone, Copy)]
struct Place {
    entry: i64,
    first: usize,
    count: usize,
}

impl Place {
    fn rows(&self) -> Range<usize> {
        self.first..self.first + self.count
    }
}

/// A vector that may be the best of an entry that may be among the best.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    pub(super) entry: i64,
    pub(super) chunk: usize,
    /// The score is not greater.
    pub(super) most: f32,
}

/// More than the errors of adding and multiplying 32-bit floats amount to, for vectors of length 1
/// and up to 4096 dimensions.
const ROUNDING: f32 = 1e-4;
/// Waste is removed when there is more of it than this share of all rows, as its inverse.
const WASTE: usize = 4;

impl Matrix {
    pub(super) fn new(dimension: usize, vectors: usize) -> Self {
        Self {
            dimension,
            codes: Vec::with_capacity(vectors.saturating_mul(dimension)),
            rows: Vec::with_capacity(vectors),
            entries: Vec::new(),
        }
    }

    /// Adds a vector of an entry after those that it has, when they were added last, or as its first.
    /// [`Matrix::settle`] has to follow.
    pub(super) fn add(&mut self, entry: i64, vector: impl IntoIterator<Item = f32>) {
        let mut numbers: Vec<f32> = vector.into_iter().take(self.dimension).collect();
        numbers.resize(self.dimension, 0.0);
        let row = self.rows.len();
        self.rows.push(quantise(&numbers, &mut self.codes));
        match self.entries.last_mut() {
            Some(last) if last.entry == entry => last.count += 1,
            _ => self.entries.push(Place {
                entry,
                first: row,
                count: 1,
            }),
        }
    }

    /// Puts the entries that were added in their order.
    pub(super) fn settle(&mut self) {
        self.entries.sort_unstable_by_key(|place| place.entry);
    }

    /// Gives each of these entries the vectors that it has now. They are in the order of their
    /// numbers.
    pub(super) fn replace<V, C>(&mut self, changed: impl IntoIterator<Item = (i64, C)>)
    where
        V: IntoIterator<Item = f32>,
        C: IntoIterator<Item = V>,
    {
        let before = std::mem::take(&mut self.entries);
        let mut before = before.into_iter().peekable();
        let mut merged = Vec::with_capacity(before.len());
        for (entry, chunks) in changed {
            take_below(&mut before, entry, &mut merged);
            before.next_if(|place| place.entry == entry);
            for chunk in chunks {
                self.add(entry, chunk);
            }
            merged.append(&mut self.entries);
        }
        merged.extend(before);
        self.entries = merged;
        let used: usize = self.entries.iter().map(|place| place.count).sum();
        if (self.rows.len() - used) * WASTE > self.rows.len() {
            self.compact(used);
        }
    }

    fn compact(&mut self, used: usize) {
        let mut codes = Vec::with_capacity(used * self.dimension);
        let mut rows = Vec::with_capacity(used);
        for place in &mut self.entries {
            let old = place.rows();
            place.first = rows.len();
            let bytes = old.start * self.dimension..old.end * self.dimension;
            codes.extend_from_slice(self.codes.get(bytes).unwrap_or_default());
            rows.extend_from_slice(self.rows.get(old).unwrap_or_default());
        }
        self.codes = codes;
        self.rows = rows;
    }

    /// Entries that have vectors.
    pub(super) fn entries(&self) -> usize {
        self.entries.len()
    }

    /// Bytes that it takes, about.
    pub(super) fn bytes(&self) -> usize {
        self.codes.capacity()
            + self.rows.capacity() * size_of::<Row>()
            + self.entries.capacity() * size_of::<Place>()
    }

    /// The vectors among which the best of each of the `k` best entries is, of all entries or of
    /// those `among` which are sorted. At most `most` of them: when more are as good as equal, those
    /// that may be best.
    pub(super) fn candidates(
        &self,
        query: &[f32],
        among: Option<&[i64]>,
        k: usize,
        most: usize,
    ) -> Vec<Candidate> {
        let places = self.places(among);
        let query = Query::new(query, self.dimension);
        let products = self.products(&places, &query);
        let mut worst: Vec<f32> = Vec::with_capacity(places.len());
        let mut bounds = products;
        let mut next = bounds.iter_mut();
        for place in &places {
            let mut least = f32::NEG_INFINITY;
            let rows = self.rows.get(place.rows()).unwrap_or_default();
            for (row, bound) in rows.iter().zip(&mut next) {
                let score = row.scale * query.scale() * *bound;
                let error = row.error + query.error() * (1.0 + row.error) + ROUNDING;
                least = least.max(score - error);
                *bound = score + error;
            }
            worst.push(least);
        }
        let threshold = kth_greatest(&mut worst, k);
        let mut bounds = bounds.into_iter();
        let mut candidates: Vec<Candidate> = Vec::new();
        for place in &places {
            let rows = (0..place.count).zip(&mut bounds);
            let good = rows.filter(|(_, bound)| *bound >= threshold);
            candidates.extend(good.map(|(chunk, most)| Candidate {
                entry: place.entry,
                chunk,
                most,
            }));
        }
        if candidates.len() > most {
            candidates.sort_by(|a, b| b.most.total_cmp(&a.most).then(a.entry.cmp(&b.entry)));
            candidates.truncate(most);
        }
        candidates
    }

    /// The products of the query with the vectors of these places, in their order.
    fn products(&self, places: &[Place], query: &Query) -> Vec<f32> {
        let codes = Codes {
            codes: &self.codes,
            dimension: self.dimension,
        };
        let rows = || places.iter().flat_map(Place::rows);
        if rows().count() * 2 < self.rows.len() {
            return scan::products(codes, rows(), query);
        }
        // Memory is read twice as fast in its order.
        let all = scan::products(codes, 0..self.rows.len(), query);
        let product = |row| all.get(row).copied().unwrap_or(f32::NAN);
        rows().map(product).collect()
    }

    /// The places of the entries that are asked for.
    fn places(&self, among: Option<&[i64]>) -> Vec<Place> {
        let Some(among) = among else {
            return self.entries.clone();
        };
        let mut places = Vec::with_capacity(among.len().min(self.entries.len()));
        let mut rest = self.entries.as_slice();
        for wanted in among {
            let skipped = gallop(rest, *wanted);
            rest = rest.get(skipped..).unwrap_or_default();
            match rest.first() {
                Some(place) if place.entry == *wanted => places.push(*place),
                Some(_) => {}
                None => break,
            }
        }
        places
    }
}

/// How many of the places lie before an entry: in steps of twice the size, then by halves, so that a
/// few entries among many are found as quickly as many among many.
fn gallop(places: &[Place], entry: i64) -> usize {
    let is_before = |place: &Place| place.entry < entry;
    let mut step = 1;
    while places.get(step).is_some_and(is_before) {
        step *= 2;
    }
    let near = places.get(..=step.min(places.len().saturating_sub(1)));
    near.unwrap_or_default().partition_point(is_before)
}

fn take_below(
    before: &mut Peekable<impl Iterator<Item = Place>>,
    entry: i64,
    merged: &mut Vec<Place>,
) {
    while let Some(place) = before.next_if(|place| place.entry < entry) {
        merged.push(place);
    }
}

/// The smallest of the `k` greatest; the smallest of all when there are fewer.
fn kth_greatest(numbers: &mut [f32], k: usize) -> f32 {
    if k == 0 {
        return f32::INFINITY;
    }
    if numbers.len() <= k {
        return f32::NEG_INFINITY;
    }
    let (_, kth, _) = numbers.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
    *kth
}

/// Adds the codes of a vector.
fn quantise(vector: &[f32], codes: &mut Vec<i8>) -> Row {
    let greatest = vector.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    let scale = if greatest > 0.0 {
        greatest / 127.0
    } else {
        1.0
    };
    let mut squares = 0.0;
    for number in vector {
        let code = scan::nearest_i8(number / scale);
        let error = number - f32::from(code) * scale;
        squares += error * error;
        codes.push(code);
    }
    Row {
        scale,
        error: squares.sqrt(),
    }
}

#[cfg(test)]
mod tests;
