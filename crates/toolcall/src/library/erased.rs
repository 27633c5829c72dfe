//! An object-safe twin of [`Library`], with what measures its readings.

use std::collections::BTreeMap;
use std::fmt;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use mcp_metrics::CallMeter;

use super::{
    Changes, Completing, Completions, Document, Library, LibrarySpec, PromptReply, ResourcePage,
};
use crate::{Call, ToolError};

/// A library whose type is forgotten.
pub(crate) struct Shelf {
    pub(crate) spec: LibrarySpec,
    pub(crate) library: Box<dyn AnyLibrary>,
    pub(crate) list: CallMeter,
    pub(crate) read: CallMeter,
    pub(crate) complete: CallMeter,
    pub(crate) prompt: CallMeter,
}

impl Shelf {
    pub(crate) fn of<L: Library>(library: L) -> Self {
        Self {
            spec: L::SPEC,
            library: Box::new(library),
            list: CallMeter::of_method("resources/list"),
            read: CallMeter::of_method("resources/read"),
            complete: CallMeter::of_method("completion/complete"),
            prompt: CallMeter::of_method("prompts/get"),
        }
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf")
            .field("spec", &self.spec)
            .finish_non_exhaustive()
    }
}

type Pending<'a, T> = BoxFuture<'a, Result<T, ToolError>>;

pub(crate) trait AnyLibrary: Send + Sync {
    fn list<'a>(&'a self, cursor: Option<&'a str>, call: &'a Call) -> Pending<'a, ResourcePage>;
    fn read<'a>(&'a self, uri: &'a str, call: &'a Call) -> Pending<'a, Vec<Document>>;
    fn complete<'a>(&'a self, asked: &'a Completing, call: &'a Call) -> Pending<'a, Completions>;
    fn prompt<'a>(
        &'a self,
        name: &'a str,
        arguments: &'a BTreeMap<String, String>,
        call: &'a Call,
    ) -> Pending<'a, PromptReply>;
    fn canonical(&self, uri: &str) -> Option<String>;
    fn changes(&self) -> Pending<'_, Changes>;
}

impl<L: Library> AnyLibrary for L {
    fn list<'a>(&'a self, cursor: Option<&'a str>, call: &'a Call) -> Pending<'a, ResourcePage> {
        Library::list(self, cursor, call).boxed()
    }

    fn read<'a>(&'a self, uri: &'a str, call: &'a Call) -> Pending<'a, Vec<Document>> {
        Library::read(self, uri, call).boxed()
    }

    fn complete<'a>(&'a self, asked: &'a Completing, call: &'a Call) -> Pending<'a, Completions> {
        Library::complete(self, asked, call).boxed()
    }

    fn prompt<'a>(
        &'a self,
        name: &'a str,
        arguments: &'a BTreeMap<String, String>,
        call: &'a Call,
    ) -> Pending<'a, PromptReply> {
        Library::prompt(self, name, arguments, call).boxed()
    }

    fn canonical(&self, uri: &str) -> Option<String> {
        Library::canonical(self, uri)
    }

    fn changes(&self) -> Pending<'_, Changes> {
        Library::changes(self).boxed()
    }
}
