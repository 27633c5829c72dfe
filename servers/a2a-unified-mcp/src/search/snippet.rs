//! The passage of a text that says most of what was looked for.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use crate::words::{fold, humps, is_unspaced, is_word, overlapping, stem_of};

/// The longest passage, its ellipses counted.
pub const MAX_SNIPPET_CHARS: usize = 240;

/// How far apart matches of one passage may begin, in bytes: with some text before and after them
/// it keeps to its bound.
const SPAN: usize = 160;
/// Matches that are looked at: a text that has so many has a passage among them.
const MOST_MATCHES: usize = 1000;
/// Text before the first match, in bytes at most.
const LEAD: usize = 40;

/// The first passage with the most different words of `stems`, or the beginning.
pub(super) fn best(text: &str, stems: &BTreeSet<String>) -> String {
    let matches = matches(text, stems);
    let start = densest(&matches).unwrap_or(0);
    cut(text, start)
}

/// A word of the text that was looked for.
struct Match<'a> {
    at: usize,
    stem: &'a str,
}

fn matches<'a>(text: &str, stems: &'a BTreeSet<String>) -> Vec<Match<'a>> {
    let mut firsts = [false; 256];
    for first in stems.iter().filter_map(|stem| stem.bytes().next()) {
        if let Some(first) = firsts.get_mut(usize::from(first)) {
            *first = true;
        }
    }
    let may_match = |word: &str| {
        // A stem begins as its words do; inner words of a name may begin otherwise.
        let first = word.bytes().next().unwrap_or_default();
        let plain = word.bytes().all(|byte| byte.is_ascii_lowercase());
        !plain || firsts.get(usize::from(first)).is_some_and(|first| *first)
    };
    let mut matches = Vec::new();
    let push = |matches: &mut Vec<Match<'a>>, at: usize, form: String| {
        if let Some(stem) = stems.get(form.as_str()) {
            matches.push(Match { at, stem });
        }
    };
    for Range { start, end } in words(text) {
        if matches.len() >= MOST_MATCHES {
            break;
        }
        let Some(word) = text.get(start..end).filter(|word| may_match(word)) else {
            continue;
        };
        if word.contains(is_unspaced) {
            let mut at = start;
            for pair in overlapping(word) {
                push(&mut matches, at, fold(pair));
                at += pair.chars().next().map_or(0, char::len_utf8);
            }
            continue;
        }
        push(&mut matches, start, stem_of(word));
        let humps = humps(word);
        if humps.len() > 1 {
            for hump in humps {
                push(&mut matches, start, stem_of(hump));
            }
        }
    }
    matches
}

fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut rest = 0;
    std::iter::from_fn(move || {
        let after = text.get(rest..)?;
        let start = rest + after.find(is_word)?;
        let word = text.get(start..)?;
        let end = start
            + word
                .find(|character| !is_word(character))
                .unwrap_or(word.len());
        rest = end;
        Some(start..end)
    })
}

/// Where the span with the most different matches begins; of those the one with the most matches,
/// then the first. One pass: each match enters the span once and leaves it once.
fn densest(matches: &[Match<'_>]) -> Option<usize> {
    let mut best: Option<(usize, usize, usize)> = None;
    let mut inside: HashMap<&str, usize> = HashMap::new();
    let mut entering = matches.iter();
    let mut next = entering.next();
    let mut all = 0;
    for first in matches {
        while let Some(near) = next.filter(|near| near.at - first.at <= SPAN) {
            *inside.entry(near.stem).or_default() += 1;
            all += 1;
            next = entering.next();
        }
        if best.is_none_or(|(different, most, _)| (inside.len(), all) > (different, most)) {
            best = Some((inside.len(), all, first.at));
        }
        if let Some(count) = inside.get_mut(first.stem) {
            *count -= 1;
            if *count == 0 {
                inside.remove(first.stem);
            }
        }
        all -= 1;
    }
    best.map(|(.., at)| at)
}

/// Text around a place, on one line, with an ellipsis where something is left out.
fn cut(text: &str, at: usize) -> String {
    let mut start = text.floor_char_boundary(at.saturating_sub(LEAD));
    if at.saturating_sub(LEAD) > 0 {
        // From the beginning of a word on, if one begins before the match.
        let lead = text.get(start..at).unwrap_or_default();
        start = lead
            .char_indices()
            .find(|(_, character)| character.is_whitespace())
            .map_or(start, |(place, space)| start + place + space.len_utf8());
    }
    let mut passage = String::new();
    if start > 0 {
        passage.push('…');
    }
    let rest = text.get(start..).unwrap_or_default();
    let room = MAX_SNIPPET_CHARS - 2;
    let mut flat = String::new();
    let mut cut_short = false;
    let mut space = false;
    let mut chars = 0;
    for character in rest.chars() {
        if character.is_whitespace() {
            space = chars > 0;
            continue;
        }
        if chars + 1 + usize::from(space) > room {
            cut_short = true;
            break;
        }
        if space {
            flat.push(' ');
        }
        flat.push(character);
        chars += 1 + usize::from(space);
        space = false;
    }
    if cut_short {
        // The last word may be half there.
        if let Some((whole, half)) = flat.rsplit_once(' ')
            && half.len() < LEAD
        {
            flat.truncate(whole.len());
        }
        flat.push('…');
    }
    passage + &flat
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stems(words: &[&str]) -> BTreeSet<String> {
        words.iter().map(|word| stem_of(word)).collect()
    }

    #[test]
    fn the_passage_with_most_words_is_taken() {
        let far = "word ".repeat(100);
        let text = format!("An apple.\n{far}Here the red\tapples and pears are ripe. {far}");
        let snippet = best(&text, &stems(&["apple", "pear", "ripe"]));
        assert!(
            snippet.contains("Here the red apples and pears are ripe."),
            "{snippet}"
        );
        assert!(
            snippet.starts_with('…') && snippet.ends_with('…'),
            "{snippet}"
        );
        assert_eq!(best("short", &stems(&["other"])), "short");
        assert_eq!(best("東京の会議です", &stems(&["会議"])), "東京の会議です");
    }

    #[test]
    fn a_text_of_nothing_but_matches_is_looked_at_once() {
        let text = "x y ".repeat(1 << 18);
        let begun = std::time::Instant::now();
        assert!(best(&text, &stems(&["x", "y"])).starts_with("x y"));
        assert!(begun.elapsed() < std::time::Duration::from_millis(500));
    }

    proptest! {
        #[test]
        fn a_passage_keeps_to_its_bound(text in "\\PC{0,400}", word in "[a-e]{1,2}") {
            let snippet = best(&text, &stems(&[word.as_str()]));
            prop_assert!(snippet.chars().count() <= MAX_SNIPPET_CHARS);
        }

        #[test]
        fn long_words_keep_to_it_too(text in "[a-c語é ]{0,900}") {
            let snippet = best(&text, &stems(&["abc", "語"]));
            prop_assert!(snippet.chars().count() <= MAX_SNIPPET_CHARS);
        }
    }
}
