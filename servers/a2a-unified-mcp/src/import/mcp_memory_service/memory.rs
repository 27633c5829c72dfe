//! A memory of that server as an entry.
//!
//! Memories have no names there, only hashes. A person who lists or completes keys looks for what a
//! memory is about, and an agent may know its hash: so the key is the first words, then the beginning of
//! the hash, which keeps memories apart that begin alike and makes a second import meet the first.

use std::collections::BTreeSet;
use std::time::Duration;

use mcp_security::files::Digest;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::super::{Item, shown, time};
use crate::knowledge::{
    Category, Invalid, MAX_TAGS, Metadata, Source, Tag, Tags, Timestamp, Value,
};
use crate::store::Record;

/// Characters of the first words in a key.
const WORDS_CHARS: usize = 60;
/// Characters of the hash in a key: 48 bits.
const HASH_CHARS: usize = 12;
/// What a memory that another one took the place of is tagged with.
const SUPERSEDED: &str = "superseded";
/// Seconds above this are milliseconds: they would lie past the year 5000.
const MOST_SECONDS: f64 = 1e11;

/// A memory.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Memory {
    pub(super) content: String,
    pub(super) content_hash: Option<String>,
    pub(super) tags: Listed,
    #[serde(rename = "memory_type")]
    pub(super) kind: Option<String>,
    pub(super) metadata: Json,
    pub(super) created_at: When,
    pub(super) updated_at: When,
}

/// Tags, as a list or as one text with commas.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Listed {
    List(Vec<String>),
    Text(Option<String>),
}

/// A time: seconds since 1970 with a fraction, in milliseconds, or as text.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
pub(super) enum When {
    #[default]
    Unknown,
    Number(f64),
    Text(String),
}

impl Default for Listed {
    fn default() -> Self {
        Self::Text(None)
    }
}

impl Memory {
    /// As an entry, which is called after its key.
    pub(super) fn item(self, place: &str) -> Item {
        let hash = self
            .content_hash
            .clone()
            .unwrap_or_else(|| Digest::of(self.content.as_bytes()).to_string());
        let key = key(&self.content, &hash);
        Item {
            place: format!("{place}, `{}`", shown(&key)),
            record: self.record(key, hash).map_err(|error| error.to_string()),
        }
    }

    fn record(self, key: String, hash: String) -> Result<Record, Invalid> {
        let mut members = match self.metadata {
            Json::Object(members) => members,
            Json::Null => Map::new(),
            other @ (Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_)) => {
                Map::from_iter([("metadata".to_owned(), other)])
            }
        };
        let tags = tags(self.tags.into_list(), &mut members);
        members.insert("content_hash".to_owned(), hash.into());
        let category = self.kind.filter(|kind| !kind.trim().is_empty());
        let created = self.created_at.time();
        Ok(Record {
            source: Source::default(),
            category: category.map_or(Ok(Category::default()), TryInto::try_into)?,
            key: key.try_into()?,
            value: Some(Value::try_from(self.content)?),
            metadata: Metadata::try_from(members)?,
            tags: Tags::try_from(tags)?,
            revision: None,
            created_at: created,
            updated_at: self.updated_at.time().or(created),
            expires_at: None,
            history: Vec::new(),
        })
    }
}

/// The first words of the content, and the beginning of the hash.
fn key(content: &str, hash: &str) -> String {
    let mut key = String::new();
    let mut chars = 0;
    let markup = |character: char| matches!(character, '#' | '*' | '-' | '>');
    let words = content.split_whitespace();
    for word in words.skip_while(|word| word.chars().all(markup)) {
        let word: String = word.chars().filter(|one| !one.is_control()).collect();
        let length = word.chars().count();
        if chars > 0 && chars + 1 + length > WORDS_CHARS {
            break;
        }
        if chars > 0 {
            key.push(' ');
        }
        // One long word, as texts without spaces are, is cut.
        key.extend(word.chars().take(WORDS_CHARS));
        chars += 1 + length.min(WORDS_CHARS);
    }
    if !key.is_empty() {
        key.push(' ');
    }
    key.push('#');
    key.extend(hash.chars().take(HASH_CHARS));
    key
}

/// The tags that can be tags; all of them stand in the metadata when one cannot.
fn tags(named: Vec<String>, members: &mut Map<String, Json>) -> BTreeSet<Tag> {
    let mut tags = BTreeSet::new();
    let mut all_fit = true;
    for name in &named {
        match name.parse::<Tag>() {
            Ok(tag) if tags.len() < MAX_TAGS || tags.contains(&tag) => {
                tags.insert(tag);
            }
            Ok(_) | Err(_) => all_fit = false,
        }
    }
    if !all_fit {
        members.insert("tags".to_owned(), named.into());
    }
    if let Some(Json::String(by)) = members.get("superseded_by")
        && !by.is_empty()
        && tags.len() < MAX_TAGS
        && let Ok(tag) = SUPERSEDED.parse()
    {
        tags.insert(tag);
    }
    tags
}

impl Listed {
    fn into_list(self) -> Vec<String> {
        let list = match self {
            Self::List(list) => list,
            Self::Text(None) => Vec::new(),
            // Written by hand, or by its import scripts.
            Self::Text(Some(text)) if text.starts_with('[') => serde_json::from_str(&text)
                .unwrap_or_else(|_| text.split(',').map(str::to_owned).collect()),
            Self::Text(Some(text)) => text.split(',').map(str::to_owned).collect(),
        };
        let trimmed = list.into_iter().map(|tag| tag.trim().to_owned());
        trimmed.filter(|tag| !tag.is_empty()).collect()
    }
}

impl When {
    fn time(&self) -> Option<Timestamp> {
        match self {
            Self::Unknown => None,
            Self::Number(number) => {
                let seconds = if *number > MOST_SECONDS {
                    *number / 1000.0
                } else {
                    *number
                };
                let since = Duration::try_from_secs_f64(seconds).ok()?;
                let micros = i64::try_from(since.as_micros()).ok()?;
                Some(time((micros + 500) / 1000))
            }
            Self::Text(text) => text.parse().ok(),
        }
    }
}
