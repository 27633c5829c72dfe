//! Requests to the server, with all that it asks for beside the message.

use axum::body::{Body, Bytes};
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Method, Request, Uri};
use rmcp::transport::common::http_header::JSON_MIME_TYPE;

use super::events::Messages;
use crate::client::{ClientError, LocalServer, Reply};

/// What a client must be able to read.
const BOTH_KINDS: &str = "application/json, text/event-stream";

/// What the frame of a message may take in an event stream beside the message.
const FRAME_BYTES: usize = 64 * 1024;

/// The server, and what opens its door.
pub(super) struct Upstream {
    server: LocalServer,
    authorization: Option<HeaderValue>,
    max_bytes: usize,
}

impl Upstream {
    /// `max_bytes` bounds each message.
    pub(super) fn new(server: LocalServer, token: Option<&str>, max_bytes: usize) -> Self {
        let shown = |token| {
            let mut shown = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
            shown.set_sensitive(true);
            Some(shown)
        };
        Self {
            server,
            authorization: token.and_then(shown),
            max_bytes: max_bytes.saturating_add(FRAME_BYTES),
        }
    }

    /// Sends a message with further fields in the head of its request.
    pub(super) async fn post(&self, body: Bytes, fields: HeaderMap) -> Result<Reply, ClientError> {
        self.send(Method::POST, Body::from(body), fields).await
    }

    /// Asks for what the server has to say of itself.
    pub(super) async fn listen(&self, fields: HeaderMap) -> Result<Reply, ClientError> {
        self.send(Method::GET, Body::empty(), fields).await
    }

    /// Ends a session.
    pub(super) async fn delete(&self, fields: HeaderMap) -> Result<Reply, ClientError> {
        self.send(Method::DELETE, Body::empty(), fields).await
    }

    /// The messages of a response.
    pub(super) fn messages(&self, reply: Reply) -> Messages {
        Messages::of(reply, self.max_bytes)
    }

    async fn send(
        &self,
        method: Method,
        body: Body,
        fields: HeaderMap,
    ) -> Result<Reply, ClientError> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = Uri::from_static("/mcp");
        let headers = request.headers_mut();
        *headers = fields;
        headers.insert(ACCEPT, HeaderValue::from_static(BOTH_KINDS));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON_MIME_TYPE));
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        self.server.send(request).await
    }
}
