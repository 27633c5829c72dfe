//! Entries with all that is known of them, on their way out of a file or into one.

mod adopt;
mod export;

use serde::{Deserialize, Serialize};

use crate::knowledge::{
    Category, Identity, Key, Metadata, Revision, Source, Tags, Timestamp, Value, Version,
};

pub use adopt::Adopted;
pub(super) use adopt::{AdoptAll, preview};
pub use export::Exporter;

/// An entry and its past: one line of an export. Of what comes from elsewhere only the key and the
/// value are needed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Who said it.
    #[serde(default)]
    pub source: Source,
    /// What it belongs to.
    #[serde(default)]
    pub category: Category,
    /// What it is called.
    pub key: Key,
    /// What it says; `None` when the entry is gone and only its past is known.
    pub value: Option<Value>,
    /// About it.
    #[serde(default)]
    pub metadata: Metadata,
    /// Its labels.
    #[serde(default)]
    pub tags: Tags,
    /// Its revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// When it was first written, or first after it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When it was last written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// When it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// What it said before, oldest first; a version without a value is where it was deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Version>,
}

impl Record {
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
