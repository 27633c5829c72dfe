//! What comes of files of other programs. Each is made here, as its program makes it.
#![expect(
    clippy::disallowed_methods,
    reason = "sets its stage with files of its own"
)]

mod mcp_memory_service;
mod original;
mod reference;

use std::path::PathBuf;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqliteConnection};

use super::*;
use crate::knowledge::{Entry, Identity};
use crate::store::Filter;

/// A store, and a directory for files of others.
struct Stage {
    store: Store,
    config: StoreConfig,
    directory: tempfile::TempDir,
}

/// What an import told.
#[derive(Debug, Default)]
struct Told {
    refused: Vec<String>,
    left_out: Vec<String>,
}

async fn stage() -> Stage {
    let directory = tempfile::tempdir().unwrap();
    let config = StoreConfig::default();
    let file = directory.path().join("data/knowledge.db");
    Stage {
        store: Store::open(&file, &config).await.unwrap(),
        config,
        directory,
    }
}

impl Stage {
    fn text(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A database that these statements make, closed.
    async fn database(&self, name: &str, script: &str) -> PathBuf {
        let path = self.directory.path().join("theirs").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let made = made(&path, script).await;
        made.close().await.unwrap();
        path
    }

    async fn import(
        &self,
        (origin, file): (Origin, &Path),
        options: &Options,
    ) -> (Result<Outcome, ImportError>, Told) {
        let mut told = Told::default();
        let mut tell = |event: Event<'_>| match event {
            Event::Refused { place, reason } => told.refused.push(format!("{place}: {reason}")),
            Event::LeftOut(what) => told.left_out.push(what.to_owned()),
            Event::Progress(_) => {}
        };
        let to = (&self.store, &self.config);
        let outcome = import((origin, file), to, options, &mut tell).await;
        (outcome, told)
    }

    /// Takes over all that there is, after a dry run that must foresee it and write nothing, and again,
    /// which must change nothing.
    async fn all(&self, origin: Origin, file: &Path) -> (Outcome, Told) {
        let before = self.store.token().await.unwrap();
        let dry = Options {
            dry_run: true,
            ..Options::default()
        };
        let foreseen = self.import((origin, file), &dry).await.0.unwrap();
        assert_eq!(self.store.token().await.unwrap(), before);

        let theirs = std::fs::read(file).unwrap();
        let (outcome, told) = self.import((origin, file), &Options::default()).await;
        let outcome = outcome.unwrap();
        assert_eq!(foreseen, outcome);
        let created = outcome.adopted.created;
        let refused = u64::try_from(told.refused.len()).unwrap();
        assert_eq!(outcome.refused, refused, "{told:?}");
        assert_eq!(created + refused, outcome.read, "nothing is lost");
        let mut copies = std::fs::read_dir(self.store.path().parent().unwrap()).unwrap();
        assert!(!copies.any(|entry| {
            let name = entry.unwrap().file_name();
            name.to_string_lossy().contains("import")
        }));

        let after = self.store.token().await.unwrap();
        for on_conflict in [OnConflict::Skip, OnConflict::Overwrite, OnConflict::Newer] {
            let again = Options {
                on_conflict,
                ..Options::default()
            };
            let again = self.import((origin, file), &again).await.0.unwrap();
            let expect = Adopted {
                skipped: created,
                ..Adopted::default()
            };
            assert_eq!(again.adopted, expect, "{on_conflict:?}");
        }
        assert_eq!(self.store.token().await.unwrap(), after);
        assert_eq!(std::fs::read(file).unwrap(), theirs, "only read");
        (outcome, told)
    }

    async fn entry(&self, identity: &str) -> Entry {
        let mut parts = identity.splitn(3, '/');
        let mut part = || parts.next().unwrap();
        let identity = Identity {
            source: part().parse().unwrap(),
            category: part().parse().unwrap(),
            key: part().parse().unwrap(),
        };
        let found = self.store.get(&identity).await.unwrap();
        found.unwrap_or_else(|| panic!("no {identity}"))
    }

    async fn keys(&self) -> Vec<String> {
        let most = std::num::NonZeroU32::new(100).unwrap();
        let page = self.store.list(&Filter::default(), None, most).await;
        let entries = page.unwrap().entries.into_iter();
        let mut keys: Vec<_> = entries.map(|entry| entry.identity.to_string()).collect();
        keys.sort();
        keys
    }
}

async fn made(path: &Path, script: &str) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path);
    let mut making = options.create_if_missing(true).connect().await.unwrap();
    let script = sqlx::raw_sql(AssertSqlSafe(script));
    script.execute(&mut making).await.unwrap();
    making
}

/// The names beside a file.
fn beside(file: &Path) -> Vec<String> {
    let names = std::fs::read_dir(file.parent().unwrap()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

fn json(entry: &Entry) -> serde_json::Value {
    entry.metadata.members().clone().into()
}
