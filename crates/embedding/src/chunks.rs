//! Tokens of a text, and where to cut one that is longer than the model's window.

use std::collections::VecDeque;
use std::ops::{ControlFlow, Range};

use crate::shape::WINDOW;
use crate::vocabulary::Vocabulary;
use crate::words::{Word, each_word};

/// Tokens of a text that fit between the two that enclose it.
const CAPACITY: usize = WINDOW - 2;

/// Tokens that two neighbouring chunks share at most.
const OVERLAP: usize = 32;

/// Turns text into tokens: each word is the longest entries of the vocabulary that it begins with,
/// one after the other (`WordPiece`, <https://arxiv.org/abs/1609.08144>).
pub(crate) struct Tokenizer {
    vocabulary: Vocabulary,
}

impl Tokenizer {
    pub(crate) fn new(vocabulary: Vocabulary) -> Self {
        Self { vocabulary }
    }

    /// The tokens of the beginning of `text`, enclosed, at most [`WINDOW`]. Reads no further than
    /// it has to.
    pub(crate) fn window(&self, text: &str) -> Vec<u16> {
        let mut tokens = vec![self.vocabulary.classify];
        each_word(text, |word| {
            self.split(&word, &mut tokens);
            if tokens.len() > CAPACITY {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        tokens.truncate(CAPACITY + 1);
        tokens.push(self.vocabulary.separate);
        tokens
    }

    /// See [`Model::chunks`](crate::Model::chunks).
    pub(crate) fn chunks(&self, text: &str) -> Vec<Range<usize>> {
        let mut chunks = Vec::new();
        let mut window = Window::default();
        let mut tokens = Vec::new();
        each_word(text, |word| {
            tokens.clear();
            self.split(&word, &mut tokens);
            if window.tokens + tokens.len() > CAPACITY {
                chunks.push(window.range());
                window.shrink();
            }
            window.push(word.range, tokens.len());
            ControlFlow::Continue(())
        });
        let last = if chunks.is_empty() {
            0
        } else {
            window.range().start
        };
        chunks.push(last..text.len());
        if let Some(first) = chunks.first_mut() {
            first.start = 0;
        }
        chunks
    }

    /// All tokens of `text`, not enclosed.
    #[cfg(test)]
    pub(crate) fn tokens(&self, text: &str) -> Vec<u16> {
        let mut tokens = Vec::new();
        each_word(text, |word| {
            self.split(&word, &mut tokens);
            ControlFlow::Continue(())
        });
        tokens
    }

    /// Appends the tokens of `word`: at least one, at most as many as the word has characters.
    fn split(&self, word: &Word<'_>, tokens: &mut Vec<u16>) {
        let before = tokens.len();
        let mut rest = word.text.unwrap_or_default().as_bytes();
        while let Some((token, length)) = self.vocabulary.longest(rest, tokens.len() > before) {
            tokens.push(token);
            rest = rest.get(length..).unwrap_or_default();
        }
        if !rest.is_empty() || tokens.len() == before {
            tokens.truncate(before);
            tokens.push(self.vocabulary.unknown);
        }
    }
}

/// The words of the chunk that is being filled.
#[derive(Default)]
struct Window {
    /// Where each is, and how many tokens it has.
    words: VecDeque<(Range<usize>, usize)>,
    tokens: usize,
}

impl Window {
    fn push(&mut self, range: Range<usize>, tokens: usize) {
        self.words.push_back((range, tokens));
        self.tokens += tokens;
    }

    /// Leaves the last words that the next chunk begins with. Together with the longest word,
    /// which has 100 tokens, they are far from filling it.
    fn shrink(&mut self) {
        while self.tokens > OVERLAP
            && let Some((_, tokens)) = self.words.pop_front()
        {
            self.tokens -= tokens;
        }
    }

    fn range(&self) -> Range<usize> {
        let start = self.words.front().map_or(0, |(range, _)| range.start);
        let end = self.words.back().map_or(0, |(range, _)| range.end);
        start..end
    }
}
