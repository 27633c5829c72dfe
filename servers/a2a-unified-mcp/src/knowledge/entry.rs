//! An entry and its revisions.

use std::fmt;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Category, Invalid, Key, Metadata, Source, Tags, Timestamp, Value};

/// Which entry: there is one for each source, category and key.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct Identity {
    /// Who said it.
    #[serde(default)]
    pub source: Source,
    /// What it belongs to.
    #[serde(default)]
    pub category: Category,
    /// What it is called.
    pub key: Key,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.source, self.category, self.key)
    }
}

/// How often an entry has changed: 1 when it is first written, one more with each write and each
/// deletion, never the same again.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Revision(NonZeroU32);

impl Revision {
    /// That of an entry that was never written before.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// The number.
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl Revision {
    /// The one after it; `None` after the last that there can be.
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

impl TryFrom<i64> for Revision {
    type Error = Invalid;

    fn try_from(number: i64) -> Result<Self, Invalid> {
        let number = u32::try_from(number).ok().and_then(NonZeroU32::new);
        number.map(Self).ok_or(Invalid::Revision)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What must be so for a write to happen (optimistic locking).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// There is no such entry.
    Absent,
    /// The entry has this revision.
    Revision(Revision),
}

/// What shall be known: all of an entry that its writer decides.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Which entry.
    pub identity: Identity,
    /// What it says.
    pub value: Value,
    /// About it.
    pub metadata: Metadata,
    /// Its labels.
    pub tags: Tags,
    /// When it is gone; never when `None`.
    pub expires_at: Option<Timestamp>,
    /// What must be so; anything when `None`.
    pub expected: Option<Expected>,
}

impl Draft {
    /// That `identity` says `value`, for ever, whatever it said before.
    pub fn new(identity: Identity, value: Value) -> Self {
        Self {
            identity,
            value,
            metadata: Metadata::default(),
            tags: Tags::default(),
            expires_at: None,
            expected: None,
        }
    }

    /// All its words, by which it is found.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        let names = [self.identity.key.as_str(), self.identity.category.as_str()];
        let tags = self.tags.iter().map(super::Tag::as_str);
        names.into_iter().chain(tags).chain([self.value.as_str()])
    }
}

/// What is known.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Entry {
    /// A number that no other entry of the file has or had.
    pub id: i64,
    /// Which entry.
    #[serde(flatten)]
    pub identity: Identity,
    /// What it says.
    pub value: Value,
    /// About it.
    pub metadata: Metadata,
    /// Its labels.
    pub tags: Tags,
    /// How often it has changed.
    pub revision: Revision,
    /// When it was first written, or first after it was deleted.
    pub created_at: Timestamp,
    /// When it was last written.
    pub updated_at: Timestamp,
    /// When it is gone.
    pub expires_at: Option<Timestamp>,
}

impl Entry {
    /// About as much memory as it takes, in bytes.
    pub(crate) fn weight(&self) -> usize {
        let Identity {
            source,
            category,
            key,
        } = &self.identity;
        let names = source.as_str().len() + category.as_str().len() + key.as_str().len();
        let tags: usize = self.tags.iter().map(|tag| 48 + tag.as_str().len()).sum();
        // A value takes 32 bytes, and its text may be two.
        let metadata = serde_json::to_vec(&self.metadata).map_or(0, |text| 16 * text.len());
        size_of::<Self>() + names + self.value.as_str().len() + tags + metadata
    }
}

/// What an entry said from one write to the next.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Version {
    /// Its number.
    pub revision: Revision,
    /// What it said; `None` when the entry was deleted or expired.
    pub value: Option<Value>,
    /// About it.
    pub metadata: Metadata,
    /// Its labels.
    pub tags: Tags,
    /// When it was written, or the entry deleted.
    pub updated_at: Timestamp,
    /// When it was to be gone.
    pub expires_at: Option<Timestamp>,
}

/// That an entry changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Which entry.
    #[serde(flatten)]
    pub identity: Identity,
    /// The revision that it got: that of its deletion when it was deleted.
    pub revision: Revision,
}
