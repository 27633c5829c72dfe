//! The names that entries get: those that were asked for, and each only once.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use super::Options;
use crate::knowledge::{Category, Invalid, Metadata, Source};
use crate::store::Record;

impl Options {
    /// The record under the names that were asked for; those that it had are kept in its metadata.
    pub(super) fn place(&self, mut record: Record) -> Result<Record, Invalid> {
        let mut was = Vec::new();
        if let Some(source) = &self.source {
            let before = std::mem::replace(&mut record.source, source.clone());
            was.extend((before != *source && before != Source::default()).then(|| {
                let before = String::from(before);
                ("source", before)
            }));
        }
        if let Some(category) = &self.category {
            let before = std::mem::replace(&mut record.category, category.clone());
            was.extend(
                (before != *category && before != Category::default()).then(|| {
                    let before = String::from(before);
                    ("category", before)
                }),
            );
        }
        if !was.is_empty() {
            let mut members = record.metadata.into_members();
            for (name, before) in was {
                members.entry(name).or_insert(before.into());
            }
            record.metadata = Metadata::try_from(members)?;
        }
        Ok(record)
    }
}

/// The names that were read, 16 bytes of a hash each: a second entry of the same name would be taken
/// for one that was there before, and be lost.
#[derive(Default)]
pub(super) struct Seen(HashSet<[u8; 16]>);

impl Seen {
    pub(super) fn first(&mut self, record: &Record) -> Result<(), String> {
        let mut hash = Sha256::new();
        for part in [
            record.source.as_str(),
            record.category.as_str(),
            record.key.as_str(),
        ] {
            hash.update(part);
            hash.update([0]);
        }
        let digest = hash.finalize();
        let mut name = [0; 16];
        name.iter_mut()
            .zip(digest)
            .for_each(|(to, from)| *to = from);
        if self.0.insert(name) {
            return Ok(());
        }
        let identity = record.identity();
        Err(format!(
            "the file has another entry that becomes {identity}"
        ))
    }
}
