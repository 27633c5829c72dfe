//! Entries as resources, `memory://{source}/{category}/{key}`, and prompts made of them.

mod find;
mod prompts;
#[cfg(test)]
mod tests;
mod uri;
mod watch;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use mcp_toolcall::{
    Call, Changes, Code, Completable, Completing, Completions, Document, Library, LibrarySpec,
    PromptReply, Resource, ResourcePage, TemplateSpec, ToolError,
};

use crate::knowledge::Entry;
use crate::store::{Cursor, Filter, Part, Store};
use crate::tools::entries::refused;

pub use self::uri::{TEMPLATE, identity_of, uri_of};

/// Entries on a page of the list.
const PAGE: NonZeroU32 = const { NonZeroU32::new(100).unwrap() };

/// Values that are asked for to complete an argument: all that one answer may have.
const COMPLETIONS: NonZeroU32 = const { NonZeroU32::new(100).unwrap() };

/// Values are texts, whatever they say.
const MIME_TYPE: &str = "text/plain";

/// Finds what is known of a topic.
pub trait Find: Send + Sync + 'static {
    /// Up to `limit` entries about the topic, best first.
    fn find(
        &self,
        topic: &str,
        limit: NonZeroU32,
    ) -> impl Future<Output = Result<Vec<Entry>, ToolError>> + Send;
}

/// The entries of a store, to read.
#[derive(Debug)]
pub struct Memories<F> {
    store: Arc<Store>,
    find: F,
}

impl<F: Find> Memories<F> {
    /// Those of `store`, found by `find`.
    pub fn new(store: Arc<Store>, find: F) -> Self {
        Self { store, find }
    }
}

impl<F: Find> Library for Memories<F> {
    const SPEC: LibrarySpec = LibrarySpec {
        templates: &[TemplateSpec {
            template: TEMPLATE,
            name: "memory",
            title: "Memory",
            description: "What is remembered under a key. Each part is percent-encoded; `user` is \
                the usual source, `general` the usual category.",
            mime_type: Some(MIME_TYPE),
        }],
        prompts: prompts::SPECS,
        deadline: Duration::from_secs(10),
    };

    async fn list(&self, cursor: Option<&str>, _: &Call) -> Result<ResourcePage, ToolError> {
        let cursor = cursor.map(|cursor| Cursor::given(cursor.to_owned()));
        let all = Filter::default();
        let page = self.store.list(&all, cursor.as_ref(), PAGE).await;
        let page = page.map_err(refused)?;
        Ok(ResourcePage {
            resources: page.entries.iter().map(resource).collect(),
            next: page.next.map(|next| next.as_str().to_owned()),
        })
    }

    async fn read(&self, uri: &str, _: &Call) -> Result<Vec<Document>, ToolError> {
        let nothing = || ToolError::new(Code::NotFound, "nothing is remembered under this URI");
        let identity = identity_of(uri).ok_or_else(nothing)?;
        let entry = self.store.get(&identity).await.map_err(refused)?;
        Ok(vec![document(entry.ok_or_else(nothing)?)])
    }

    async fn complete(&self, asked: &Completing, _: &Call) -> Result<Completions, ToolError> {
        let part = match (&asked.of, asked.argument.as_str()) {
            (_, "source") => Part::Source,
            (_, "category") => Part::Category,
            (Completable::Template(_), "key") | (Completable::Prompt(_), "topic") => Part::Key,
            _ => return Ok(Completions::default()),
        };
        let Some(filter) = within(&asked.given, part) else {
            return Ok(Completions::default());
        };
        let begun = (part, asked.prefix.as_str());
        let found = self.store.names(begun, &filter, COMPLETIONS).await;
        let found = found.map_err(refused)?;
        Ok(Completions {
            has_more: u64::try_from(found.names.len()).is_ok_and(|shown| shown < found.total),
            total: u32::try_from(found.total).ok(),
            values: found.names,
        })
    }

    async fn prompt(
        &self,
        name: &str,
        arguments: &BTreeMap<String, String>,
        call: &Call,
    ) -> Result<PromptReply, ToolError> {
        self.tell(name, arguments, call).await
    }

    fn canonical(&self, uri: &str) -> Option<String> {
        identity_of(uri).map(|identity| uri_of(&identity))
    }

    async fn changes(&self) -> Result<Changes, ToolError> {
        watch::changes(Arc::clone(&self.store)).await
    }
}

/// Entries whose names have the parts that are given, but for the one that is looked for. `None` when
/// no name can be so.
fn within(given: &BTreeMap<String, String>, sought: Part) -> Option<Filter> {
    let part = |name: &str, part: Part| given.get(name).filter(|_| part != sought);
    let source = part("source", Part::Source).map(|source| source.parse());
    let category = part("category", Part::Category).map(|category| category.parse());
    Some(Filter {
        source: source.transpose().ok()?,
        category: category.transpose().ok()?,
        ..Filter::default()
    })
}

fn resource(entry: &Entry) -> Resource {
    let identity = &entry.identity;
    Resource {
        uri: uri_of(identity),
        name: identity.key.to_string(),
        title: None,
        description: Some(format!(
            "In {}, from {}.",
            identity.category, identity.source
        )),
        mime_type: MIME_TYPE,
        bytes: u64::try_from(entry.value.as_str().len()).ok(),
        modified: Some(entry.updated_at.to_string()),
    }
}

fn document(entry: Entry) -> Document {
    Document {
        uri: uri_of(&entry.identity),
        mime_type: MIME_TYPE,
        text: entry.value.into(),
    }
}
