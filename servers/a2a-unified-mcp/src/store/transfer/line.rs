//! A line as it is written, before it is known whose it is.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Map;

use super::Record;
use crate::knowledge::{
    Category, Invalid, Key, Metadata, Revision, Source, Tag, Tags, Timestamp, Value, Version,
};

/// The last revision that may be brought in: there is room for as many again.
const LAST_REVISION: u32 = 1 << 31;

/// The members of a line. One with revisions was exported: the names and values of the original system,
/// which knew no bounds, come back as they were. Any other keeps to the bounds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    source: Option<String>,
    category: Option<String>,
    key: String,
    value: Option<String>,
    #[serde(default)]
    metadata: Map<String, serde_json::Value>,
    #[serde(default)]
    tags: BTreeSet<String>,
    revision: Option<Revision>,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    #[serde(default)]
    history: Vec<Past>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Past {
    revision: Revision,
    value: Option<String>,
    #[serde(default)]
    metadata: Map<String, serde_json::Value>,
    #[serde(default)]
    tags: BTreeSet<String>,
    updated_at: Timestamp,
    expires_at: Option<Timestamp>,
}

impl TryFrom<Line> for Record {
    type Error = Invalid;

    fn try_from(line: Line) -> Result<Self, Invalid> {
        let was_exported = line.revision.is_some() || !line.history.is_empty();
        let source = line
            .source
            .map(|text| named(text, was_exported, Source::stored));
        let category = line
            .category
            .map(|text| named(text, was_exported, Category::stored));
        let value = line
            .value
            .map(|text| named(text, was_exported, Value::stored));
        let revision = line.revision.map(within).transpose()?;
        Ok(Self {
            source: source.transpose()?.unwrap_or_default(),
            category: category.transpose()?.unwrap_or_default(),
            key: named(line.key, was_exported, Key::stored)?,
            value: value.transpose()?,
            metadata: named(line.metadata, was_exported, Metadata::stored)?,
            tags: tags(line.tags, was_exported)?,
            revision,
            created_at: line.created_at,
            updated_at: line.updated_at,
            expires_at: line.expires_at,
            history: line
                .history
                .into_iter()
                .map(Past::version)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl Past {
    fn version(self) -> Result<Version, Invalid> {
        Ok(Version {
            revision: within(self.revision)?,
            value: self.value.map(Value::stored),
            metadata: Metadata::stored(self.metadata),
            tags: tags(self.tags, true)?,
            updated_at: self.updated_at,
            expires_at: self.expires_at,
        })
    }
}

fn within(revision: Revision) -> Result<Revision, Invalid> {
    if revision.get() > LAST_REVISION {
        return Err(Invalid::Revision);
    }
    Ok(revision)
}

fn named<T, N: TryFrom<T, Error = Invalid>>(
    given: T,
    was_exported: bool,
    stored: impl FnOnce(T) -> N,
) -> Result<N, Invalid> {
    if was_exported {
        Ok(stored(given))
    } else {
        given.try_into()
    }
}

fn tags(given: BTreeSet<String>, were_exported: bool) -> Result<Tags, Invalid> {
    let tags = given
        .into_iter()
        .map(|tag| named(tag, were_exported, Tag::stored));
    named(
        tags.collect::<Result<BTreeSet<_>, _>>()?,
        were_exported,
        Tags::stored,
    )
}
