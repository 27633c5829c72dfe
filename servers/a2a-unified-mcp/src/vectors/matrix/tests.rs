//! That candidates hold the best, whatever the vectors are.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Entries with the vectors of their chunks.
type Entries = BTreeMap<i64, Vec<Vec<f32>>>;

fn unit(numbers: &[f32]) -> Vec<f32> {
    let length = numbers.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-6);
    numbers.iter().map(|x| x / length).collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Best first, then by number.
fn sorted(mut scores: Vec<(i64, f32)>, k: usize) -> Vec<(i64, f32)> {
    scores.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    scores.truncate(k);
    scores
}

fn brute_force(
    entries: &Entries,
    query: &[f32],
    among: Option<&[i64]>,
    k: usize,
) -> Vec<(i64, f32)> {
    let asked = |entry: &i64| among.is_none_or(|among| among.contains(entry));
    let best = |chunks: &[Vec<f32>]| {
        let scores = chunks.iter().map(|chunk| cosine(chunk, query));
        scores.fold(f32::NEG_INFINITY, f32::max)
    };
    let scores = entries.iter().filter(|(entry, _)| asked(entry));
    let scores = scores.map(|(entry, chunks)| (*entry, best(chunks)));
    sorted(scores.collect(), k)
}

/// What the candidates make of it, scored with the vectors themselves.
fn by_candidates(
    matrix: &Matrix,
    entries: &Entries,
    query: &[f32],
    among: Option<&[i64]>,
    k: usize,
) -> (usize, Vec<(i64, f32)>) {
    let candidates = matrix.candidates(query, among, k, usize::MAX);
    let mut best: BTreeMap<i64, f32> = BTreeMap::new();
    for candidate in &candidates {
        let score = cosine(&entries[&candidate.entry][candidate.chunk], query);
        assert!(score <= candidate.most, "{score} is beyond {candidate:?}");
        let best = best.entry(candidate.entry).or_insert(score);
        *best = best.max(score);
    }
    (candidates.len(), sorted(best.into_iter().collect(), k))
}

fn matrix(dimension: usize, entries: &Entries) -> Matrix {
    let mut matrix = Matrix::new(dimension, entries.len());
    // The order of the file is not that of the numbers.
    for (entry, chunks) in entries.iter().rev() {
        for chunk in chunks {
            matrix.add(*entry, chunk.iter().copied());
        }
    }
    matrix.settle();
    matrix
}

fn vector(dimension: usize) -> impl Strategy<Value = Vec<f32>> {
    proptest::collection::vec(-1.0_f32..1.0, dimension).prop_map(|numbers| unit(&numbers))
}

fn entries(dimension: usize, most: usize) -> impl Strategy<Value = Entries> {
    let chunks = proptest::collection::vec(vector(dimension), 1..4);
    proptest::collection::btree_map(1_i64..200, chunks, 0..most)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_best_are_those_of_brute_force(
        entries in entries(19, 60),
        query in vector(19),
        among in proptest::option::of(proptest::collection::btree_set(1_i64..200, 0..100)),
        k in 0_usize..12,
    ) {
        let matrix = matrix(19, &entries);
        let among: Option<Vec<i64>> = among.map(|among| among.into_iter().collect());
        let (_, found) = by_candidates(&matrix, &entries, &query, among.as_deref(), k);
        prop_assert_eq!(found, brute_force(&entries, &query, among.as_deref(), k));
    }

    #[test]
    fn what_is_replaced_is_as_if_it_had_been_so_from_the_start(
        before in entries(5, 40),
        changes in proptest::collection::vec(
            proptest::collection::btree_map(1_i64..200,
                proptest::collection::vec(vector(5), 0..3), 0..40), 1..5),
        query in vector(5),
    ) {
        let mut matrix = matrix(5, &before);
        let mut entries = before;
        for changed in changes {
            matrix.replace(changed.iter().map(|(entry, chunks)| {
                (*entry, chunks.iter().map(|chunk| chunk.iter().copied()))
            }));
            entries.extend(changed);
            entries.retain(|_, chunks| !chunks.is_empty());
        }
        prop_assert_eq!(matrix.entries(), entries.len());
        let rows: usize = entries.values().map(Vec::len).sum();
        prop_assert!(matrix.rows.len() * 3 <= rows * 4 + 3, "{} of {rows}", matrix.rows.len());
        prop_assert_eq!(matrix.codes.len(), matrix.rows.len() * 5);
        let (_, found) = by_candidates(&matrix, &entries, &query, None, 10);
        prop_assert_eq!(found, brute_force(&entries, &query, None, 10));
    }
}

/// Numbers between -1 and 1 that are the same in each run (xorshift64).
fn random(state: &mut u64) -> f32 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    f32::from(u16::try_from(*state >> 48).unwrap()) / 32768.0 - 1.0
}

/// Vectors about as an encoder makes them: near one of some topics.
fn topical(count: usize, dimension: usize) -> (Entries, Vec<f32>) {
    let state = &mut 42;
    let mut gaussian = |dimension: usize| -> Vec<f32> {
        let mut number = || (0..6).map(|_| random(state)).sum::<f32>();
        (0..dimension).map(|_| number()).collect()
    };
    let topics: Vec<Vec<f32>> = (0..50).map(|_| gaussian(dimension)).collect();
    let near = |topic: &[f32], own: Vec<f32>| {
        let mixed = topic.iter().zip(own).map(|(topic, own)| topic + 1.5 * own);
        unit(&mixed.collect::<Vec<f32>>())
    };
    let mut entries = Entries::new();
    for n in 0..count {
        let own = gaussian(dimension);
        let vector = near(&topics[n % topics.len()], own);
        entries.insert(i64::try_from(n).unwrap() + 1, vec![vector]);
    }
    let own = gaussian(dimension);
    (entries, near(&topics[7], own))
}

#[test]
fn few_vectors_are_candidates() {
    let (entries, query) = topical(5000, 384);
    let matrix = matrix(384, &entries);
    for k in [1, 10, 100] {
        let (count, found) = by_candidates(&matrix, &entries, &query, None, k);
        assert_eq!(found, brute_force(&entries, &query, None, k));
        assert!(count <= 2 * k + 20, "{count} candidates for {k}");
    }
}

#[test]
fn equal_vectors_are_bounded() {
    let entries: Entries = (1..500)
        .map(|entry| (entry, vec![vec![0.6, 0.8]]))
        .collect();
    let candidates = matrix(2, &entries).candidates(&[0.6, 0.8], None, 3, 50);
    let expected: Vec<i64> = (1..51).collect();
    let found: Vec<i64> = candidates.iter().map(|found| found.entry).collect();
    assert_eq!(found, expected);
}

#[test]
fn numbers_that_are_none_do_no_harm() {
    let entries: Entries = [(1, vec![vec![f32::NAN, 1.0]]), (2, vec![vec![0.0, 0.0]])].into();
    let mut matrix = matrix(2, &entries);
    matrix.add(3, [1.0]);
    matrix.add(3, [0.0, 1.0, 1.0]);
    matrix.settle();
    let candidates = matrix.candidates(&[0.0, 1.0], None, 1, 10);
    assert!(
        candidates
            .iter()
            .any(|found| (found.entry, found.chunk) == (3, 1))
    );
}
