//! What is asked of a library and what it answers, free of any protocol.

use serde::Serialize;

use crate::sanitise::Texts;

/// How URIs of some resources are made.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct TemplateSpec {
    /// The template (RFC 6570, level 1: `{name}` stands for a percent-encoded value).
    pub template: &'static str,
    /// Unique name.
    pub name: &'static str,
    /// Short name for people.
    pub title: &'static str,
    /// What such a resource is.
    pub description: &'static str,
    /// Media type of all of them, when they have one.
    pub mime_type: Option<&'static str>,
}

impl TemplateSpec {
    /// Whether the template has a variable of that name.
    pub fn has_variable(&self, name: &str) -> bool {
        let parts = self.template.split('{').skip(1);
        let mut names = parts.filter_map(|part| part.split_once('}'));
        names.any(|(variable, _)| variable == name)
    }
}

/// A prompt that is offered.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct PromptSpec {
    /// Unique name.
    pub name: &'static str,
    /// Short name for people.
    pub title: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// What it takes.
    pub arguments: &'static [PromptArgument],
}

/// An argument of a prompt.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct PromptArgument {
    /// Its name.
    pub name: &'static str,
    /// Short name for people.
    pub title: &'static str,
    /// What it says.
    pub description: &'static str,
    /// Whether the prompt needs it.
    pub required: bool,
}

/// A resource in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// By what it is read.
    pub uri: String,
    /// What it is called.
    pub name: String,
    /// Short name for people.
    pub title: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// Its media type.
    pub mime_type: &'static str,
    /// Size of its text in bytes.
    pub bytes: Option<u64>,
    /// When it last changed (RFC 3339).
    pub modified: Option<String>,
}

/// Some resources of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResourcePage {
    /// In an order that stays the same.
    pub resources: Vec<Resource>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<String>,
}

/// The text that a URI stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The URI.
    pub uri: String,
    /// Its media type.
    pub mime_type: &'static str,
    /// The text.
    pub text: String,
}

/// Values that an argument could have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Completions {
    /// The values, best first.
    pub values: Vec<String>,
    /// How many there are in all, when that is known.
    pub total: Option<u32>,
    /// Whether there are more.
    pub has_more: bool,
}

/// A prompt with its arguments put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptReply {
    /// What it is for.
    pub description: String,
    /// A conversation to begin with.
    pub messages: Vec<Message>,
}

/// One message of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who says it.
    pub speaker: Speaker,
    /// What is said.
    pub content: Content,
}

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A text.
    Text(String),
    /// A resource with its text.
    Document(Document),
}

/// What changed at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changed {
    /// Resources whose text changed, that came or went, each in its canonical spelling.
    pub uris: Vec<String>,
    /// Whether the list of resources is another one.
    pub list: bool,
    /// Whether anything else may have changed too, unnoticed.
    pub anything: bool,
}

impl Changed {
    /// That anything may have changed.
    pub fn anything() -> Self {
        Self {
            uris: Vec::new(),
            list: true,
            anything: true,
        }
    }
}

impl Texts for ResourcePage {
    fn each(&mut self, visit: &mut dyn FnMut(&mut String)) {
        for resource in &mut self.resources {
            visit(&mut resource.uri);
            visit(&mut resource.name);
            resource.title.as_mut().map(&mut *visit);
            resource.description.as_mut().map(&mut *visit);
        }
    }
}

impl Texts for Document {
    fn each(&mut self, visit: &mut dyn FnMut(&mut String)) {
        visit(&mut self.uri);
        visit(&mut self.text);
    }
}

impl Texts for Vec<Document> {
    fn each(&mut self, visit: &mut dyn FnMut(&mut String)) {
        for document in self {
            document.each(visit);
        }
    }
}

impl Texts for Completions {
    fn each(&mut self, visit: &mut dyn FnMut(&mut String)) {
        self.values.iter_mut().for_each(visit);
    }
}

impl Texts for PromptReply {
    fn each(&mut self, visit: &mut dyn FnMut(&mut String)) {
        visit(&mut self.description);
        for message in &mut self.messages {
            match &mut message.content {
                Content::Text(text) => visit(text),
                Content::Document(document) => document.each(visit),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_knows_its_variables() {
        let template = TemplateSpec {
            template: "memory://{source}/{key}",
            name: "entry",
            title: "Entry",
            description: "",
            mime_type: None,
        };
        assert!(template.has_variable("source") && template.has_variable("key"));
        assert!(!template.has_variable("memory") && !template.has_variable("category"));
    }
}
