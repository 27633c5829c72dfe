//! Other names of files that are protected by name (hard links).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::resolve::Identity;
use super::{Intent, Protection, Roots};

/// Entries of each root that are looked at, nearest first: about 15 ms of work.
const ENTRIES: usize = 10_000;
/// How long an answer is kept, so that reading many linked files takes one search.
const FRESH: Duration = Duration::from_secs(1);

/// The protected files that have other names too.
#[derive(Debug, Default)]
pub(super) struct Linked(Mutex<Option<Found>>);

#[derive(Debug)]
struct Found {
    at: Instant,
    files: HashMap<Identity, (Protection, String)>,
}

impl Linked {
    /// The rule by name that protects `file` under another name, if that one is among the nearest
    /// entries of a root. Asked only about files with several names.
    pub(super) fn rule(&self, roots: &Roots, file: Identity, intent: Intent) -> Option<String> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = kept.take().filter(|found| found.at.elapsed() < FRESH);
        let found = kept.insert(fresh.unwrap_or_else(|| Found {
            files: roots.linked_files(ENTRIES),
            at: Instant::now(),
        }));
        let (protection, rule) = found.files.get(&file)?;
        protection.forbids(intent).then(|| rule.clone())
    }
}
