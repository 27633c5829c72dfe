//! The server's side of the protocol: MCP requests in, the pipeline's answers out.

use std::sync::Arc;

use mcp_toolcall::{
    Call, Caller, Change, Entry, Pipeline, Progress, ProgressUpdate, Reach, Sanitized, ToolError,
    UnknownTool,
};
use rmcp::model::{
    CacheScope, CallToolRequestMethod, CallToolRequestParams, CallToolResponse, CallToolResult,
    CompleteRequestMethod, CompleteRequestParams, CompleteResult, ConstString, ContentBlock,
    CustomRequest, CustomResult, ErrorCode, ErrorData, Implementation, ListPromptsRequestMethod,
    ListPromptsResult, ListResourceTemplatesRequestMethod, ListResourceTemplatesResult,
    ListResourcesRequestMethod, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
    ProgressNotificationParam, ProgressToken, ServerCapabilities, ServerConfig, Tool,
    ToolAnnotations,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Identity;

/// A client may keep the list this long: tools change only with the server's version.
const LIST_TTL_MS: u64 = 5 * 60 * 1000;

/// Progress updates that may wait to be sent; more are dropped.
const PROGRESS_QUEUE: usize = 16;

/// What a reply's frame (ids, field names, quotes) may take beside its content.
const FRAME_BYTES: usize = 64 * 1024;

/// Serves MCP requests. Cheap to clone: clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Handler(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    identity: Identity,
    pipeline: Arc<Pipeline>,
    reply_budget: usize,
    caller: Caller,
    calls: TaskTracker,
    stop: CancellationToken,
}

impl Handler {
    /// `caller` is who every call is made for.
    pub(crate) fn new(
        identity: Identity,
        pipeline: Arc<Pipeline>,
        max_message_bytes: usize,
        caller: Caller,
    ) -> Self {
        Self(Arc::new(Shared {
            identity,
            pipeline,
            reply_budget: max_message_bytes.saturating_sub(FRAME_BYTES),
            caller,
            calls: TaskTracker::new(),
            stop: CancellationToken::new(),
        }))
    }

    /// Waits until no call is in progress.
    pub(crate) async fn idle(&self) {
        self.0.calls.close();
        self.0.calls.wait().await;
    }

    /// Cancels the calls in progress and those still to come.
    pub(crate) fn cancel_calls(&self) {
        self.0.stop.cancel();
    }

    async fn answer(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<Result<Arc<Sanitized>, ToolError>, UnknownTool> {
        let _in_progress = self.0.calls.token();
        let cancelled = self.0.stop.child_token();
        let token = context.meta.get_progress_token();
        let (progress, updates) = watch_progress(token.is_some());
        let call = Call {
            caller: self.0.caller.clone(),
            cancelled: cancelled.clone(),
            progress,
            reply_budget: self.0.reply_budget,
        };
        let finished = CancellationToken::new();
        let work = async {
            let _finished = finished.clone().drop_guard();
            let arguments = request.arguments.unwrap_or_default();
            self.0.pipeline.call(&request.name, arguments, &call).await
        };
        let relay = async {
            if let Some(token) = token {
                let relay = relay(&context, token, updates, &finished);
                cancelled.run_until_cancelled(relay).await;
            }
        };
        let watch = async {
            context.ct.cancelled().await;
            cancelled.cancel();
            std::future::pending().await
        };
        tokio::select! {
            (answer, ()) = async { tokio::join!(work, relay) } => answer,
            answer = watch => answer,
        }
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let identity = &self.0.identity;
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
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
        let tools = self
            .0
            .pipeline
            .policy()
            .catalog
            .iter()
            .map(describe)
            .collect();
        Ok(ListToolsResult::with_all_items(tools)
            .with_ttl_ms(LIST_TTL_MS)
            .with_cache_scope(CacheScope::Public))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let answer = self.answer(request, context).await.map_err(|UnknownTool| {
            ErrorData::new(
                ErrorCode::INVALID_PARAMS,
                "unknown tool; see tools/list",
                None,
            )
        })?;
        Ok(match answer {
            Ok(reply) => succeeded(reply),
            Err(error) => CallToolResult::error(vec![ContentBlock::text(error.to_json())]),
        }
        .into())
    }

    // Prompts, resources and completions are not declared, so asking for them is an unknown method;
    // the SDK would answer with nothing.

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Err(ErrorData::method_not_found::<ListPromptsRequestMethod>())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Err(ErrorData::method_not_found::<ListResourcesRequestMethod>())
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Err(ErrorData::method_not_found::<
            ListResourceTemplatesRequestMethod,
        >())
    }

    async fn complete(
        &self,
        _: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        Err(ErrorData::method_not_found::<CompleteRequestMethod>())
    }

    /// What is no request of the protocol: an unknown method, or a call whose parameters do not fit.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        Err(if request.method == CallToolRequestMethod::VALUE {
            let message = "`params` must hold the `name` of a tool and an object of `arguments`";
            ErrorData::new(ErrorCode::INVALID_PARAMS, message, None)
        } else {
            ErrorData::new(ErrorCode::METHOD_NOT_FOUND, request.method, None)
        })
    }
}

fn succeeded(reply: Arc<Sanitized>) -> CallToolResult {
    let (structured, text) = Arc::unwrap_or_clone(reply).into_parts();
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = Some(structured);
    result
}

fn describe(entry: &Entry) -> Tool {
    let spec = entry.spec();
    let effects = spec.effects;
    let mut annotations = ToolAnnotations::with_title(spec.title)
        .read_only(effects.change == Change::None)
        .open_world(effects.reach == Reach::World);
    if effects.change != Change::None {
        annotations = annotations
            .destructive(effects.change == Change::Destructive)
            .idempotent(effects.change == Change::Reversible);
    }
    Tool::new(
        spec.name,
        spec.summary,
        Arc::new(entry.input_schema().clone()),
    )
    .with_title(spec.title)
    .with_raw_output_schema(Arc::new(entry.output_schema().clone()))
    .with_annotations(annotations)
}

fn watch_progress(wanted: bool) -> (Progress, mpsc::Receiver<ProgressUpdate>) {
    let (sender, updates) = mpsc::channel(PROGRESS_QUEUE);
    if !wanted {
        return (Progress::silent(), updates);
    }
    let progress = Progress::to(move |update| {
        if sender.try_send(update).is_err() {
            tracing::trace!("the client is slow: a progress update was dropped");
        }
    });
    (progress, updates)
}

/// Sends updates on until the call is finished, so that none follows its answer.
async fn relay(
    context: &RequestContext<RoleServer>,
    token: ProgressToken,
    mut updates: mpsc::Receiver<ProgressUpdate>,
    finished: &CancellationToken,
) {
    let mut so_far = f64::NEG_INFINITY;
    while let Some(Some(update)) = finished.run_until_cancelled(updates.recv()).await {
        // The protocol wants progress to grow with every notification.
        if update.done > so_far {
            so_far = update.done;
            notify(context, token.clone(), update).await;
        }
    }
}

async fn notify(
    context: &RequestContext<RoleServer>,
    token: ProgressToken,
    update: ProgressUpdate,
) {
    let mut param = ProgressNotificationParam::new(token, update.done).with_message(update.message);
    param.total = update.total;
    if let Err(error) = context.peer.notify_progress(param).await {
        tracing::debug!(%error, "progress was not sent");
    }
}
