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

/// Records how many hosts are left alone.
pub(crate) fn open_breakers(count: usize) {
    mcp_metrics::egress_open_breakers(u64::try_from(count).unwrap_or(u64::MAX));
}

fn outcome(result: &Result<Response, EgressError>) -> &'static str {
    match result {
        Ok(response) if response.status >= 400 => "http_error",
        Ok(response) if response.completeness == Completeness::Cut => "too_large",
        Ok(_) => "ok",
        Err(error) if error.is_policy() => "denied",
        Err(EgressError::BreakerOpen { .. }) => "breaker_open",
        Err(EgressError::HeadTooLarge { .. }) => "too_large",
        Err(
            EgressError::TimedOut { .. }
            | EgressError::TooSlow { .. }
            | EgressError::Resolve {
                source: ResolveError::TimedOut { .. },
                ..
            },
        ) => "timeout",
        Err(EgressError::TooManyRedirects { .. }) => "too_many_redirects",
        Err(EgressError::Client { .. } | EgressError::ClientPanicked) => "client",
        Err(_) => "network",
    }
}
