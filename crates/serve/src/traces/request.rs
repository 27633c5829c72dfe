//! The span of a request, named as the OpenTelemetry semantic conventions for MCP say (in development;
//! read on 23 November 2026). What a caller wrote is no attribute, and neither is what only looks like an id.

use mcp_metrics::SPANS;
use mcp_toolcall::{ToolError, TraceIds};
use rmcp::RoleServer;
use rmcp::model::{ErrorCode, NumberOrString};
use rmcp::service::RequestContext;
use tracing::Span;
use tracing::field::Empty;

use super::context::{self, Remote};
use super::export;

/// What requests come over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Standard input and output.
    Stdio,
    /// Streamable HTTP.
    Http,
}

/// What of ours a request names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// Nothing that spans may be named by.
    Unnamed,
    /// A tool, if there is such a one.
    Tool(Option<&'static str>),
    /// A prompt, if there is such a one.
    Prompt(Option<&'static str>),
}

/// The span of one request. Dropped before it has ended, the request was given up.
#[derive(Debug)]
pub(crate) struct RequestSpan {
    span: Span,
    has_ended: bool,
}

impl RequestSpan {
    /// Begins it, and says which span logs belong to: this one, or the caller's where no traces are sent.
    /// `target` is asked only where they are.
    pub(crate) fn begin(
        method: &'static str,
        transport: Transport,
        context: &RequestContext<RoleServer>,
        target: impl FnOnce() -> Target,
    ) -> (Self, Option<TraceIds>) {
        let remote = Remote::of(context);
        let span = tracing::trace_span!(
            target: SPANS,
            parent: None,
            "request",
            otel.name = method,
            otel.kind = "server",
            otel.status_code = Empty,
            mcp.method.name = method,
            mcp.protocol.version = Empty,
            jsonrpc.request.id = Empty,
            network.transport = Empty,
            gen_ai.operation.name = Empty,
            gen_ai.tool.name = Empty,
            gen_ai.prompt.name = Empty,
            rpc.response.status_code = Empty,
            "error.type" = Empty,
        );
        if !span.is_disabled() {
            name(&span, method, target());
            describe(&span, transport, context);
            if let Some(remote) = remote {
                let state = context::state(context);
                export::adopt(&span, remote, state.as_deref());
            }
        }
        let callers = |remote: Remote| TraceIds {
            trace: remote.trace,
            span: remote.span,
        };
        let has_ended = span.is_disabled();
        let own = if has_ended { None } else { export::ids(&span) };
        let ids = own.or_else(|| remote.map(callers));
        (Self { span, has_ended }, ids)
    }

    /// What the work of the request is done in.
    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Ends it with an answer.
    pub(crate) fn answered<T>(self, outcome: Result<T, ToolError>) -> Result<T, ToolError> {
        self.ended(outcome.as_ref().err().map(|error| error.code().as_str()));
        outcome
    }

    /// Ends it with an error of the protocol.
    pub(crate) fn refused(self, code: ErrorCode, name: &'static str) {
        let status = code.0.to_string();
        self.span.record("rpc.response.status_code", &*status);
        self.ended(Some(name));
    }

    fn ended(mut self, error: Option<&'static str>) {
        self.has_ended = true;
        if let Some(error) = error {
            self.fail(error);
        }
    }

    fn fail(&self, error: &'static str) {
        self.span.record("error.type", error);
        self.span.record("otel.status_code", "ERROR");
    }
}

impl Drop for RequestSpan {
    fn drop(&mut self) {
        if !self.has_ended {
            self.fail("cancelled");
        }
    }
}

/// Says what the request names. The SDK takes no name once the span has an id.
fn name(span: &Span, method: &'static str, target: Target) {
    let (key, name) = match target {
        Target::Unnamed => return,
        Target::Tool(name) => {
            span.record("gen_ai.operation.name", "execute_tool");
            ("gen_ai.tool.name", name)
        }
        Target::Prompt(name) => ("gen_ai.prompt.name", name),
    };
    if let Some(name) = name {
        span.record(key, name);
        span.record("otel.name", format_args!("{method} {name}"));
    }
}

fn describe(span: &Span, transport: Transport, context: &RequestContext<RoleServer>) {
    let transport = match transport {
        Transport::Stdio => "pipe",
        Transport::Http => "tcp",
    };
    span.record("network.transport", transport);
    // One that is text may be any text.
    if let NumberOrString::Number(id) = &context.id {
        span.record("jsonrpc.request.id", &*id.to_string());
    }
    let version = context.protocol_version();
    let version = version.as_ref().map(rmcp::model::ProtocolVersion::as_str);
    if let Some(version) = version.filter(|version| is_date(version)) {
        span.record("mcp.protocol.version", version);
    }
}

/// Whether it is written as versions of the protocol are, `2026-07-28`.
fn is_date(version: &str) -> bool {
    let fits = |byte: u8| byte == b'-' || byte.is_ascii_digit();
    version.len() == 10 && version.bytes().all(fits)
}
