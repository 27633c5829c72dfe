//! Reading from a server's library: each reading is a call, as that of a tool is.

use std::collections::BTreeMap;

use mcp_metrics::CallMeter;
use serde_json::{Map, Value};
use tracing::Instrument;

use super::{Errand, Pipeline, stage};
use crate::library::Shelf;
use crate::sanitise::{Clean, Texts};
use crate::{
    Call, Change, Changes, Completable, Completing, Completions, Document, LibrarySpec,
    MAX_COMPLETIONS, PromptReply, PromptSpec, ResourcePage, ToolError,
};

/// A server's library, read under the rules of its pipeline.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    pipeline: &'a Pipeline,
    shelf: &'a Shelf,
}

impl<'a> Reading<'a> {
    pub(super) fn new(pipeline: &'a Pipeline, shelf: &'a Shelf) -> Self {
        Self { pipeline, shelf }
    }

    /// What it offers.
    pub fn spec(self) -> LibrarySpec {
        self.shelf.spec
    }

    /// The page of resources that begins at a cursor, or the first.
    pub async fn list(
        self,
        cursor: Option<&str>,
        call: &Call,
    ) -> Result<Clean<ResourcePage>, ToolError> {
        let arguments = cursor.map(|cursor| ("cursor".to_owned(), cursor.into()));
        let page = self.shelf.library.list(cursor, call);
        let arguments = arguments.into_iter().collect();
        self.attend(&self.shelf.list, arguments, call, page).await
    }

    /// What a URI stands for.
    pub async fn read(self, uri: &str, call: &Call) -> Result<Clean<Vec<Document>>, ToolError> {
        let arguments = Map::from_iter([("uri".to_owned(), uri.into())]);
        let documents = self.shelf.library.read(uri, call);
        self.attend(&self.shelf.read, arguments, call, documents)
            .await
    }

    /// Values that begin as `asked` does.
    pub async fn complete(
        self,
        asked: &Completing,
        call: &Call,
    ) -> Result<Clean<Completions>, ToolError> {
        let of = match &asked.of {
            Completable::Template(template) => template,
            Completable::Prompt(prompt) => prompt,
        };
        let arguments = [
            ("ref", of),
            ("name", &asked.argument),
            ("value", &asked.prefix),
        ];
        let arguments = arguments.map(|(name, value)| (name.to_owned(), value.as_str().into()));
        let completions = async {
            self.vet(asked)?;
            let mut completions = self.shelf.library.complete(asked, call).await?;
            completions.has_more |= completions.values.len() > MAX_COMPLETIONS;
            completions.values.truncate(MAX_COMPLETIONS);
            Ok(completions)
        };
        let arguments = Map::from_iter(arguments);
        self.attend(&self.shelf.complete, arguments, call, completions)
            .await
    }

    /// A prompt with its arguments put in.
    pub async fn prompt(
        self,
        name: &str,
        arguments: Map<String, Value>,
        call: &Call,
    ) -> Result<Clean<PromptReply>, ToolError> {
        let reply = async {
            let texts = texts(self.find(name)?, &arguments)?;
            self.shelf.library.prompt(name, &texts, call).await
        };
        let recorded = [
            ("name", name.into()),
            ("arguments", Value::Object(arguments.clone())),
        ];
        let recorded = recorded.map(|(name, value)| (name.to_owned(), value));
        let recorded = Map::from_iter(recorded);
        self.attend(&self.shelf.prompt, recorded, call, reply).await
    }

    /// The spelling of a URI that [`Changed::uris`](crate::Changed::uris) has, when it could be of
    /// this library.
    pub fn canonical(self, uri: &str) -> Option<String> {
        self.shelf.library.canonical(uri)
    }

    /// What changes after this returned.
    pub async fn changes(self) -> Result<Changes, ToolError> {
        self.shelf.library.changes().await
    }

    async fn attend<T: Texts>(
        self,
        meter: &CallMeter,
        arguments: Map<String, Value>,
        call: &Call,
        work: impl Future<Output = Result<T, ToolError>>,
    ) -> Result<Clean<T>, ToolError> {
        let limiter = &self.pipeline.policy().limiter;
        let admitted = self.pipeline.admit(limiter, &call.caller)?;
        let errand = Errand {
            name: meter.method(),
            change: Change::None,
            deadline: self.shelf.spec.deadline,
            meter,
            _admitted: &admitted,
        };
        let run = |_| async {
            let reply = work.instrument(stage!("run")).await?;
            let clean = self.pipeline.clean_texts(reply);
            clean.instrument(stage!("sanitise")).await
        };
        self.pipeline.attend(errand, arguments, call, run).await
    }

    fn find(self, prompt: &str) -> Result<&'static PromptSpec, ToolError> {
        let prompts = self.shelf.spec.prompts;
        let found = prompts.iter().find(|spec| spec.name == prompt);
        found.ok_or_else(|| ToolError::invalid("name", "there is no such prompt"))
    }

    fn vet(self, asked: &Completing) -> Result<(), ToolError> {
        let known = match &asked.of {
            Completable::Template(template) => {
                let templates = self.shelf.spec.templates;
                let template = templates.iter().find(|spec| spec.template == template);
                let template = template
                    .ok_or_else(|| ToolError::invalid("ref", "there is no such template"))?;
                template.has_variable(&asked.argument)
            }
            Completable::Prompt(prompt) => {
                let arguments = self.find(prompt)?.arguments;
                arguments.iter().any(|spec| spec.name == asked.argument)
            }
        };
        if known {
            return Ok(());
        }
        Err(ToolError::invalid("argument", "there is no such argument"))
    }
}

/// The arguments of a prompt: texts that it names, none that it needs missing.
fn texts(
    prompt: &PromptSpec,
    arguments: &Map<String, Value>,
) -> Result<BTreeMap<String, String>, ToolError> {
    let missing = prompt
        .arguments
        .iter()
        .find(|spec| spec.required && !arguments.contains_key(spec.name));
    if let Some(missing) = missing {
        return Err(ToolError::invalid(missing.name, "the prompt needs it"));
    }
    let text = |(name, value): (&String, &Value)| {
        if !prompt.arguments.iter().any(|spec| spec.name == name) {
            return Err(ToolError::invalid(
                name,
                "the prompt takes no such argument",
            ));
        }
        let Value::String(text) = value else {
            return Err(ToolError::invalid(name, "must be a text"));
        };
        Ok((name.clone(), text.clone()))
    };
    arguments.iter().map(text).collect()
}
