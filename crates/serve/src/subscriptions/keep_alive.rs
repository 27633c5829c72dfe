//! Keeping the session of a subscriber that has nothing to say, and noticing that it is gone.
//!
//! A session ends when it was idle for long. A subscriber is idle while nothing changes, and one that
//! is gone is not while something does: what it is told counts as activity.

use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{PingRequest, ServerRequest};
use rmcp::service::{Peer, PeerRequestOptions, ServiceError};

/// Pings in one period of idleness.
const PINGS: u32 = 3;

/// Pings that may go unanswered in a row, but for one.
const UNANSWERED: u32 = 2;

/// Pings the client so that its session is not idle for `idle`; ends when it does not answer.
pub(super) async fn keep_alive(peer: Peer<RoleServer>, idle: Duration) {
    let every = idle / PINGS;
    let mut unanswered = 0;
    while unanswered < UNANSWERED {
        tokio::time::sleep(every).await;
        unanswered = if is_there(&peer, every).await {
            0
        } else {
            unanswered + 1
        };
    }
    tracing::debug!("a subscriber does not answer: its subscriptions end");
}

/// Whether the client answers a ping in time; an error is an answer too.
async fn is_there(peer: &Peer<RoleServer>, within: Duration) -> bool {
    let ping = async {
        let ping = ServerRequest::PingRequest(PingRequest::default());
        let options = PeerRequestOptions::with_timeout(within);
        let sent = peer.send_request_with_option(ping, options).await?;
        sent.await_response().await
    };
    let answer = tokio::time::timeout(within, ping).await;
    matches!(answer, Ok(Ok(_) | Err(ServiceError::McpError(_))))
}
