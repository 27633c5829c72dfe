//! The file of the memory server among MCP's reference servers: a line for each entity and relation
//! (<https://github.com/modelcontextprotocol/servers/blob/main/src/memory/index.ts>).
//!
//! An entity becomes an entry; its relations stand in the metadata. Those of an entity that is not in
//! the file, or that has more than metadata can hold, become an entry of their own: nothing but its
//! text says that they are there.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::text::{LONGEST_LINE, Text};
use super::{GROUP, GROUP_BYTES, ImportError, Item, shown};
use crate::knowledge::{Category, Metadata, Source, Tags, Timestamp, Value};
use crate::store::Record;

/// The category of relations that stand alone.
const RELATION: &str = "relation";
/// Bytes of all lines of relations, which are held in memory.
const RELATION_BYTES: usize = 256 << 20;

/// A line. What a fork of that server added to it is kept.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Parsed {
    Entity(Entity),
    Relation(Relation),
}

#[derive(Deserialize)]
struct Entity {
    name: String,
    #[serde(default, rename = "entityType")]
    kind: String,
    #[serde(default)]
    observations: Vec<Json>,
    #[serde(flatten)]
    more: Map<String, Json>,
}

#[derive(Deserialize)]
struct Relation {
    from: String,
    to: String,
    #[serde(default, rename = "relationType")]
    kind: String,
    #[serde(flatten)]
    more: Map<String, Json>,
}

/// A file that is being read.
pub(super) struct Reference {
    lines: Text,
    /// By the entity that they begin at; taken out when that is read.
    relations: BTreeMap<String, Vec<Relation>>,
    /// When the file was written: that an entity was, is not in it.
    modified: Option<Timestamp>,
}

impl Reference {
    /// Reads the relations, which that server writes after the entities.
    pub(super) fn open(file: &Path) -> Result<Self, ImportError> {
        let mut lines = Text::open(file)?;
        let mut relations = BTreeMap::<String, Vec<Relation>>::new();
        let mut bytes = 0;
        while let Some((_, line)) = lines.next()? {
            let line = line.unwrap_or_default();
            if let Ok(Parsed::Relation(relation)) = serde_json::from_slice(&line) {
                bytes += line.len();
                if bytes > RELATION_BYTES {
                    let text = format!("the relations have more than {RELATION_BYTES} bytes");
                    return Err(ImportError::Unlike(text));
                }
                let from = relation.from.clone();
                relations.entry(from).or_default().push(relation);
            }
        }
        lines.rewind()?;
        Ok(Self {
            modified: lines.modified(),
            lines,
            relations,
        })
    }

    pub(super) fn next(&mut self) -> Result<Vec<Item>, ImportError> {
        let (mut items, mut bytes) = (Vec::new(), 0);
        while items.len() < GROUP && bytes < GROUP_BYTES {
            let Some((number, line)) = self.lines.next()? else {
                break;
            };
            bytes += line.as_ref().map_or(0, Vec::len);
            self.take(number, line.as_deref(), &mut items);
        }
        // Another process that writes the file cuts it short first.
        self.lines.ensure_unchanged()?;
        while items.len() < GROUP
            && bytes < GROUP_BYTES
            && let Some((from, relations)) = self.relations.pop_first()
        {
            bytes += relations.len();
            items.push(self.alone(&from, &relations));
        }
        Ok(items)
    }

    fn take(&mut self, number: u64, line: Option<&[u8]>, items: &mut Vec<Item>) {
        let refused = |reason: String| Item {
            place: format!("line {number}"),
            record: Err(reason),
        };
        let Some(line) = line else {
            let reason = format!("it is longer than {LONGEST_LINE} bytes");
            return items.push(refused(reason));
        };
        match serde_json::from_slice(line) {
            Ok(Parsed::Entity(entity)) => self.entity(number, entity, items),
            Ok(Parsed::Relation(_)) => {}
            Err(error) => items.push(refused(error.to_string())),
        }
    }

    fn entity(&mut self, number: u64, mut entity: Entity, items: &mut Vec<Item>) {
        let relations = self.relations.remove(&entity.name).unwrap_or_default();
        let told = relations.iter().map(Relation::told).collect::<Vec<_>>();
        let mut members = std::mem::take(&mut entity.more);
        let without = members.clone();
        if !told.is_empty() {
            members.insert("relations".to_owned(), told.into());
        }
        let (metadata, relations) = match Metadata::try_from(members) {
            Ok(metadata) => (Ok(metadata), Vec::new()),
            Err(_) => (Metadata::try_from(without), relations),
        };
        let place = format!("line {number}, entity `{}`", shown(&entity.name));
        let alone = (!relations.is_empty()).then(|| self.alone(&entity.name, &relations));
        let record = metadata
            .map_err(|error| error.to_string())
            .and_then(|metadata| {
                let lines = entity.observations.into_iter().map(|line| {
                    let text = line.as_str().map(str::to_owned);
                    text.unwrap_or_else(|| line.to_string())
                });
                let value = lines.collect::<Vec<_>>().join("\n");
                self.record((entity.kind, entity.name), value, metadata)
            });
        items.push(Item { place, record });
        items.extend(alone);
    }

    /// An entry that says nothing but relations.
    fn alone(&self, from: &str, relations: &[Relation]) -> Item {
        let lines = relations.iter().map(|relation| {
            let Relation { from, to, kind, .. } = relation;
            format!("{from} {kind} {to}")
        });
        let value = lines.collect::<Vec<_>>().join("\n");
        let told = relations.iter().map(Relation::told).collect::<Vec<_>>();
        let members = Map::from_iter([("relations".to_owned(), told.into())]);
        let metadata = Metadata::try_from(members).unwrap_or_default();
        Item {
            place: format!("relations of `{}`", shown(from)),
            record: self.record((RELATION.to_owned(), from.to_owned()), value, metadata),
        }
    }

    fn record(
        &self,
        (category, key): (String, String),
        value: String,
        metadata: Metadata,
    ) -> Result<Record, String> {
        let category = if category.trim().is_empty() {
            Ok(Category::default())
        } else {
            Category::try_from(category)
        };
        let record = || {
            Ok(Record {
                source: Source::default(),
                category: category?,
                key: key.try_into()?,
                value: Some(Value::try_from(value)?),
                metadata,
                tags: Tags::default(),
                revision: None,
                created_at: self.modified,
                updated_at: self.modified,
                expires_at: None,
                history: Vec::new(),
            })
        };
        record().map_err(|error: crate::knowledge::Invalid| error.to_string())
    }
}

impl Relation {
    /// As it stands in the metadata of the entity that it begins at.
    fn told(&self) -> Json {
        let mut members = self.more.clone();
        members.insert("to".to_owned(), self.to.as_str().into());
        members.insert("type".to_owned(), self.kind.as_str().into());
        members.into()
    }
}
