//! What is measured of every request.

use std::time::Duration;

use crate::{Completeness, EgressError, ResolveError, Response};

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
