//! Which word was meant, when the index does not have the one that was asked for.

use crate::store::Store;
use crate::words::{fold, stem_of};

use super::SearchError;
use super::query::Term;

/// Words of the index that are compared at most for each beginning.
const COMPARED: u32 = 5_000;
/// Words that are compared at most for a whole query: counting each takes microseconds.
pub(super) const COMPARED_IN_ALL: u32 = 20_000;
/// Words that are taken instead of one.
const MEANT: usize = 3;
/// The shortest beginning of a word that stands for the word, in characters.
const SHORTEST_BEGINNING: usize = 3;

/// What to look for instead, with how many entries have it: longer words that begin so, or else those
/// that are the fewest edits away (Damerau 1964: a letter more, less, another, or two exchanged). Of
/// `left` are taken the words that were compared.
pub(super) async fn meant(
    store: &Store,
    word: &str,
    left: &mut u32,
) -> Result<Vec<(Term, u64)>, SearchError> {
    let folded = fold(word);
    let stem = stem_of(word);
    if stem.chars().count() < SHORTEST_BEGINNING {
        return Ok(Vec::new());
    }
    if stem == folded || stem.chars().nth(SHORTEST_BEGINNING).is_some() {
        let beginning = Term::beginning(word);
        let looked = store.look_up(None, &[beginning.expression()]).await?;
        if let Some(count) = looked.counts.first().filter(|count| **count > 0) {
            return Ok(vec![(beginning, *count)]);
        }
    }
    if *left == 0 {
        return Ok(Vec::new());
    }
    let near = near(store, &stem, left).await?;
    Ok(near
        .into_iter()
        .filter_map(|(stem, count)| Some((Term::loose(word_of(&stem)?), count)))
        .collect())
}

/// The nearest words of the index, the most frequent first.
async fn near(
    store: &Store,
    stem: &str,
    left: &mut u32,
) -> Result<Vec<(String, u64)>, SearchError> {
    let letters: Vec<char> = stem.chars().collect();
    let most = match letters.len() {
        ..4 => return Ok(Vec::new()),
        4..8 => 1,
        8.. => 2,
    };
    let [first, second, ..] = letters.as_slice() else {
        return Ok(Vec::new());
    };
    // Most mistakes come late in a word; then the others are worth a longer look.
    let likely = vec![format!("{first}{second}")];
    let rest = letters.iter().skip(1).collect::<String>();
    let unlikely = vec![
        first.to_string(),
        format!("{second}{first}"),
        rest.chars().take(2).collect(),
    ];
    for beginnings in [likely, unlikely] {
        let mut found = Vec::new();
        for beginning in beginnings {
            let end = format!("{beginning}{}", char::MAX);
            let most_compared = COMPARED.min(*left);
            for (term, count) in store.words_between(&beginning, &end, most_compared).await? {
                *left -= 1;
                let compared: Vec<char> = term.chars().collect();
                if let Some(edits) = edits(&letters, &compared, most) {
                    found.push((edits, std::cmp::Reverse(count), term));
                }
            }
        }
        found.sort();
        found.dedup();
        if let Some(fewest) = found.first().map(|(edits, ..)| *edits) {
            let best = found.into_iter().take_while(|(edits, ..)| *edits == fewest);
            let counted = best.map(|(_, count, term)| (term, u64::try_from(count.0).unwrap_or(0)));
            return Ok(counted.take(MEANT).collect());
        }
    }
    Ok(Vec::new())
}

/// A word that the index would make this stem of.
fn word_of(stem: &str) -> Option<String> {
    ["", "e", "s", "es", "ed", "ing", "y", "ion", "al"]
        .iter()
        .map(|ending| format!("{stem}{ending}"))
        .find(|word| stem_of(word) == stem)
}

/// How many edits apart two words are, when not more than `most` (optimal string alignment).
fn edits(a: &[char], b: &[char], most: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > most {
        return None;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, here) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, there) in b.iter().enumerate() {
            let at =
                |row: &[usize], place: usize| row.get(place).copied().unwrap_or(usize::MAX - 1);
            let mut edits = at(&last, j) + usize::from(here != there);
            edits = edits.min(at(&last, j + 1) + 1).min(at(&next, j) + 1);
            let exchanged =
                i > 0 && j > 0 && a.get(i - 1) == Some(there) && b.get(j - 1) == Some(here);
            if exchanged {
                edits = edits.min(at(&before, j - 1) + 1);
            }
            next.push(edits);
        }
        if next.iter().all(|edits| *edits > most) {
            return None;
        }
        before = std::mem::replace(&mut last, next);
    }
    last.last().copied().filter(|edits| *edits <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (a, b, expected) in [
            ("kubernetes", "kubernetes", Some(0)),
            ("kuberntes", "kubernetes", Some(1)),
            ("recieve", "receive", Some(1)),
            ("abcd", "dcba", None),
            ("größe", "grösse", Some(2)),
            ("", "ab", Some(2)),
        ] {
            let letters = |text: &str| text.chars().collect::<Vec<_>>();
            assert_eq!(edits(&letters(a), &letters(b), 2), expected, "{a} {b}");
        }
    }

    #[test]
    fn a_stem_has_a_word() {
        for word in [
            "agreed",
            "receiving",
            "database",
            "happiness",
            "relational",
            "flies",
        ] {
            let stem = stem_of(word);
            assert_eq!(
                word_of(&stem).map(|word| stem_of(&word)),
                Some(stem.clone()),
                "{word}"
            );
        }
    }
}
