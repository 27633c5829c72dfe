//! How text becomes words: what the full-text index holds of it, and what a query asks of the index.
//!
//! The index splits text with FTS5's `unicode61` and stems with its `porter`. What those two cannot
//! see, the words within `getUserName` and within a run of Chinese, the writer puts beside the text
//! ([`parts()`]). [`fold()`] and [`stem`] do here what the index does, so that words can be compared.

mod fold;
mod parts;
mod stem;
mod stop;

pub(crate) use fold::{fold, stem_of};
pub(crate) use parts::{humps, is_unspaced, overlapping, parts, scripts};
pub(crate) use stop::{is_remains, is_stop};

/// Whether a character belongs to a word, as the index sees it: letters, marks and numbers.
pub(crate) fn is_word(character: char) -> bool {
    character.is_alphanumeric() || fold::is_mark(character)
}
