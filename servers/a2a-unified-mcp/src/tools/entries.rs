//! Tools about entries, one or a list at a time.

pub mod forget;
pub mod forget_where;
pub mod list_memories;
pub mod memory_history;
pub mod recall;
pub mod remember;
pub mod restore_memory;

use mcp_toolcall::{Code, ToolError};

use crate::knowledge::{Identity, Key};
use crate::store::{Store, StoreError};
use crate::tools::explain;

/// Names that are suggested at most.
const SUGGESTIONS: u32 = 3;
/// Keys of a category that are compared with one that is not there.
const COMPARED: u32 = 1000;
/// Characters of a key that are compared: the time grows with their square.
const COMPARED_CHARS: usize = 64;
/// How alike a key must be to be suggested, 0 to 1.
const ALIKE: f64 = 0.5;

/// That there is no such entry, with the names that come nearest.
pub(crate) async fn missing(store: &Store, identity: &Identity) -> ToolError {
    let text = format!(
        "there is no entry with the key {:?} in the category {:?} of the source {:?}",
        identity.key.as_str(),
        identity.category.as_str(),
        identity.source.as_str(),
    );
    let error = ToolError::new(Code::NotFound, text);
    match nearest(store, identity).await {
        Ok(names) if names.is_empty() => {
            error.with_hint("search_knowledge finds entries by what they say")
        }
        Ok(names) => error.with_hint(format!("nearest: {}", names.join("; "))),
        Err(unread) => error.with_source(unread),
    }
}

/// Where there is an entry of the same key, then keys of the same place that are alike.
async fn nearest(store: &Store, identity: &Identity) -> Result<Vec<String>, StoreError> {
    let elsewhere = store.places_of(&identity.key, SUGGESTIONS).await?;
    let mut names: Vec<String> = elsewhere.iter().map(shown).collect();
    let begun = |key: &Key| -> String {
        let characters = key.as_str().chars().take(COMPARED_CHARS);
        characters.flat_map(char::to_lowercase).collect()
    };
    let wanted = begun(&identity.key);
    let likeness = |key: &Key| strsim::normalized_damerau_levenshtein(&wanted, &begun(key));
    let keys = store
        .keys(&identity.source, &identity.category, COMPARED)
        .await?;
    let mut alike: Vec<(f64, Key)> = keys
        .into_iter()
        .map(|key| (likeness(&key), key))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .collect();
    alike.sort_by(|(one, a), (other, b)| other.total_cmp(one).then_with(|| a.cmp(b)));
    let place = |key| Identity {
        key,
        ..identity.clone()
    };
    names.extend(alike.into_iter().map(|(_, key)| shown(&place(key))));
    names.truncate(usize::try_from(SUGGESTIONS).unwrap_or(usize::MAX));
    Ok(names)
}

fn shown(identity: &Identity) -> String {
    format!(
        "{:?} in {:?} of {:?}",
        identity.key.as_str(),
        identity.category.as_str(),
        identity.source.as_str(),
    )
}

/// What the store refused, as the caller reads it.
pub(crate) fn refused(error: StoreError) -> ToolError {
    explain(&error).with_source(error)
}
