//! Streamable HTTP at `/mcp`, for both protocol eras.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
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
    let endpoint = Arc::new(Endpoint {
        token,
        max_body_bytes: config.transport.max_message_bytes.get(),
        body_timeout: config.http.body_timeout,
        max_sessions: config.http.max_sessions,
        service: StreamableHttpService::new(
            move || Ok(handler.for_session(idle)),
            Arc::clone(&sessions),
            transport,
        ),
        sessions,
    });
    // Layers and routes are cloned with all below them for each request: there is one.
    Router::new().fallback(move |request| {
        let endpoint = Arc::clone(&endpoint);
        async move { endpoint.serve(request).await }
    })
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

/// What a request passes on its way to a session, or to a call without one.
struct Endpoint {
    token: Option<Token>,
    max_body_bytes: usize,
    body_timeout: Duration,
    sessions: Arc<LocalSessionManager>,
    max_sessions: usize,
    service: Service,
}

type Service = StreamableHttpService<Handler, LocalSessionManager>;

impl Endpoint {
    async fn serve(&self, request: Request) -> Response {
        if let Some(refusal) = auth::refusal(self.token.as_ref(), request.headers()) {
            return refusal;
        }
        if request.uri().path() != "/mcp" {
            return StatusCode::NOT_FOUND.into_response();
        }
        let (head, body) = request.into_parts();
        let body = match self.read(body).await {
            Ok(body) => body,
            Err(refusal) => return refusal.into_response(),
        };
        if self.would_exceed_sessions(&head.headers).await {
            return (StatusCode::SERVICE_UNAVAILABLE, "too many sessions\n").into_response();
        }
        let request = Request::from_parts(head, Body::from(body));
        self.service.handle(request).await.map(Body::new)
    }

    /// Reads the body before the request is handled, so that a client which sends slowly does not
    /// hold its connection for ever.
    async fn read(&self, body: Body) -> Result<Bytes, (StatusCode, &'static str)> {
        let reading = axum::body::to_bytes(body, self.max_body_bytes);
        match tokio::time::timeout(self.body_timeout, reading).await {
            Ok(Ok(body)) => Ok(body),
            Ok(Err(_)) => Err((StatusCode::PAYLOAD_TOO_LARGE, "the body is too long\n")),
            Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "the body came too slowly\n")),
        }
    }

    /// Whether a request could open a session while there are as many as there may be.
    async fn would_exceed_sessions(&self, headers: &HeaderMap) -> bool {
        // Requests of the stateless era say so in this header and never open a session.
        let stateless = headers.get("mcp-protocol-version").is_some_and(|version| {
            version.as_bytes() >= ProtocolVersion::V_2026_07_28.as_str().as_bytes()
        });
        let may_open = !stateless && !headers.contains_key("mcp-session-id");
        may_open && self.sessions.sessions.read().await.len() >= self.max_sessions
    }
}
