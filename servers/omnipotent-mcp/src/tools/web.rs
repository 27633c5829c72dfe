//! Tools that reach other machines over HTTP.

pub mod http_request_secure;
pub mod scrape_webpage_secure;

mod charset;
#[cfg(test)]
mod loopback;
pub mod page;
mod render;
mod tree;

use mcp_egress::{EgressError, HeaderRefusal, ResolveError, UrlRefusal};
use mcp_toolcall::{Code, ToolError};

pub use page::Page;

/// The layer that refuses what the operator's lists and the address policy do not allow.
const LAYER: &str = "network policy";
/// What to do about a refusal of the policy.
const POLICY_HINT: &str = "only public addresses and hosts that the operator allows can be \
                           reached; the operator opens others with `allow_networks` and \
                           `allow_hosts`";

/// A URL that may not be requested, and what the caller can do instead.
fn explain_url(refusal: UrlRefusal) -> ToolError {
    if !refusal.is_policy() {
        let hint = "give an absolute http or https URL without user name and password";
        return ToolError::invalid("url", &refusal).with_hint(hint);
    }
    ToolError::new(Code::EgressDenied, refusal.to_string())
        .with_hint(POLICY_HINT)
        .with_layer(LAYER)
        .with_source(refusal)
}

/// A header field that cannot be sent.
fn explain_header(refusal: &HeaderRefusal) -> ToolError {
    ToolError::invalid("headers", refusal).with_hint("leave the header out or correct it")
}

/// A request that brought no answer, and what the caller can do.
fn explain(error: EgressError) -> ToolError {
    let (code, hint) = advice(&error);
    let mut explained = ToolError::new(code, with_cause(&error)).with_hint(hint);
    if error.is_policy() {
        explained = explained.with_layer(LAYER);
    }
    if let EgressError::BreakerOpen { retry_after, .. } = &error {
        explained = explained.with_retry_after(*retry_after);
    }
    explained.with_source(error)
}

fn advice(error: &EgressError) -> (Code, &'static str) {
    match error {
        EgressError::Redirect { .. } | EgressError::Downgrade { .. } => {
            (Code::EgressDenied, POLICY_HINT)
        }
        EgressError::Resolve {
            source: ResolveError::Refused { .. },
            ..
        } => (Code::EgressDenied, POLICY_HINT),
        EgressError::TimedOut { .. } | EgressError::TooSlow { .. } => (
            Code::TimedOut,
            "allow more time, or ask the server for less",
        ),
        EgressError::HeadTooLarge { .. } => (
            Code::TooLarge,
            "ask another URL; no argument raises this limit",
        ),
        EgressError::Client { .. } | EgressError::ClientPanicked => (
            Code::Internal,
            "no request can be made now; tell the operator",
        ),
        EgressError::BreakerOpen { .. } => (Code::Unavailable, "try another host meanwhile"),
        EgressError::TooManyRedirects { .. } => {
            (Code::Unavailable, "request the final URL directly")
        }
        EgressError::Resolve { .. }
        | EgressError::Connect { .. }
        | EgressError::Tls { .. }
        | EgressError::Transport { .. } => (
            Code::Unavailable,
            "check the host name and the port, or try again later",
        ),
    }
}

/// The error and its cause, where the cause helps the caller; other causes are for the log.
fn with_cause(error: &EgressError) -> String {
    let cause = match error {
        EgressError::Resolve { source, .. } => source.to_string(),
        EgressError::Redirect { source, .. } => source.to_string(),
        EgressError::Tls { source, .. } => source.to_string(),
        EgressError::Client { .. }
        | EgressError::ClientPanicked
        | EgressError::BreakerOpen { .. }
        | EgressError::Connect { .. }
        | EgressError::Transport { .. }
        | EgressError::HeadTooLarge { .. }
        | EgressError::TimedOut { .. }
        | EgressError::TooSlow { .. }
        | EgressError::TooManyRedirects { .. }
        | EgressError::Downgrade { .. } => return error.to_string(),
    };
    format!("{error}: {cause}")
}
