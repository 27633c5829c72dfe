//! What mcp-memory-service keeps: its SQLite database, or its export as JSON
//! (<https://github.com/doobidoo/mcp-memory-service>, `storage/sqlite_vec.py` and `sync/exporter.py`).
//! Vectors are left: ours are made anew by our model.

mod memory;
mod rows;

use std::path::Path;
use std::vec;

use serde::Deserialize;
use serde_json::Value as Json;

use super::text::Text;
use super::{GROUP, ImportError, Item};
use crate::store::StoreConfig;
use memory::Memory;
use rows::Rows;

/// The largest export, in bytes: it is one JSON value, which is held in memory.
const EXPORT_BYTES: u64 = 256 << 20;
/// The first bytes of a database (<https://sqlite.org/fileformat2.html>).
const DATABASE: &[u8; 16] = b"SQLite format 3\0";

/// A file that is being read.
pub(super) enum McpMemoryService {
    Database(Box<Rows>),
    Export(vec::IntoIter<Json>, usize),
}

#[derive(Deserialize)]
struct Export {
    memories: Vec<Json>,
}

impl McpMemoryService {
    pub(super) async fn open(file: &Path, config: &StoreConfig) -> Result<Self, ImportError> {
        let mut text = Text::open(file)?;
        let mut beginning = [0; DATABASE.len()];
        text.beginning(&mut beginning)?;
        if beginning == *DATABASE {
            let rows = Rows::open(file, config).await?;
            return Ok(Self::Database(Box::new(rows)));
        }
        let export = text.whole(EXPORT_BYTES)?;
        let export: Export = serde_json::from_slice(&export).map_err(|error| {
            ImportError::Unlike(format!(
                "the file is neither its database nor its export: {error}"
            ))
        })?;
        Ok(Self::Export(export.memories.into_iter(), 0))
    }

    pub(super) async fn next(&mut self) -> Result<Vec<Item>, ImportError> {
        match self {
            Self::Database(rows) => rows.next().await,
            Self::Export(memories, read) => {
                let group = memories.take(GROUP).map(|memory| {
                    *read += 1;
                    match serde_json::from_value::<Memory>(memory) {
                        Ok(memory) => memory.item(&format!("memory {read}")),
                        Err(error) => Item {
                            place: format!("memory {read}"),
                            record: Err(error.to_string()),
                        },
                    }
                });
                Ok(group.collect())
            }
        }
    }

    pub(super) fn left_out(&self) -> &[String] {
        match self {
            Self::Database(rows) => rows.left_out(),
            Self::Export(..) => &[],
        }
    }
}
