//! Splitting text for an endpoint, whose tokens are not known here.

use std::ops::Range;

/// Parts of at most `most` bytes, each beginning an eighth of that before the one before it ends, so
/// that what is cut in one part is whole in another. They begin and end at white space where there is
/// some. One at least; a character that is larger than `most` is a part of its own.
pub(super) fn split(text: &str, most: usize) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut start = 0;
    loop {
        if text.len() - start <= most {
            parts.push(start..text.len());
            return parts;
        }
        let end = end_of_part(text, start, most);
        parts.push(start..end);
        // Further on than before, so that this ends.
        let earliest = text.ceil_char_boundary(end.saturating_sub(most / 8).max(start + 1));
        start = start_of_word(text, earliest, end);
    }
}

/// After the last white space of the second half, else at the last character that fits.
fn end_of_part(text: &str, start: usize, most: usize) -> usize {
    let end = text.floor_char_boundary(start + most);
    if end == start {
        return text.ceil_char_boundary(start + 1);
    }
    let half = text.ceil_char_boundary(start + most / 2).min(end);
    let second = text.get(half..end).unwrap_or_default();
    let space = second.rfind(char::is_whitespace);
    let after = space.map(|at| text.ceil_char_boundary(half + at + 1));
    after.unwrap_or(end)
}

/// The first word that begins between the two, else the former.
fn start_of_word(text: &str, earliest: usize, end: usize) -> usize {
    let overlap = text.get(earliest..end).unwrap_or_default();
    let space = overlap.find(char::is_whitespace);
    let after = space.map(|at| text.ceil_char_boundary(earliest + at + 1));
    after.unwrap_or(earliest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts_end_at_words_and_overlap() {
        let text = "one two three four five six seven eight";
        let parts = split(text, 16).into_iter();
        let parts: Vec<&str> = parts.filter_map(|part| text.get(part)).collect();
        assert_eq!(parts, ["one two three ", "four five six ", "seven eight"]);
        assert_eq!(split("", 4), vec![0..0]);
        assert_eq!(split("abcdefghijkl", 8), [0..8, 7..12]);
    }

    proptest! {
        #[test]
        fn nothing_is_left_out(text in ".{0,200}", most in 1_usize..50) {
            let parts = split(&text, most);
            let mut reached = 0;
            let mut last_start = None;
            for part in parts {
                prop_assert!(text.get(part.clone()).is_some());
                prop_assert!(part.start <= reached && part.end >= reached);
                prop_assert!(last_start < Some(part.start));
                prop_assert!(part.len() <= most.max(4));
                last_start = Some(part.start);
                reached = part.end;
            }
            prop_assert_eq!(reached, text.len());
        }
    }
}
