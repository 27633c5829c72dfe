//! A library of notes, `note:{name}`, that says when it is watched.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use mcp_toolcall::{
    Changed, Changes, Code, Completing, Completions, Content, Document, Library, LibrarySpec,
    Message, PromptArgument, PromptReply, PromptSpec, Resource, ResourcePage, Speaker,
    TemplateSpec, ToolError,
};
use tokio::sync::broadcast;

use super::Call;

#[derive(Debug, Clone)]
pub(super) struct Notes {
    texts: Arc<Mutex<BTreeMap<String, String>>>,
    changes: broadcast::Sender<Changed>,
    watches: Arc<AtomicUsize>,
}

impl Notes {
    pub(super) fn new(names: &[&str]) -> Self {
        let texts = names.iter().map(|name| (*name, format!("Of {name}.")));
        let texts = texts.map(|(name, text)| (name.to_owned(), text));
        Self {
            texts: Arc::new(Mutex::new(texts.collect())),
            changes: broadcast::Sender::new(1 << 16),
            watches: Arc::default(),
        }
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        let before = self
            .texts
            .lock()
            .unwrap()
            .insert(name.to_owned(), text.to_owned());
        let changed = Changed {
            uris: vec![format!("note:{name}")],
            list: before.is_none(),
            anything: false,
        };
        self.changes.send(changed).ok();
    }

    /// How often the library is watched now.
    pub(super) fn watches(&self) -> usize {
        self.watches.load(Ordering::SeqCst)
    }

    /// Waits until it is watched so often.
    pub(super) async fn watched(&self, times: usize) {
        let reached = async {
            while self.watches() != times {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let within = Duration::from_secs(5);
        let reached = tokio::time::timeout(within, reached).await;
        assert!(reached.is_ok(), "watched {} times", self.watches());
    }
}

/// Counts a watch until it is dropped.
struct Watching(Arc<AtomicUsize>);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Library for Notes {
    const SPEC: LibrarySpec = LibrarySpec {
        templates: &[TemplateSpec {
            template: "note:{name}",
            name: "note",
            title: "Note",
            description: "A note.",
            mime_type: Some("text/plain"),
        }],
        prompts: &[PromptSpec {
            name: "explain",
            title: "Explain",
            description: "Explains a note.",
            arguments: &[PromptArgument {
                name: "name",
                title: "Name",
                description: "Which note.",
                required: true,
            }],
        }],
        deadline: Duration::from_secs(5),
    };

    /// Two on a page; a cursor is the name of the last one before it.
    async fn list(&self, cursor: Option<&str>, _: &Call) -> Result<ResourcePage, ToolError> {
        let texts = self.texts.lock().unwrap();
        if cursor.is_some_and(|cursor| !texts.contains_key(cursor)) {
            return Err(ToolError::invalid("cursor", "is not of this list"));
        }
        let after = |name: &String| cursor.is_none_or(|cursor| name.as_str() > cursor);
        let names: Vec<_> = texts.keys().filter(|name| after(name)).collect();
        let resources = names.iter().take(2).map(|name| Resource {
            uri: format!("note:{name}"),
            name: (*name).clone(),
            title: None,
            description: None,
            mime_type: "text/plain",
            bytes: Some(5),
            modified: Some("2026-01-31T12:00:00Z".to_owned()),
        });
        Ok(ResourcePage {
            resources: resources.collect(),
            next: (names.len() > 2).then(|| names[1].clone()),
        })
    }

    async fn read(&self, uri: &str, _: &Call) -> Result<Vec<Document>, ToolError> {
        let name = uri.strip_prefix("note:").unwrap_or_default();
        let text = self.texts.lock().unwrap().get(name).cloned();
        let text = text.ok_or_else(|| ToolError::new(Code::NotFound, "no such note"))?;
        Ok(vec![Document {
            uri: uri.to_owned(),
            mime_type: "text/plain",
            text,
        }])
    }

    async fn complete(&self, asked: &Completing, _: &Call) -> Result<Completions, ToolError> {
        let texts = self.texts.lock().unwrap();
        let names = texts.keys().filter(|name| name.starts_with(&asked.prefix));
        let values: Vec<String> = names.cloned().collect();
        Ok(Completions {
            total: u32::try_from(values.len()).ok(),
            values,
            has_more: false,
        })
    }

    async fn prompt(
        &self,
        _: &str,
        arguments: &BTreeMap<String, String>,
        call: &Call,
    ) -> Result<PromptReply, ToolError> {
        let uri = format!("note:{}", arguments["name"]);
        let document = self.read(&uri, call).await?.remove(0);
        let say = |speaker, content| Message { speaker, content };
        Ok(PromptReply {
            description: "Explains a note.".to_owned(),
            messages: vec![
                say(Speaker::User, Content::Document(document)),
                say(Speaker::User, Content::Text("Explain it.".to_owned())),
            ],
        })
    }

    fn canonical(&self, uri: &str) -> Option<String> {
        let name = uri.to_lowercase().strip_prefix("note:")?.to_owned();
        Some(format!("note:{name}"))
    }

    async fn changes(&self) -> Result<Changes, ToolError> {
        self.watches.fetch_add(1, Ordering::SeqCst);
        let state = (
            self.changes.subscribe(),
            Watching(Arc::clone(&self.watches)),
        );
        let next = |(mut changes, watching): (broadcast::Receiver<_>, _)| async move {
            let changed = changes.recv().await.ok()?;
            Some((changed, (changes, watching)))
        };
        Ok(futures_util::stream::unfold(state, next).boxed())
    }
}
