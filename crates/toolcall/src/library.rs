//! What a server offers to read beside its tools: resources by URI, and prompts.

mod erased;
mod shapes;

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::stream::BoxStream;

use crate::{Call, ToolError};

pub(crate) use erased::Shelf;
pub use shapes::{
    Changed, Completions, Content, Document, Message, PromptArgument, PromptReply, PromptSpec,
    Resource, ResourcePage, Speaker, TemplateSpec,
};

/// The most values that one completion gives (MCP 2026-07-28, `completion/complete`).
pub const MAX_COMPLETIONS: usize = 100;

/// What changes, as it does; it ends only when nothing more can be known.
pub type Changes = BoxStream<'static, Changed>;

/// What everyone may know of a library without reading from it.
#[derive(Debug, Clone, Copy)]
pub struct LibrarySpec {
    /// How URIs of its resources are made.
    pub templates: &'static [TemplateSpec],
    /// Its prompts.
    pub prompts: &'static [PromptSpec],
    /// Longest one reading may take before it is stopped with `timed_out`.
    pub deadline: Duration,
}

/// Resources and prompts of one server. Nothing here changes anything.
///
/// What is not there is [`Code::NotFound`](crate::Code::NotFound), a cursor or an argument that does
/// not fit [`Code::InvalidArgument`](crate::Code::InvalidArgument).
pub trait Library: Send + Sync + 'static {
    /// What it offers.
    const SPEC: LibrarySpec;

    /// The page of resources that begins at a cursor of the page before, or the first.
    fn list(
        &self,
        cursor: Option<&str>,
        call: &Call,
    ) -> impl Future<Output = Result<ResourcePage, ToolError>> + Send;

    /// What a URI stands for.
    fn read(
        &self,
        uri: &str,
        call: &Call,
    ) -> impl Future<Output = Result<Vec<Document>, ToolError>> + Send;

    /// Values that begin as `asked` does, best first. At most [`MAX_COMPLETIONS`] of them leave.
    fn complete(
        &self,
        asked: &Completing,
        call: &Call,
    ) -> impl Future<Output = Result<Completions, ToolError>> + Send;

    /// A prompt of [`LibrarySpec::prompts`] with the arguments that it names, none missing.
    fn prompt(
        &self,
        name: &str,
        arguments: &BTreeMap<String, String>,
        call: &Call,
    ) -> impl Future<Output = Result<PromptReply, ToolError>> + Send;

    /// The one spelling of a URI that [`Changed::uris`] has, when the URI could be of this library;
    /// whether there is such a resource does not matter.
    fn canonical(&self, uri: &str) -> Option<String>;

    /// What changes after this returned. Costs nothing while the stream is not held.
    fn changes(&self) -> impl Future<Output = Result<Changes, ToolError>> + Send;
}

/// What shall be completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completing {
    /// Whose argument it is.
    pub of: Completable,
    /// Its name.
    pub argument: String,
    /// What was typed so far.
    pub prefix: String,
    /// Arguments that are known already.
    pub given: BTreeMap<String, String>,
}

/// What has arguments that can be completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completable {
    /// A template of [`LibrarySpec::templates`], as its text.
    Template(String),
    /// A prompt of [`LibrarySpec::prompts`], by its name.
    Prompt(String),
}
