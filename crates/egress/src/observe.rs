//! What is measured of every request.

use std::time::Duration;

use mcp_metrics::SPANS;
use tracing::Span;
use tracing::field::Empty;

use crate::{Completeness, EgressError, Request, ResolveError, Response};

/// The span of one exchange, named as the OpenTelemetry semantic conventions for HTTP say. The host is what
/// a caller asked for: whoever sends traces leaves it out unless the operator wants it.
pub(crate) fn span(request: &Request) -> Span {
    let url = request.url.as_url();
    tracing::trace_span!(
        target: SPANS,
        "exchange",
        otel.name = request.method.as_str(),
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = request.method.as_str(),
        url.scheme = url.scheme(),
        server.address = url.host_str(),
        // Spans have signed numbers only: an unsigned one would become text.
        server.port = url.port_or_known_default().map(i64::from),
        http.response.status_code = Empty,
        "error.type" = Empty,
    )
}

/// Records in its span how an exchange went.
pub(crate) fn answered(span: &Span, status: Result<u16, &EgressError>) {
    match status {
        Ok(status) => {
            span.record("http.response.status_code", i64::from(status));
            if status < 400 {
                return;
            }
            span.record("error.type", format_args!("{status}"));
        }
        Err(error) => {
            span.record("error.type", failure(error));
        }
    }
    span.record("otel.status_code", "ERROR");
}

/// Records how a request ended.
pub(crate) fn finished(result: &Result<Response, EgressError>, elapsed: Duration) {
    mcp_metrics::egress_request(outcome(result), elapsed.as_secs_f64());
    if let Ok(response) = result {
        mcp_metrics::egress_received(u64::try_from(response.body.len()).unwrap_or(u64::MAX));
    }
}

/// Records how a command's connection came about, or why it did not.
pub(crate) fn connected<T>(result: &Result<T, EgressError>, elapsed: Duration) {
    let outcome = result.as_ref().err().map_or("ok", failure);
    mcp_metrics::egress_request(outcome, elapsed.as_secs_f64());
}

/// Records that the policy refused what a command asked for.
pub(crate) fn refused() {
    mcp_metrics::security_block("egress_denied");
}

fn outcome(result: &Result<Response, EgressError>) -> &'static str {
    match result {
        Ok(response) if response.status >= 400 => "http_error",
        Ok(response) if response.completeness == Completeness::Cut => "too_large",
        Ok(_) => "ok",
        Err(error) => failure(error),
    }
}

fn failure(error: &EgressError) -> &'static str {
    match error {
        error if error.is_policy() => "denied",
        EgressError::BreakerOpen { .. } => "breaker_open",
        EgressError::HeadTooLarge { .. } => "too_large",
        EgressError::TimedOut { .. }
        | EgressError::TooSlow { .. }
        | EgressError::Resolve {
            source: ResolveError::TimedOut { .. },
            ..
        } => "timeout",
        EgressError::TooManyRedirects { .. } => "too_many_redirects",
        EgressError::Client { .. } | EgressError::Panicked => "client",
        EgressError::Resolve { .. }
        | EgressError::Connect { .. }
        | EgressError::Tls { .. }
        | EgressError::Transport { .. }
        | EgressError::Redirect { .. }
        | EgressError::Downgrade { .. }
        | EgressError::Robots { .. } => "network",
    }
}
