//! The counting itself: a fixed number of passes over the text, each in linear time.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::HashMap;

use unicode_segmentation::UnicodeSegmentation;

use super::super::suspicious;
use super::{Reply, WordCount, sentences};

const WORDS_PER_MINUTE: usize = 200;
const MOST_FREQUENT: usize = 10;
const LONGEST_WORD_SHOWN: usize = 64;

/// Words counted between two looks at whether to stop.
const WORDS_PER_LOOK: usize = 4096;

/// Counts, or gives nothing when `stop` says so on the way.
pub(super) fn measure(text: &str, stop: impl Fn() -> bool) -> Option<Reply> {
    let words = Words::count(text, &stop)?;
    let found = suspicious::find(text);
    Some(Reply {
        characters: text.chars().count(),
        bytes: text.len(),
        words: words.total,
        unique_words: words.counts.len(),
        lines: text.lines().count(),
        sentences: sentences::count(text),
        paragraphs: paragraphs(text),
        average_word_length: words.average_length(),
        most_frequent_words: words.most_frequent(),
        reading_time_seconds: (words.total * 60).div_ceil(WORDS_PER_MINUTE),
        suspicious: found.listed,
        suspicious_total: found.different,
    })
}

struct Words<'a> {
    counts: HashMap<Cow<'a, str>, usize>,
    total: usize,
    characters: usize,
}

impl<'a> Words<'a> {
    fn count(text: &'a str, stop: impl Fn() -> bool) -> Option<Self> {
        let mut words = Self {
            counts: HashMap::new(),
            total: 0,
            characters: 0,
        };
        for word in text.unicode_words() {
            if words.total.is_multiple_of(WORDS_PER_LOOK) && stop() {
                return None;
            }
            words.total += 1;
            words.characters += word.chars().count();
            *words.counts.entry(lower_case(word)).or_default() += 1;
        }
        Some(words)
    }

    fn average_length(&self) -> f64 {
        let hundredths = (self.characters * 100 + self.total / 2).checked_div(self.total);
        f64::from(
            hundredths
                .and_then(|length| u32::try_from(length).ok())
                .unwrap_or(0),
        ) / 100.0
    }

    /// Words that are as frequent as each other are in the order of the alphabet.
    fn most_frequent(&self) -> Vec<WordCount> {
        let mut ranked: Vec<(Reverse<usize>, &str)> = self
            .counts
            .iter()
            .map(|(word, &count)| (Reverse(count), word.as_ref()))
            .collect();
        if ranked.len() > MOST_FREQUENT {
            ranked.select_nth_unstable(MOST_FREQUENT);
            ranked.truncate(MOST_FREQUENT);
        }
        ranked.sort_unstable();
        let shown = |(Reverse(count), word)| WordCount {
            word: shorten(word),
            count,
        };
        ranked.into_iter().map(shown).collect()
    }
}

/// Most words are in lower case already and cost no memory.
fn lower_case(word: &str) -> Cow<'_, str> {
    if word
        .bytes()
        .all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase())
    {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(word.to_lowercase())
    }
}

fn shorten(word: &str) -> String {
    word.chars().take(LONGEST_WORD_SHOWN).collect()
}

fn paragraphs(text: &str) -> usize {
    let mut after_blank = true;
    text.lines()
        .filter(|line| {
            let is_blank = line.trim().is_empty();
            let starts = after_blank && !is_blank;
            after_blank = is_blank;
            starts
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_words_lines_sentences_and_paragraphs() {
        let check = |text: &str, expected: [usize; 6]| {
            let reply = measure(text, || false).unwrap();
            let counted = [
                reply.characters,
                reply.words,
                reply.unique_words,
                reply.lines,
                reply.sentences,
                reply.paragraphs,
            ];
            assert_eq!(counted, expected, "{text:?}");
        };
        check("", [0, 0, 0, 0, 0, 0]);
        check(" \n\t\n", [4, 0, 0, 2, 0, 0]);
        check("Hello, hello world!", [19, 3, 2, 1, 1, 1]);
        check("One.\n\n\nTwo three.\nFour?", [23, 4, 4, 5, 3, 2]);
        check("Don't stop 3.14 times\r\n", [23, 4, 4, 1, 1, 1]);
        check("Straße STRASSE ÉTÉ été", [22, 4, 3, 1, 1, 1]);
        check("你好世界。再见。", [8, 6, 6, 1, 2, 1]);
        check("... — !", [7, 0, 0, 1, 0, 1]);
    }

    #[test]
    fn ranks_words_by_count_then_alphabet() {
        let reply = measure("b a c b a d e f g h i j k", || false).unwrap();
        let words: Vec<&str> = reply
            .most_frequent_words
            .iter()
            .map(|word| word.word.as_str())
            .collect();
        assert_eq!(words, ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]);
        let reply = measure(&"x".repeat(1000), || false).unwrap();
        assert_eq!(
            reply.most_frequent_words,
            [WordCount {
                word: "x".repeat(64),
                count: 1
            }]
        );
    }

    #[test]
    fn rounds_averages_and_reading_time() {
        let reply = measure("aa b b", || false).unwrap();
        assert!((reply.average_word_length - 1.33).abs() < f64::EPSILON);
        assert_eq!(reply.reading_time_seconds, 1);
        assert_eq!(
            measure(&"w ".repeat(400), || false)
                .unwrap()
                .reading_time_seconds,
            120
        );
    }
}
