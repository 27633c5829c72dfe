//! What one subscriber wants to hear of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mcp_toolcall::Changed;

use super::connection::Place;

/// What a subscriber wants to hear of; clones are of the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted(Arc<Mutex<Wishes>>);

#[derive(Debug, Default)]
struct Wishes {
    /// The client's spelling by the canonical one, and the room it takes.
    resources: BTreeMap<String, (String, Option<Place>)>,
    list: bool,
}

/// What a subscriber is to be told of.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct Due {
    /// Canonical spellings.
    pub(super) resources: BTreeSet<String>,
    pub(super) list: bool,
}

impl Wanted {
    /// Resources by their canonical spellings, and whether to tell of the list.
    pub(crate) fn fixed(resources: impl Iterator<Item = (String, String)>, list: bool) -> Self {
        let resources = resources.map(|(canonical, uri)| (canonical, (uri, None)));
        Self(Arc::new(Mutex::new(Wishes {
            resources: resources.collect(),
            list,
        })))
    }

    pub(super) fn add(&self, canonical: String, uri: String, place: Place) {
        self.lock().resources.insert(canonical, (uri, Some(place)));
    }

    pub(super) fn add_list(&self) {
        self.lock().list = true;
    }

    pub(super) fn remove(&self, canonical: &str) {
        self.lock().resources.remove(canonical);
    }

    pub(super) fn has(&self, canonical: &str) -> bool {
        self.lock().resources.contains_key(canonical)
    }

    pub(super) fn is_empty(&self) -> bool {
        let wishes = self.lock();
        wishes.resources.is_empty() && !wishes.list
    }

    /// The client's spelling of a resource that it still wants to hear of.
    pub(super) fn spelling(&self, canonical: &str) -> Option<String> {
        let wishes = self.lock();
        wishes.resources.get(canonical).map(|(uri, _)| uri.clone())
    }

    /// What of the changes is wanted, each once.
    pub(super) fn due(&self, pieces: &[Arc<Changed>]) -> Due {
        let wishes = self.lock();
        let list = wishes.list && pieces.iter().any(|changed| changed.list);
        let resources = if pieces.iter().any(|changed| changed.anything) {
            wishes.resources.keys().cloned().collect()
        } else {
            let changed = pieces.iter().flat_map(|changed| &changed.uris);
            let wanted = changed.filter(|uri| wishes.resources.contains_key(*uri));
            wanted.cloned().collect()
        };
        Due { resources, list }
    }

    fn lock(&self) -> MutexGuard<'_, Wishes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wanted_change_is_due_once() {
        let resources = [("m:a", "M:a"), ("m:b", "m:b")];
        let resources = resources.map(|(canonical, uri)| (canonical.to_owned(), uri.to_owned()));
        let wanted = Wanted::fixed(resources.clone().into_iter(), false);
        let changed = |uris: &[&str], list| {
            Arc::new(Changed {
                uris: uris.iter().map(|uri| (*uri).to_owned()).collect(),
                list,
                anything: false,
            })
        };
        let pieces = [changed(&["m:a", "m:c"], true), changed(&["m:a"], false)];
        let due = wanted.due(&pieces);
        assert_eq!(due.resources, BTreeSet::from(["m:a".to_owned()]));
        assert!(!due.list, "nobody asked for the list");
        assert_eq!(wanted.spelling("m:a").as_deref(), Some("M:a"));

        let wanted = Wanted::fixed(resources.into_iter(), true);
        let due = wanted.due(&[Arc::new(Changed::anything())]);
        assert_eq!((due.resources.len(), due.list), (2, true));
    }
}
