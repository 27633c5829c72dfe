//! Words of a text as BERT's uncased vocabulary has them: without control characters, accents and
//! capitals, split at white space, punctuation and CJK ideographs.
//!
//! Agrees character for character with the `tokenizers` package, which the tests hold it to, but
//! for names such as `[SEP]` in a text: they are text here, never the token of that name.

use std::ops::{ControlFlow, Range};

use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::char::decompose_canonical;

/// Characters of the longest word that is looked up; what is longer is one unknown token.
pub(crate) const MAX_WORD: usize = 100;

/// A word of a text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Word<'a> {
    /// Where in the text it comes from, in bytes.
    pub(crate) range: Range<usize>,
    /// The word as the vocabulary may have it, or nothing when it is longer than [`MAX_WORD`].
    pub(crate) text: Option<&'a str>,
}

/// Calls `visit` with each word of `text` in turn, until it breaks. A word takes at most
/// [`MAX_WORD`] characters of memory, whatever its length.
pub(crate) fn each_word(text: &str, visit: impl FnMut(Word<'_>) -> ControlFlow<()>) {
    let mut scan = Scan {
        visit,
        word: String::new(),
        characters: 0,
        range: 0..0,
    };
    // Breaking is an end like any other: there is nothing to hand on.
    let (ControlFlow::Continue(()) | ControlFlow::Break(())) = scan.run(text);
}

struct Scan<F> {
    visit: F,
    word: String,
    /// Characters of the word, those that no longer fit included.
    characters: usize,
    range: Range<usize>,
}

impl<F: FnMut(Word<'_>) -> ControlFlow<()>> Scan<F> {
    fn run(&mut self, text: &str) -> ControlFlow<()> {
        for (start, character) in text.char_indices() {
            let range = start..start + character.len_utf8();
            if character.is_ascii_alphanumeric() {
                self.push(character.to_ascii_lowercase(), &range);
            } else {
                self.take(character, &range)?;
            }
        }
        self.close()
    }

    /// Any character but the plainest.
    fn take(&mut self, character: char, range: &Range<usize>) -> ControlFlow<()> {
        if is_removed(character) {
            self.extend(range);
            return ControlFlow::Continue(());
        }
        if character.is_whitespace() {
            return self.close();
        }
        if is_ideograph(character) {
            self.close()?;
            self.decompose(character, range)?;
            return self.close();
        }
        self.decompose(character, range)
    }

    fn decompose(&mut self, character: char, range: &Range<usize>) -> ControlFlow<()> {
        let mut flow = ControlFlow::Continue(());
        decompose_canonical(character, |part| {
            if get_general_category(part) == GeneralCategory::NonspacingMark {
                self.extend(range);
                return;
            }
            for part in part.to_lowercase() {
                if flow.is_continue() {
                    flow = self.place(part, range);
                }
            }
        });
        flow
    }

    fn place(&mut self, character: char, range: &Range<usize>) -> ControlFlow<()> {
        if is_punctuation(character) {
            self.close()?;
            self.push(character, range);
            return self.close();
        }
        self.push(character, range);
        ControlFlow::Continue(())
    }

    fn push(&mut self, character: char, range: &Range<usize>) {
        if self.characters == 0 {
            self.range.start = range.start;
        }
        self.range.end = range.end;
        self.characters = self.characters.saturating_add(1);
        if self.characters <= MAX_WORD {
            self.word.push(character);
        }
    }

    /// What is dropped within a word, such as an accent, is still part of where it comes from.
    fn extend(&mut self, range: &Range<usize>) {
        if self.characters > 0 {
            self.range.end = range.end;
        }
    }

    fn close(&mut self) -> ControlFlow<()> {
        if self.characters == 0 {
            return ControlFlow::Continue(());
        }
        let known = self.characters <= MAX_WORD;
        let flow = (self.visit)(Word {
            range: self.range.clone(),
            text: known.then_some(self.word.as_str()),
        });
        self.word.clear();
        self.characters = 0;
        flow
    }
}

fn is_removed(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' => false,
        '\u{fffd}' => true,
        _ => matches!(
            get_general_category(character),
            GeneralCategory::Control | GeneralCategory::Format | GeneralCategory::PrivateUse
        ),
    }
}

fn is_punctuation(character: char) -> bool {
    character.is_ascii_punctuation()
        || matches!(
            get_general_category(character),
            GeneralCategory::ConnectorPunctuation
                | GeneralCategory::DashPunctuation
                | GeneralCategory::OpenPunctuation
                | GeneralCategory::ClosePunctuation
                | GeneralCategory::InitialPunctuation
                | GeneralCategory::FinalPunctuation
                | GeneralCategory::OtherPunctuation
        )
}

/// The blocks that BERT was trained to split into single characters; Hangul and kana are not among
/// them.
fn is_ideograph(character: char) -> bool {
    matches!(
        character,
        '\u{4e00}'..='\u{9fff}'
            | '\u{3400}'..='\u{4dbf}'
            | '\u{20000}'..='\u{2a6df}'
            | '\u{2a700}'..='\u{2b73f}'
            | '\u{2b740}'..='\u{2b81f}'
            | '\u{2b920}'..='\u{2ceaf}'
            | '\u{f900}'..='\u{faff}'
            | '\u{2f800}'..='\u{2fa1f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<(Range<usize>, Option<String>)> {
        let mut words = Vec::new();
        each_word(text, |word| {
            words.push((word.range, word.text.map(str::to_owned)));
            ControlFlow::Continue(())
        });
        words
    }

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let found = words(text);
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|(range, word)| (text.get(range.clone()).unwrap(), word.as_deref().unwrap()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn splits_and_keeps_where_a_word_comes_from() {
        check(
            "Hello, wörld",
            &[("Hello", "hello"), (",", ","), ("wörld", "world")],
        );
        check("e\u{301}e\u{301} \u{301}", &[("e\u{301}e\u{301}", "ee")]);
        check("a\u{0}b", &[("a\u{0}b", "ab")]);
        check("日本x", &[("日", "日"), ("本", "本"), ("x", "x")]);
        check(" \u{85}\t", &[]);
        check("\u{37e}", &[("\u{37e}", ";")]);
    }

    #[test]
    fn gives_up_on_a_word_that_is_too_long() {
        assert_eq!(words(&"x".repeat(100)), [(0..100, Some("x".repeat(100)))]);
        assert_eq!(words(&"x".repeat(1 << 20)), [(0..1 << 20, None)]);
    }

    #[test]
    fn stops_when_told() {
        let mut seen = 0;
        each_word("one, two, three", |_| {
            seen += 1;
            if seen == 2 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        assert_eq!(seen, 2);
    }
}
