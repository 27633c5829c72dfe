//! Tools that reach other machines over HTTP.

pub mod http_request_secure;
pub mod scrape_webpage_secure;

mod charset;
#[cfg(test)]
mod loopback;
pub mod page;
mod render;
mod tree;

use mcp_egress::{EgressError, HeaderRefusal, POLICY_HINT, ResolveError, UrlRefusal, VettedUrl};
use mcp_toolcall::{Account, Code, ToolError};

pub use page::Page;

/// Bytes of a body that is decoded at once: about a millisecond's work.
const LARGEST_INLINE: usize = 256 * 1024;
/// The layer that refuses what the operator's lists and the address policy do not allow.
const LAYER: &str = "network policy";

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

/// Why a URL may be requested.
fn account(url: &VettedUrl) -> Account {
    Account {
        because: vec![format!(
            "no list of hosts and ports refuses `{}`",
            url.authority()
        )],
        judged_later: Some("the addresses that its name stands for, and each redirect"),
        ..Account::default()
    }
}

/// A header field that cannot be sent.
fn explain_header(refusal: &HeaderRefusal) -> ToolError {
    ToolError::invalid("headers", refusal).with_hint("leave the header out or correct it")
}

/// A request that brought no answer, and what the caller can do.
fn explain(error: EgressError) -> ToolError {
    let (code, hint) = advice(&error);
    let mut explained = ToolError::new(code, error.explained()).with_hint(hint);
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
        EgressError::Robots { .. } => (
            Code::EgressDenied,
            "read another page; the operator has robots.txt respected with `scrape.robots`",
        ),
        EgressError::TimedOut { .. } | EgressError::TooSlow { .. } => (
            Code::TimedOut,
            "allow more time, or ask the server for less",
        ),
        EgressError::HeadTooLarge { .. } => (
            Code::TooLarge,
            "ask another URL; no argument raises this limit",
        ),
        EgressError::Client { .. } | EgressError::Panicked => (
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

/// Runs `work` on a body of that many bytes: large ones beside the one thread that answers calls.
async fn off_thread<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ToolError> {
    if bytes <= LARGEST_INLINE {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        ToolError::new(Code::Internal, "the response could not be worked on").with_source(error)
    })
}
