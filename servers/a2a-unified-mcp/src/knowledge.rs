//! What an entry is: names, text, times and revisions, each within its bounds.

mod content;
mod entry;
mod name;
mod time;

pub use content::{MAX_METADATA_BYTES, MAX_METADATA_DEPTH, MAX_TAGS, MAX_VALUE_BYTES};
pub use content::{Metadata, Tags, Value};
pub use entry::{Change, Draft, Entry, Expected, Identity, Revision, Version};
pub use name::{Category, Key, Source, Tag};
pub use time::Timestamp;

/// A part of an entry is out of its bounds. The text names the bound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Nothing, or only white space.
    #[error("the {part} is empty")]
    Empty {
        /// Which part.
        part: &'static str,
    },
    /// More than may be stored.
    #[error("the {part} has {got} {unit}; {max} is the most")]
    TooLong {
        /// Which part.
        part: &'static str,
        /// What is counted.
        unit: &'static str,
        /// The bound.
        max: usize,
        /// What was given.
        got: usize,
    },
    /// A control character (Unicode category Cc) in a name, or U+0000 in a value.
    #[error("the {part} holds a control character, U+{:04X}", u32::from(*character))]
    Control {
        /// Which part.
        part: &'static str,
        /// The first one.
        character: char,
    },
    /// A revision is at least 1.
    #[error("a revision is a whole number from 1 to 2147483648")]
    Revision,
    /// Not a time of RFC 3339.
    #[error("not a time like 2026-01-31T12:00:00Z (RFC 3339, from 1970 to 9999)")]
    Time,
}
