//! What a library offers and answers, in the shapes of the protocol.

use std::borrow::Cow;

use mcp_toolcall::{
    Code, Completions, Content, Document, LibrarySpec, Message, PromptArgument, PromptReply,
    PromptSpec, ResourcePage, Speaker, TemplateSpec, ToolError,
};
use rmcp::model::{
    Annotations, CompleteResult, CompletionInfo, ErrorCode, ErrorData, GetPromptResult,
    ListResourcesResult, PaginatedRequestParams, Prompt, PromptMessage, Resource, ResourceContents,
    ResourceTemplate, Role, ServerCapabilities,
};
use serde_json::Value;

use crate::subscriptions::Full;

/// Declares what a library needs.
pub(super) fn declare(spec: LibrarySpec, capabilities: &mut ServerCapabilities) {
    let more = ServerCapabilities::builder()
        .enable_completions()
        .enable_resources()
        .enable_resources_subscribe()
        .enable_resources_list_changed()
        .enable_prompts()
        .build();
    capabilities.completions = more.completions;
    capabilities.resources = more.resources;
    if !spec.prompts.is_empty() {
        capabilities.prompts = more.prompts;
    }
}

pub(super) fn page(page: ResourcePage) -> ListResourcesResult {
    let resources = page.resources.into_iter().map(resource).collect();
    let mut result = ListResourcesResult::with_all_items(resources);
    result.next_cursor = page.next;
    result
}

fn resource(resource: mcp_toolcall::Resource) -> Resource {
    let mut shape = Resource::new(resource.uri, resource.name).with_mime_type(resource.mime_type);
    shape.title = resource.title;
    shape.description = resource.description;
    shape.size = resource.bytes;
    shape.annotations = resource.modified.map(|modified| {
        let mut annotations = Annotations::default();
        annotations.last_modified = Some(modified);
        annotations
    });
    shape
}

pub(super) fn template(spec: &TemplateSpec) -> ResourceTemplate {
    let mut shape = ResourceTemplate::new(spec.template, spec.name)
        .with_title(spec.title)
        .with_description(spec.description);
    shape.mime_type = spec.mime_type.map(str::to_owned);
    shape
}

pub(super) fn contents(document: Document) -> ResourceContents {
    ResourceContents::text(document.text, document.uri).with_mime_type(document.mime_type)
}

pub(super) fn prompt(spec: &PromptSpec) -> Prompt {
    let arguments = spec.arguments.iter().map(argument).collect();
    Prompt::new(spec.name, Some(spec.description), Some(arguments)).with_title(spec.title)
}

fn argument(spec: &PromptArgument) -> rmcp::model::PromptArgument {
    rmcp::model::PromptArgument::new(spec.name)
        .with_title(spec.title)
        .with_description(spec.description)
        .with_required(spec.required)
}

pub(super) fn told(reply: PromptReply) -> GetPromptResult {
    let messages = reply.messages.into_iter().map(message).collect();
    GetPromptResult::new(messages).with_description(reply.description)
}

fn message(message: Message) -> PromptMessage {
    let role = match message.speaker {
        Speaker::User => Role::User,
        Speaker::Assistant => Role::Assistant,
    };
    match message.content {
        Content::Text(text) => PromptMessage::new_text(role, text),
        Content::Document(document) => PromptMessage::new_resource(
            role,
            document.uri,
            Some(document.mime_type.to_owned()),
            Some(document.text),
            None,
            None,
            None,
        ),
    }
}

pub(super) fn completed(completions: Completions) -> Result<CompleteResult, ErrorData> {
    let Completions {
        values,
        total,
        has_more,
    } = completions;
    CompletionInfo::with_pagination(values, total, has_more)
        .map(CompleteResult::new)
        .map_err(|error| ErrorData::internal_error(error, None))
}

/// Refuses a cursor for a list that has one page.
pub(super) fn only_page(request: Option<PaginatedRequestParams>) -> Result<(), ErrorData> {
    if request.and_then(|request| request.cursor).is_some() {
        let message = "`cursor`: this list has one page";
        return Err(ErrorData::invalid_params(message, None));
    }
    Ok(())
}

/// An error as the protocol has it; what tools say of it is its data.
pub(super) fn refused(error: &ToolError) -> ErrorData {
    let code = match error.code() {
        Code::InvalidArgument | Code::NotFound => ErrorCode::INVALID_PARAMS,
        Code::PathDenied
        | Code::CommandDenied
        | Code::EgressDenied
        | Code::EnvDenied
        | Code::ProcessDenied
        | Code::TooLarge
        | Code::UnsupportedEncoding
        | Code::TimedOut
        | Code::RateLimited
        | Code::Unavailable
        | Code::Conflict
        | Code::ConfirmationRequired
        | Code::Cancelled
        | Code::Internal => ErrorCode::INTERNAL_ERROR,
    };
    let data = serde_json::from_str::<Value>(&error.to_json()).ok();
    ErrorData::new(code, Cow::Owned(error.message().to_owned()), data)
}

/// Why a resource was not read.
pub(super) fn unreadable(uri: &str, error: &ToolError) -> ErrorData {
    if error.code() == Code::NotFound {
        return no_such_resource(uri);
    }
    refused(error)
}

/// The SDK gives it the code of the client's era: -32002, from 2026-07-28 on -32602.
pub(super) fn no_such_resource(uri: &str) -> ErrorData {
    let data = serde_json::json!({ "uri": uri });
    ErrorData::resource_not_found("there is no such resource", Some(data))
}

pub(super) fn unknown_method(method: &'static str) -> ErrorData {
    ErrorData::new(ErrorCode::METHOD_NOT_FOUND, method, None)
}

pub(super) fn full(full: &Full) -> ErrorData {
    ErrorData::invalid_params(full.to_string(), None)
}
