//! Entries with all that is known of them, on their way out of a file or into one.

mod adopt;
mod export;
mod line;

use serde::{Deserialize, Serialize};

use crate::knowledge::{
    Category, Entry, Identity, Key, Metadata, Revision, Source, Tags, Timestamp, Value, Version,
};

pub use adopt::Adopted;
pub(super) use adopt::{AdoptAll, preview};
pub use export::Exporter;

/// An entry and its past, or a part of it: one line of an export. Of what comes from elsewhere only
/// the key and the value are needed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "line::Line")]
pub struct Record {
    /// Who said it.
    pub source: Source,
    /// What it belongs to.
    pub category: Category,
    /// What it is called.
    pub key: Key,
    /// What it says; `None` when the entry is gone, or comes in a later record.
    pub value: Option<Value>,
    /// About it.
    pub metadata: Metadata,
    /// Its labels.
    pub tags: Tags,
    /// Its revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// When it was first written, or first after it was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When it was last written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// When it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// What it said before, oldest first; a version without a value is where it was deleted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Version>,
}

impl Record {
    /// An entry with the last of its past.
    fn of(entry: Entry, history: Vec<Version>) -> Self {
        Self {
            source: entry.identity.source,
            category: entry.identity.category,
            key: entry.identity.key,
            value: Some(entry.value),
            metadata: entry.metadata,
            tags: entry.tags,
            revision: Some(entry.revision),
            created_at: Some(entry.created_at),
            updated_at: Some(entry.updated_at),
            expires_at: entry.expires_at,
            history,
        }
    }

    /// A past alone.
    fn past(identity: &Identity, history: Vec<Version>) -> Self {
        let Identity {
            source,
            category,
            key,
        } = identity.clone();
        Self {
            source,
            category,
            key,
            value: None,
            metadata: Metadata::default(),
            tags: Tags::default(),
            revision: None,
            created_at: None,
            updated_at: None,
            expires_at: None,
            history,
        }
    }

    /// Which entry.
    pub fn identity(&self) -> Identity {
        Identity {
            source: self.source.clone(),
            category: self.category.clone(),
            key: self.key.clone(),
        }
    }
}

/// What becomes of an entry that is there already.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum OnConflict {
    /// It stays as it is.
    #[default]
    Skip,
    /// It says what the import says, as a new revision.
    Overwrite,
    /// The same, if the import's entry was written later.
    Newer,
    /// Nothing of the group that it is in is written.
    Fail,
}
