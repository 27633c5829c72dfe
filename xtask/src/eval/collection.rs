//! Documents, queries and judgements as files.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// The longest key that the server takes, in characters.
const MAX_KEY_CHARS: usize = 1024;

pub(super) struct Collection {
    title: String,
    pub(super) documents: Vec<Document>,
    /// Those that have judgements.
    pub(super) queries: Vec<Query>,
}

pub(super) struct Document {
    pub(super) id: String,
    title: String,
    pub(super) text: String,
}

pub(super) struct Query {
    pub(super) text: String,
    /// How relevant each judged document is.
    pub(super) gains: HashMap<String, f64>,
}

impl Collection {
    pub(super) fn read(directory: &Path) -> Result<Self> {
        let read = |name: &str| {
            let path = directory.join(name);
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        let mut gains: HashMap<String, HashMap<String, f64>> = HashMap::new();
        for line in read("qrels.tsv")?.lines().skip(1) {
            let mut fields = line.split('\t');
            let mut field = || fields.next().context("a judgement with too few fields");
            let (query, document, gain) = (field()?, field()?, field()?);
            let of_query = gains.entry(query.to_owned()).or_default();
            of_query.insert(document.to_owned(), gain.trim().parse()?);
        }
        let mut documents = Vec::new();
        for line in read("corpus.jsonl")?.lines() {
            let line: Value = serde_json::from_str(line)?;
            documents.push(Document {
                id: text(&line, "_id")?,
                title: text(&line, "title").unwrap_or_default(),
                text: text(&line, "text")?,
            });
        }
        let mut queries = Vec::new();
        for line in read("queries.jsonl")?.lines() {
            let line: Value = serde_json::from_str(line)?;
            let judged = gains.remove(&text(&line, "_id")?);
            if let Some(gains) = judged.filter(|gains| gains.values().any(|gain| *gain > 0.0)) {
                let text = text(&line, "text")?;
                queries.push(Query { text, gains });
            }
        }
        let name = directory.file_name().unwrap_or_default();
        Ok(Self {
            title: name.to_string_lossy().into_owned(),
            documents,
            queries,
        })
    }

    pub(super) fn title(&self) -> &str {
        &self.title
    }
}

impl Document {
    /// Its title, which the number makes its own.
    pub(super) fn key(&self) -> String {
        let id = &self.id;
        let room = MAX_KEY_CHARS.saturating_sub(id.chars().count() + 1);
        let title: String = self.title.split_whitespace().collect::<Vec<_>>().join(" ");
        let title: String = title.chars().take(room).collect();
        format!("{title} {id}").trim().to_owned()
    }
}

fn text(line: &Value, name: &str) -> Result<String> {
    let text = line.get(name).and_then(Value::as_str);
    Ok(text
        .with_context(|| format!("a line without {name}"))?
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_short_and_different() {
        let document = |id: &str, title: String| Document {
            id: id.to_owned(),
            title,
            text: String::new(),
        };
        assert_eq!(document("7", " a\n title ".to_owned()).key(), "a title 7");
        assert_eq!(document("7", String::new()).key(), "7");
        assert_eq!(document("7", "x".repeat(2000)).key().chars().count(), 1024);
    }
}
