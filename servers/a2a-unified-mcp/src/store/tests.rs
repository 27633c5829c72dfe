//! What the store promises.

mod clock;
mod embedding;
mod entries;
mod files;
mod group;
mod lists;
mod moments;
mod original;
mod transfer;

use std::num::NonZeroU32;
use std::path::PathBuf;

use super::*;
use crate::knowledge::{Category, Expected, Key, Source, Value};

/// A store in a directory of its own.
struct Stage {
    store: Store,
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl std::ops::Deref for Stage {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

async fn stage() -> Stage {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data/knowledge.db");
    let store = open(&path).await.unwrap();
    Stage {
        store,
        path,
        _directory: directory,
    }
}

async fn open(path: &Path) -> Result<Store, StoreError> {
    Store::open(path, &StoreConfig::default()).await
}

fn identity(key: &str) -> Identity {
    Identity {
        source: Source::default(),
        category: Category::default(),
        key: key.parse::<Key>().unwrap(),
    }
}

fn draft(key: &str, value: &str) -> Draft {
    Draft::new(identity(key), Value::try_from(value.to_owned()).unwrap())
}

fn revision(number: i64) -> Revision {
    Revision::try_from(number).unwrap()
}

fn most(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

fn expecting(mut draft: Draft, expected: Expected) -> Draft {
    draft.expected = Some(expected);
    draft
}

async fn value(store: &Store, key: &str) -> Option<String> {
    let entry = store.get(&identity(key)).await.unwrap();
    entry.map(|entry| entry.value.into())
}

/// Keys that the full-text index has for a term.
async fn indexed(store: &Store, term: &str) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT k.key FROM knowledge_fts AS f JOIN knowledge AS k ON k.id = f.rowid
        WHERE knowledge_fts MATCH ?1 ORDER BY k.key",
    )
    .bind(term)
    .fetch_all(&store.readers)
    .await
    .unwrap()
}
