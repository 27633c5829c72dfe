//! The server's side of the protocol: MCP requests in, the pipeline's answers out.

mod calls;
mod reading;
mod shapes;

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mcp_toolcall::{Call, Caller, Pipeline, Progress, UnknownTool};
use rmcp::model::{
    CacheScope, CallToolRequestMethod, CallToolRequestParams, CallToolResponse, CallToolResult,
    CompleteRequestParams, CompleteResult, ConstString, ContentBlock, CustomRequest, CustomResult,
    ErrorCode, ErrorData, GetPromptRequestParams, GetPromptResponse, Implementation,
    ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities,
    ServerConfig, SubscriptionFilter,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{RoleServer, ServerHandler};
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tracing::Instrument;

use crate::subscriptions::{Connection, Feed};
use crate::traces::{RequestSpan, Target, Transport};
use crate::{Identity, memory};

/// A client may keep the list this long: tools change only with the server's version.
const LIST_TTL_MS: u64 = 5 * 60 * 1000;

/// How long a list of tools is expected to be on its way.
const LIST_LEAVES_WITHIN: Duration = Duration::from_millis(100);

/// What a reply's frame (ids, field names, quotes) may take beside its content.
const FRAME_BYTES: usize = 64 * 1024;

/// Serves MCP requests of one connection. Cheap to clone: clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Handler {
    shared: Arc<Shared>,
    connection: Arc<Connection>,
}

/// What all connections share.
#[derive(Debug)]
struct Shared {
    identity: Identity,
    pipeline: Arc<Pipeline>,
    feed: Feed,
    reply_budget: usize,
    caller: Caller,
    transport: Transport,
    calls: TaskTracker,
    closing: CancellationToken,
    stop: CancellationToken,
    tidying: Mutex<Option<AbortOnDropHandle<()>>>,
}

impl Handler {
    /// All calls are made for one caller, who is called as the transport is.
    pub(crate) fn new(
        identity: Identity,
        pipeline: Arc<Pipeline>,
        max_message_bytes: usize,
        transport: Transport,
    ) -> Self {
        let caller = match transport {
            Transport::Stdio => "stdio",
            Transport::Http => "http",
        };
        Self {
            shared: Arc::new(Shared {
                identity,
                feed: Feed::of(Arc::clone(&pipeline)),
                pipeline,
                reply_budget: max_message_bytes.saturating_sub(FRAME_BYTES),
                caller: Caller::new(caller),
                transport,
                calls: TaskTracker::new(),
                closing: CancellationToken::new(),
                stop: CancellationToken::new(),
                tidying: Mutex::default(),
            }),
            connection: Arc::default(),
        }
    }

    /// One for another connection: subscriptions end with the connection they were made on. `idle` is
    /// how long its session may be idle.
    pub(crate) fn for_session(&self, idle: Duration) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            connection: Arc::new(Connection::that_may_idle(idle)),
        }
    }

    /// Ends subscriptions and waits until no call is in progress.
    pub(crate) async fn idle(&self) {
        self.shared.closing.cancel();
        self.shared.calls.close();
        self.shared.calls.wait().await;
    }

    /// Cancels the calls in progress and those still to come.
    pub(crate) fn cancel_calls(&self) {
        self.shared.stop.cancel();
    }

    /// Gives the memory back that a list of tools took, more than anything else of an idle server's, once
    /// the list has left.
    fn tidy_up_soon(&self) {
        let tidying = crate::run::spawn(async {
            tokio::time::sleep(LIST_LEAVES_WITHIN).await;
            memory::give_back_free_pages();
        });
        let last = self.shared.tidying.lock();
        *last.unwrap_or_else(PoisonError::into_inner) = Some(tidying);
    }

    /// A call that answers a request of `method`.
    fn begin(
        &self,
        method: &'static str,
        target: impl FnOnce() -> Target,
        context: &RequestContext<RoleServer>,
        progress: Progress,
    ) -> Begun {
        let transport = self.shared.transport;
        let (span, trace) = RequestSpan::begin(method, transport, context, target);
        let call = Call {
            caller: self.shared.caller.clone(),
            cancelled: self.shared.stop.child_token(),
            progress,
            reply_budget: self.shared.reply_budget,
            trace,
        };
        Begun {
            call,
            span,
            _in_progress: self.shared.calls.token(),
        }
    }
}

/// A call in progress.
struct Begun {
    call: Call,
    span: RequestSpan,
    _in_progress: TaskTrackerToken,
}

/// Does the work of a call, which hears when the client gives up.
async fn heed<T>(
    context: &RequestContext<RoleServer>,
    begun: &Begun,
    work: Pin<&mut impl Future<Output = T>>,
) -> T {
    let watch = async {
        context.ct.cancelled().await;
        begun.call.cancelled.cancel();
        std::future::pending().await
    };
    tokio::select! {
        done = work.instrument(begun.span.span()) => done,
        never = watch => never,
    }
}

// What is not declared is an unknown method; the SDK would answer some of it with nothing. It moves the
// future of a request about ten times, so large ones are boxed.
impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let identity = &self.shared.identity;
        let mut capabilities = ServerCapabilities::builder().enable_tools().build();
        if let Some(library) = self.shared.pipeline.library() {
            shapes::declare(library.spec(), &mut capabilities);
        }
        ServerConfig::new(capabilities)
            .with_server_info(
                Implementation::new(identity.name, identity.version).with_title(identity.title),
            )
            .with_instructions(identity.instructions)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let policy = self.shared.pipeline.policy();
        let tools = policy.catalog.iter().map(calls::describe).collect();
        self.tidy_up_soon();
        Ok(ListToolsResult::with_all_items(tools)
            .with_ttl_ms(LIST_TTL_MS)
            .with_cache_scope(CacheScope::Public))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let answer = Box::pin(self.answer(request, context));
        let answer = answer.await.map_err(|UnknownTool| {
            ErrorData::new(
                ErrorCode::INVALID_PARAMS,
                "unknown tool; see tools/list",
                None,
            )
        })?;
        Ok(match answer {
            Ok(reply) => calls::succeeded(reply),
            Err(error) => CallToolResult::error(vec![ContentBlock::text(error.to_json())]),
        }
        .into())
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Box::pin(self.resources(request, context)).await
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        self.templates(request)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let read = Box::pin(self.read(request, context));
        read.await.map(Into::into)
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        self.prompts(request)
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let told = Box::pin(self.prompt(request, context));
        told.await.map(Into::into)
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        Box::pin(self.completions(request, context)).await
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        self.accept(requested)
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        self.deliver(context).await
    }

    async fn subscribe(
        &self,
        request: rmcp::model::SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.subscribe_to(&request.uri, context).await
    }

    async fn unsubscribe(
        &self,
        request: rmcp::model::UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.unsubscribe_from(&request.uri)
    }

    /// What is no request of the protocol: an unknown method, or one whose parameters do not fit.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        Err(if request.method == CallToolRequestMethod::VALUE {
            let message = "`params` must hold the `name` of a tool and an object of `arguments`";
            ErrorData::new(ErrorCode::INVALID_PARAMS, message, None)
        } else if self.reads(&request.method) {
            let message = "`params` is not what the method takes";
            ErrorData::new(ErrorCode::INVALID_PARAMS, message, None)
        } else {
            ErrorData::new(ErrorCode::METHOD_NOT_FOUND, request.method, None)
        })
    }
}

#[cfg(test)]
mod tests;
