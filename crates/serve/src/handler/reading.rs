//! Resources, prompts, completions and subscriptions, of servers that have a library.

use std::collections::BTreeMap;
use std::pin::pin;

use mcp_toolcall::{Completable, Completing, Progress, Reading};
use rmcp::RoleServer;
use rmcp::model::{
    CacheScope, CompleteRequestMethod, CompleteRequestParams, CompleteResult, ConstString,
    ErrorData, GetPromptRequestMethod, GetPromptRequestParams, GetPromptResult,
    ListPromptsRequestMethod, ListPromptsResult, ListResourceTemplatesRequestMethod,
    ListResourceTemplatesResult, ListResourcesRequestMethod, ListResourcesResult,
    PaginatedRequestParams, ProtocolVersion, ReadResourceRequestMethod, ReadResourceRequestParams,
    ReadResourceResult, Reference, SubscriptionFilter, SubscriptionsListenRequestMethod,
};
use rmcp::service::{RequestContext, SubscriptionContext};

use super::{Handler, LIST_TTL_MS, Target, shapes};
use crate::subscriptions::{Full, Sink, Wanted, fit};

const SUBSCRIBE: &str = "resources/subscribe";
const UNSUBSCRIBE: &str = "resources/unsubscribe";

/// What is unknown to a server without a library.
const METHODS: [&str; 9] = [
    ListResourcesRequestMethod::VALUE,
    ListResourceTemplatesRequestMethod::VALUE,
    ReadResourceRequestMethod::VALUE,
    ListPromptsRequestMethod::VALUE,
    GetPromptRequestMethod::VALUE,
    CompleteRequestMethod::VALUE,
    SubscriptionsListenRequestMethod::VALUE,
    SUBSCRIBE,
    UNSUBSCRIBE,
];

impl Handler {
    /// Whether the server has a library and this is a method to read from it.
    pub(super) fn reads(&self, method: &str) -> bool {
        self.shared.pipeline.library().is_some() && METHODS.contains(&method)
    }

    fn library(&self, method: &'static str) -> Result<Reading<'_>, ErrorData> {
        let library = self.shared.pipeline.library();
        library.ok_or_else(|| shapes::unknown_method(method))
    }

    fn with_prompts(&self, method: &'static str) -> Result<Reading<'_>, ErrorData> {
        let library = self.library(method)?;
        if library.spec().prompts.is_empty() {
            return Err(shapes::unknown_method(method));
        }
        Ok(library)
    }

    pub(super) async fn resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let library = self.library(ListResourcesRequestMethod::VALUE)?;
        if is_legacy(&context) {
            // In that era nobody asks to hear of the list: who has one is told when it changes.
            let peer = context.peer.clone();
            let established = self.connection.follow_list(&self.shared.feed, peer);
            established.established().await;
        }
        let method = ListResourcesRequestMethod::VALUE;
        let begun = self.begin(method, || Target::Unnamed, &context, Progress::silent());
        let cursor = request.and_then(|request| request.cursor);
        let page = pin!(library.list(cursor.as_deref(), &begun.call));
        let page = super::heed(&context, &begun, page).await;
        let page = begun.span.answered(page);
        Ok(shapes::page(
            page.map_err(|error| shapes::refused(&error))?.into_inner(),
        ))
    }

    pub(super) fn templates(
        &self,
        request: Option<PaginatedRequestParams>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let library = self.library(ListResourceTemplatesRequestMethod::VALUE)?;
        shapes::only_page(request)?;
        let templates = library.spec().templates.iter().map(shapes::template);
        Ok(
            ListResourceTemplatesResult::with_all_items(templates.collect())
                .with_ttl_ms(LIST_TTL_MS)
                .with_cache_scope(CacheScope::Public),
        )
    }

    pub(super) async fn read(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResult, ErrorData> {
        let library = self.library(ReadResourceRequestMethod::VALUE)?;
        let method = ReadResourceRequestMethod::VALUE;
        let begun = self.begin(method, || Target::Unnamed, &context, Progress::silent());
        let documents = pin!(library.read(&request.uri, &begun.call));
        let documents = super::heed(&context, &begun, documents).await;
        let documents = begun.span.answered(documents);
        let documents = documents.map_err(|error| shapes::unreadable(&request.uri, &error))?;
        let contents = documents.into_inner().into_iter().map(shapes::contents);
        Ok(ReadResourceResult::new(contents.collect()))
    }

    pub(super) fn prompts(
        &self,
        request: Option<PaginatedRequestParams>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let library = self.with_prompts(ListPromptsRequestMethod::VALUE)?;
        shapes::only_page(request)?;
        let prompts = library.spec().prompts.iter().map(shapes::prompt);
        Ok(ListPromptsResult::with_all_items(prompts.collect())
            .with_ttl_ms(LIST_TTL_MS)
            .with_cache_scope(CacheScope::Public))
    }

    pub(super) async fn prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResult, ErrorData> {
        let library = self.with_prompts(GetPromptRequestMethod::VALUE)?;
        let target = || {
            let mut prompts = library.spec().prompts.iter().map(|prompt| prompt.name);
            Target::Prompt(prompts.find(|name| *name == request.name))
        };
        let begun = self.begin(
            GetPromptRequestMethod::VALUE,
            target,
            &context,
            Progress::silent(),
        );
        let arguments = request.arguments.unwrap_or_default();
        let reply = pin!(library.prompt(&request.name, arguments, &begun.call));
        let reply = super::heed(&context, &begun, reply).await;
        let reply = begun.span.answered(reply);
        Ok(shapes::told(
            reply.map_err(|error| shapes::refused(&error))?.into_inner(),
        ))
    }

    pub(super) async fn completions(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let library = self.library(CompleteRequestMethod::VALUE)?;
        let of = match request.r#ref {
            Reference::Resource(template) => Completable::Template(template.uri),
            Reference::Prompt(prompt) => Completable::Prompt(prompt.name),
            _ => return Err(ErrorData::invalid_params("an unknown kind of `ref`", None)),
        };
        let given = request.context.and_then(|context| context.arguments);
        let asked = Completing {
            of,
            argument: request.argument.name,
            prefix: request.argument.value,
            given: BTreeMap::from_iter(given.unwrap_or_default()),
        };
        let method = CompleteRequestMethod::VALUE;
        let begun = self.begin(method, || Target::Unnamed, &context, Progress::silent());
        let completions = pin!(library.complete(&asked, &begun.call));
        let completions = super::heed(&context, &begun, completions).await;
        let completions = begun.span.answered(completions);
        shapes::completed(
            completions
                .map_err(|error| shapes::refused(&error))?
                .into_inner(),
        )
    }

    /// What of a filter the server can serve; the changes are watched from here on, so that none
    /// after the acknowledgement is missed.
    pub(super) fn accept(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        let library = self.shared.pipeline.library()?;
        let asked = requested.resource_subscriptions.as_deref().unwrap_or(&[]);
        let known = |uri: &&String| library.canonical(uri).is_some();
        let uris: Vec<String> = if fit(asked) {
            asked.iter().filter(known).cloned().collect()
        } else {
            // Refused as a whole by `deliver`.
            Vec::new()
        };
        let mut accepted = SubscriptionFilter::new();
        accepted.resources_list_changed = requested.resources_list_changed.filter(|wanted| *wanted);
        accepted.resource_subscriptions = (!uris.is_empty()).then_some(uris);
        if accepted != SubscriptionFilter::new() {
            self.connection.expect(self.shared.feed.follow());
        }
        Some(accepted)
    }

    /// Tells of changes until the client or the server ends the subscription.
    pub(super) async fn deliver(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let library = self.library(SubscriptionsListenRequestMethod::VALUE)?;
        let is_empty = *context.accepted() == SubscriptionFilter::new();
        let following = (!is_empty).then(|| self.connection.expected(&self.shared.feed));
        let requested = context.requested().resource_subscriptions.as_deref();
        if !fit(requested.unwrap_or(&[])) {
            return Err(shapes::full(&Full));
        }
        let uris = context.accepted().resource_subscriptions.as_deref();
        let uris = uris.unwrap_or(&[]);
        let _place = self
            .connection
            .take_stream(uris)
            .map_err(|full| shapes::full(&full))?;
        let wanted = Wanted::fixed(
            uris.iter()
                .filter_map(|uri| Some((library.canonical(uri)?, uri.clone()))),
            context.accepted().resources_list_changed == Some(true),
        );
        let _in_progress = self.shared.calls.token();
        let telling = async {
            let Some(following) = following else {
                return std::future::pending().await;
            };
            let sink = Sink::Stream(context.sink().clone());
            following.deliver(wanted, sink).await;
        };
        tokio::select! {
            () = telling => {}
            () = context.cancelled() => {}
            () = self.shared.closing.cancelled() => {}
        }
        Ok(())
    }

    pub(super) async fn subscribe_to(
        &self,
        uri: &str,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let library = self.library(SUBSCRIBE)?;
        let Some(canonical) = library.canonical(uri) else {
            return Err(shapes::no_such_resource(uri));
        };
        let peer = context.peer.clone();
        let established = self
            .connection
            .subscribe((canonical, uri), &self.shared.feed, peer)
            .map_err(|full| shapes::full(&full))?;
        established.established().await;
        Ok(())
    }

    pub(super) fn unsubscribe_from(&self, uri: &str) -> Result<(), ErrorData> {
        let library = self.library(UNSUBSCRIBE)?;
        if let Some(canonical) = library.canonical(uri) {
            self.connection.unsubscribe(&canonical);
        }
        Ok(())
    }
}

/// Whether the client opened with `initialize`.
fn is_legacy(context: &RequestContext<RoleServer>) -> bool {
    let version = context.protocol_version();
    version.is_none_or(|version| version.as_str() < ProtocolVersion::V_2026_07_28.as_str())
}
