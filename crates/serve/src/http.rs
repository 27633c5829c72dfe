//! Streamable HTTP at `/mcp`, for both protocol eras.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use rmcp::model::ProtocolVersion;
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::{LocalSessionManager, SessionConfig};
use tokio_util::sync::CancellationToken;

use crate::auth::{self, Token};
use crate::handler::Handler;
use crate::{HttpConfig, ServeConfig};

/// How long a finished reply is kept for a client that lost its stream.
const RESUME_WITHIN: Duration = Duration::from_secs(10);

/// The routes. Without a token everybody who can connect is served.
pub(crate) fn routes(
    handler: Handler,
    config: &ServeConfig,
    address: SocketAddr,
    token: Option<Token>,
    stop: CancellationToken,
) -> Router {
    let sessions = Arc::new(session_manager(&config.http));
    let transport = StreamableHttpServerConfig::default()
        .with_allowed_hosts(hosts(&config.http, address))
        .with_allowed_origins(origins(&config.http, address))
        .enforce_origin_validation()
        .with_json_response(true)
        .with_max_request_body_bytes(config.transport.max_message_bytes.get())
        .with_cancellation_token(stop);
    let idle = config.http.session_idle;
    let service = StreamableHttpService::new(
        move || Ok(handler.for_session(idle)),
        Arc::clone(&sessions),
        transport,
    );
    let places = Sessions {
        manager: sessions,
        max: config.http.max_sessions,
    };
    let bodies = Bodies {
        max_bytes: config.transport.max_message_bytes.get(),
        timeout: config.http.body_timeout,
    };
    Router::new()
        .route_service("/mcp", service)
        .layer(middleware::from_fn_with_state(places, bound_sessions))
        .layer(middleware::from_fn_with_state(bodies, read_body))
        .layer(middleware::from_fn_with_state(token, auth::require))
}

/// The configured hosts and the address listened on, unless that is every address. An address is
/// no name that could be made to lead here.
fn hosts(config: &HttpConfig, address: SocketAddr) -> Vec<String> {
    let own = match address.ip() {
        ip if ip.is_unspecified() => None,
        IpAddr::V4(ip) => Some(ip.to_string()),
        IpAddr::V6(ip) => Some(format!("[{ip}]")),
    };
    config.allowed_hosts.iter().cloned().chain(own).collect()
}

/// The configured origins and the server's own, which serves no page that could misuse it.
fn origins(config: &HttpConfig, address: SocketAddr) -> Vec<String> {
    let own = [
        format!("http://{address}"),
        format!("http://localhost:{}", address.port()),
    ];
    config.allowed_origins.iter().cloned().chain(own).collect()
}

fn session_manager(config: &HttpConfig) -> LocalSessionManager {
    let mut manager = LocalSessionManager::default();
    let mut sessions = SessionConfig::default();
    sessions.keep_alive = Some(config.session_idle);
    sessions.completed_cache_ttl = RESUME_WITHIN;
    manager.session_config = sessions;
    manager
}

#[derive(Clone)]
struct Sessions {
    manager: Arc<LocalSessionManager>,
    max: usize,
}

/// Refuses requests that could open a session while there are as many as there may be.
async fn bound_sessions(
    State(sessions): State<Sessions>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    // Requests of the stateless era say so in this header and never open a session.
    let stateless = headers.get("mcp-protocol-version").is_some_and(|version| {
        version.as_bytes() >= ProtocolVersion::V_2026_07_28.as_str().as_bytes()
    });
    let may_open = !stateless && !headers.contains_key("mcp-session-id");
    if may_open && sessions.manager.sessions.read().await.len() >= sessions.max {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many sessions\n").into_response();
    }
    next.run(request).await
}

#[derive(Clone, Copy)]
struct Bodies {
    max_bytes: usize,
    timeout: Duration,
}

/// Reads the body before the request is handled, so that a client which sends slowly does not
/// hold its connection for ever.
async fn read_body(State(bodies): State<Bodies>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let reading = axum::body::to_bytes(body, bodies.max_bytes);
    match tokio::time::timeout(bodies.timeout, reading).await {
        Ok(Ok(body)) => next.run(Request::from_parts(head, body.into())).await,
        Ok(Err(_)) => (StatusCode::PAYLOAD_TOO_LARGE, "the body is too long\n").into_response(),
        Err(_) => (StatusCode::REQUEST_TIMEOUT, "the body came too slowly\n").into_response(),
    }
}
