//! What an entry says: its value, metadata and tags.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::{Invalid, Tag};

/// The longest value, in bytes of UTF-8.
pub const MAX_VALUE_BYTES: usize = 1 << 20;
/// The largest metadata, in bytes of JSON without white space.
pub const MAX_METADATA_BYTES: usize = 64 << 10;
/// How deep metadata may nest, its own braces counted.
pub const MAX_METADATA_DEPTH: usize = 16;
/// The most tags of an entry.
pub const MAX_TAGS: usize = 32;

/// The text that is remembered: at most 1 MiB of UTF-8 without U+0000, where SQLite's text
/// functions would end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(inline)]
pub struct Value(#[schemars(length(max = 1_048_576))] String);

impl Value {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }
}

impl TryFrom<String> for Value {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        within("value", MAX_VALUE_BYTES, text.len())?;
        if text.contains('\0') {
            return Err(Invalid::Control {
                part: "value",
                character: '\0',
            });
        }
        Ok(Self(text))
    }
}

impl From<Value> for String {
    fn from(value: Value) -> Self {
        value.0
    }
}

/// A JSON object about an entry: at most 64 KiB, 16 levels deep.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Map<String, serde_json::Value>")]
#[schemars(inline)]
pub struct Metadata(Map<String, serde_json::Value>);

impl Metadata {
    /// The members of the object.
    pub fn members(&self) -> &Map<String, serde_json::Value> {
        &self.0
    }

    /// The members of the object.
    pub fn into_members(self) -> Map<String, serde_json::Value> {
        self.0
    }

    pub(crate) fn stored(members: Map<String, serde_json::Value>) -> Self {
        Self(members)
    }
}

impl TryFrom<Map<String, serde_json::Value>> for Metadata {
    type Error = Invalid;

    fn try_from(members: Map<String, serde_json::Value>) -> Result<Self, Invalid> {
        let depth = 1 + members.values().map(depth).max().unwrap_or(0);
        if depth > MAX_METADATA_DEPTH {
            return Err(Invalid::TooLong {
                part: "metadata",
                unit: "levels",
                max: MAX_METADATA_DEPTH,
                got: depth,
            });
        }
        let metadata = Self(members);
        let text = serde_json::to_string(&metadata.0).unwrap_or_default();
        within("metadata", MAX_METADATA_BYTES, text.len())?;
        Ok(metadata)
    }
}

/// Recursion as deep as the parser went, which stops at 128 levels.
fn depth(value: &serde_json::Value) -> usize {
    use serde_json::Value::{Array, Bool, Null, Number, Object, String};
    match value {
        Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        Null | Bool(_) | Number(_) | String(_) => 0,
    }
}

/// Labels of an entry: at most 32, each once, sorted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "BTreeSet<Tag>")]
#[schemars(inline)]
pub struct Tags(#[schemars(with = "Vec<Tag>", length(max = 32))] BTreeSet<Tag>);

impl Tags {
    /// The labels, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &Tag> {
        self.0.iter()
    }

    pub(crate) fn stored(tags: BTreeSet<Tag>) -> Self {
        Self(tags)
    }
}

impl TryFrom<BTreeSet<Tag>> for Tags {
    type Error = Invalid;

    fn try_from(tags: BTreeSet<Tag>) -> Result<Self, Invalid> {
        if tags.len() > MAX_TAGS {
            return Err(Invalid::TooLong {
                part: "list of tags",
                unit: "tags",
                max: MAX_TAGS,
                got: tags.len(),
            });
        }
        Ok(Self(tags))
    }
}

fn within(part: &'static str, max: usize, got: usize) -> Result<(), Invalid> {
    let unit = "bytes";
    if got > max {
        return Err(Invalid::TooLong {
            part,
            unit,
            max,
            got,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_to_their_bounds() {
        assert!(Value::try_from("x".repeat(MAX_VALUE_BYTES)).is_ok());
        assert!(Value::try_from("x".repeat(MAX_VALUE_BYTES + 1)).is_err());
        assert!(Value::try_from("a\0b".to_owned()).is_err());
        assert!(Value::try_from(String::new()).is_ok());
    }

    #[test]
    fn metadata_keeps_to_its_bounds() {
        let nested = |levels: usize| {
            let text = "{\"a\":".repeat(levels) + "1" + &"}".repeat(levels);
            serde_json::from_str::<Metadata>(&text)
        };
        assert!(nested(MAX_METADATA_DEPTH).is_ok());
        let deep = nested(MAX_METADATA_DEPTH + 1).unwrap_err();
        assert!(deep.to_string().contains("16 is the most"), "{deep}");
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_METADATA_BYTES));
        assert!(serde_json::from_str::<Metadata>(&large).is_err());
        assert!(serde_json::from_str::<Metadata>("[]").is_err());
    }

    #[test]
    fn tags_are_sorted_and_few() {
        let tags: Tags = serde_json::from_str(r#"["b","a","b"]"#).unwrap();
        assert_eq!(serde_json::to_string(&tags).unwrap(), r#"["a","b"]"#);
        let many: Vec<String> = (0..=MAX_TAGS).map(|n| n.to_string()).collect();
        let many = serde_json::to_string(&many).unwrap();
        assert!(serde_json::from_str::<Tags>(&many).is_err());
    }
}
