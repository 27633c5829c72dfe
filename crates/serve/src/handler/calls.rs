//! Calls of tools: requests in, replies, refusals and progress out.

use std::sync::Arc;

use mcp_toolcall::{
    Change, Entry, Progress, ProgressUpdate, Reach, Sanitized, ToolError, UnknownTool,
};
use rmcp::RoleServer;
use rmcp::model::{
    CallToolRequestMethod, CallToolRequestParams, CallToolResult, ConstString, ContentBlock,
    ErrorCode, ProgressNotificationParam, ProgressToken, Tool, ToolAnnotations,
};
use rmcp::service::RequestContext;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Handler, Target};

/// Progress updates that may wait to be sent; more are dropped.
const PROGRESS_QUEUE: usize = 16;

impl Handler {
    pub(super) async fn answer(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<Result<Arc<Sanitized>, ToolError>, UnknownTool> {
        let token = context.meta.get_progress_token();
        let (progress, updates) = watch_progress(token.is_some());
        let pipeline = &self.shared.pipeline;
        let target = || {
            let policy = pipeline.policy();
            let found = policy.catalog.find(&request.name);
            Target::Tool(found.map(|tool| tool.spec().name))
        };
        let begun = self.begin(CallToolRequestMethod::VALUE, target, &context, progress);
        let call = &begun.call;
        let finished = CancellationToken::new();
        let work = async {
            let _finished = finished.clone().drop_guard();
            let arguments = request.arguments.unwrap_or_default();
            pipeline.call(&request.name, arguments, call).await
        };
        let relay = async {
            if let Some(token) = token {
                let relay = relay(&context, token, updates, &finished);
                call.cancelled.run_until_cancelled(relay).await;
            }
        };
        let both = std::pin::pin!(async { tokio::join!(work, relay) });
        let (answer, ()) = super::heed(&context, &begun, both).await;
        match answer {
            Ok(answer) => Ok(begun.span.answered(answer)),
            Err(unknown) => {
                let code = ErrorCode::INVALID_PARAMS;
                begun.span.refused(code, "unknown_tool");
                Err(unknown)
            }
        }
    }
}

/// The text is the JSON of the value, which the stdio transport relies on.
pub(super) fn succeeded(reply: Arc<Sanitized>) -> CallToolResult {
    let (structured, text) = Arc::unwrap_or_clone(reply).into_parts();
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = Some(structured);
    result
}

pub(super) fn describe(entry: &Entry) -> Tool {
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
    Tool::new(spec.name, spec.summary, Arc::new(entry.input_schema()))
        .with_title(spec.title)
        .with_raw_output_schema(Arc::new(entry.output_schema()))
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
