//! One client's conversation with the server, over as many requests as it takes.

use std::io;
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use rmcp::model::{ErrorCode, RequestId};
use rmcp::transport::common::http_header::{
    HEADER_MCP_PROTOCOL_VERSION, HEADER_SESSION_ID, JSON_MIME_TYPE,
};
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};
use tokio_util::task::AbortOnDropHandle;

use super::message::{CANCELLED, Envelope};
use super::upstream::Upstream;
use crate::client::{ClientError, Reply};

/// Longest refusal in plain text that is passed on, in bytes.
const REFUSAL_BYTES: usize = 1024;

/// Ends the opening of a conversation of the `initialize` era.
const INITIALIZED: &str = "notifications/initialized";

/// Why a message was not answered as the server would.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Server(#[from] ClientError),
    #[error("the server answered {status}: {text}")]
    Refused { status: StatusCode, text: String },
    #[error("the server ended before it answered")]
    Unanswered,
    #[error("the reply was not passed on: {0}")]
    Broken(#[from] io::Error),
}

/// A client and the server it talks with.
pub(super) struct Link {
    upstream: Upstream,
    /// Lines for the client. Whoever sends may be aborted without leaving half a line.
    output: mpsc::Sender<Vec<u8>>,
    session: Mutex<Option<Session>>,
}

/// What the server knows a client of the `initialize` era by.
struct Session {
    fields: HeaderMap,
    /// How it was opened, so that it can be opened again when the server has forgotten it.
    opening: Bytes,
    listening: Option<AbortOnDropHandle<()>>,
}

impl Link {
    pub(super) fn new(upstream: Upstream, output: mpsc::Sender<Vec<u8>>) -> Self {
        Self {
            upstream,
            output,
            session: Mutex::new(None),
        }
    }

    /// Brings a message to the server, and what comes of it to the client.
    pub(super) async fn carry(self: Arc<Self>, envelope: Envelope, body: Bytes) {
        let carried = if envelope.is("initialize") {
            self.open(body).await
        } else {
            self.exchange(&envelope, body).await
        };
        let carried = match carried {
            Ok(()) if envelope.is(INITIALIZED) => self.listen().await,
            carried => carried,
        };
        let Err(failure) = carried else {
            return;
        };
        tracing::debug!(%failure, "a message was not carried");
        if let Some(id) = envelope.id.as_ref().filter(|_| envelope.is_request()) {
            let written = self.write(error(id, &failure.to_string())).await;
            written.unwrap_or_else(|error| tracing::debug!(%error, "the client is gone"));
        }
    }

    /// Answers a message that does not go to the server.
    pub(super) async fn refuse(&self, id: &RequestId, reason: &str) -> io::Result<()> {
        self.write(error(&json!(id), reason)).await
    }

    /// Ends the session, if there is one, and what it still has in progress: the ids as JSON.
    pub(super) async fn leave(&self, open: impl Iterator<Item = String>) {
        let Some(session) = self.session.lock().await.take() else {
            return;
        };
        drop(session.listening);
        for id in open {
            let body = format!(
                r#"{{"jsonrpc":"2.0","method":"{CANCELLED}","params":{{"requestId":{id}}}}}"#
            );
            let sent = self.upstream.post(body.into(), session.fields.clone());
            if let Err(error) = sent.await {
                tracing::debug!(%error, "a request was left in progress");
            }
        }
        if let Err(error) = self.upstream.delete(session.fields).await {
            tracing::debug!(%error, "the session was left to its end");
        }
    }

    async fn exchange(self: &Arc<Self>, envelope: &Envelope, body: Bytes) -> Result<(), Failure> {
        if envelope.is_stateless() {
            let reply = self.upstream.post(body, envelope.fields()).await?;
            return self.deliver(envelope, reply).await;
        }
        let fields = self.session_fields().await;
        let reply = self.upstream.post(body.clone(), fields.clone()).await?;
        if !is_forgotten(&reply) || fields.is_empty() {
            return self.deliver(envelope, reply).await;
        }
        let fields = self.reopen(&fields).await?;
        let reply = self.upstream.post(body, fields).await?;
        self.deliver(envelope, reply).await
    }

    /// Opens a session of the `initialize` era.
    async fn open(&self, body: Bytes) -> Result<(), Failure> {
        let reply = self.upstream.post(body.clone(), HeaderMap::new()).await?;
        let (fields, answer) = self.welcome(reply).await?;
        *self.session.lock().await = Some(Session {
            fields,
            opening: body,
            listening: None,
        });
        Ok(self.write(answer).await?)
    }

    /// Opens a session again that the server ended because it was idle, unless that was done already
    /// for another request. The client is not told: it has had its welcome.
    async fn reopen(self: &Arc<Self>, forgotten: &HeaderMap) -> Result<HeaderMap, Failure> {
        let mut place = self.session.lock().await;
        let Some(session) = place.as_mut() else {
            return Err(Failure::Unanswered);
        };
        if session.fields != *forgotten {
            return Ok(session.fields.clone());
        }
        let opening = session.opening.clone();
        let reply = self.upstream.post(opening, HeaderMap::new()).await?;
        let (fields, _) = self.welcome(reply).await?;
        let initialized = json!({ "jsonrpc": "2.0", "method": INITIALIZED }).to_string();
        let reply = self.upstream.post(initialized.into(), fields.clone());
        drop(reply.await?);
        session.fields = fields.clone();
        session.listening = Some(self.start_listening(fields.clone()).await?);
        Ok(fields)
    }

    /// The fields of the session that a reply to `initialize` opens, and the reply.
    async fn welcome(&self, reply: Reply) -> Result<(HeaderMap, Vec<u8>), Failure> {
        let id = reply.response.headers().get(HEADER_SESSION_ID).cloned();
        let mut messages = self.upstream.messages(refused(reply).await?);
        let answer = messages.next().await?.ok_or(Failure::Unanswered)?;
        let read = Envelope::read(&answer).ok();
        let version = read.as_ref().and_then(Envelope::agreed_version);
        let version = version.and_then(|version| HeaderValue::from_str(version).ok());
        let fields = [
            (HEADER_SESSION_ID, id),
            (HEADER_MCP_PROTOCOL_VERSION, version),
        ];
        let field = |(name, value): (&str, Option<HeaderValue>)| {
            Some((HeaderName::from_bytes(name.as_bytes()).ok()?, value?))
        };
        Ok((fields.into_iter().filter_map(field).collect(), answer))
    }

    async fn session_fields(&self) -> HeaderMap {
        let session = self.session.lock().await;
        session
            .as_ref()
            .map(|session| session.fields.clone())
            .unwrap_or_default()
    }

    /// Passes on what the server says of itself from now on.
    async fn listen(self: &Arc<Self>) -> Result<(), Failure> {
        if let Some(session) = self.session.lock().await.as_mut() {
            session.listening = Some(self.start_listening(session.fields.clone()).await?);
        }
        Ok(())
    }

    async fn start_listening(
        self: &Arc<Self>,
        fields: HeaderMap,
    ) -> Result<AbortOnDropHandle<()>, Failure> {
        let reply = refused(self.upstream.listen(fields).await?).await?;
        let mut messages = self.upstream.messages(reply);
        let link = Arc::downgrade(self);
        Ok(crate::run::spawn(async move {
            while let (Ok(Some(message)), Some(link)) = (messages.next().await, link.upgrade()) {
                if link.write(message).await.is_err() {
                    break;
                }
            }
        }))
    }

    /// Passes on all messages of a reply; a request gets one answer, whatever becomes of them.
    async fn deliver(&self, envelope: &Envelope, reply: Reply) -> Result<(), Failure> {
        let mut messages = self.upstream.messages(refused(reply).await?);
        let mut is_answered = !envelope.is_request();
        loop {
            let message = match messages.next().await {
                Ok(Some(message)) => message,
                Err(error) if !is_answered => return Err(error.into()),
                Ok(None) | Err(_) => break,
            };
            let answers = Envelope::read(&message).is_ok_and(|message| message.is_response());
            if !(answers && is_answered) {
                self.write(message).await?;
            }
            is_answered |= answers;
        }
        is_answered.then_some(()).ok_or(Failure::Unanswered)
    }

    async fn write(&self, mut message: Vec<u8>) -> io::Result<()> {
        message.push(b'\n');
        let sent = self.output.send(message).await;
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Ends when the client takes no more.
    pub(super) async fn closed(&self) {
        self.output.closed().await;
    }
}

/// Whether the server no longer knows the session of a request.
fn is_forgotten(reply: &Reply) -> bool {
    reply.response.status() == StatusCode::NOT_FOUND && !is_json(reply)
}

fn is_json(reply: &Reply) -> bool {
    let kind = reply.response.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(JSON_MIME_TYPE.as_bytes()))
}

/// A reply that holds messages; a refusal in plain text is an error.
async fn refused(reply: Reply) -> Result<Reply, Failure> {
    let status = reply.response.status();
    if status.is_success() || is_json(&reply) {
        return Ok(reply);
    }
    let text = axum::body::to_bytes(reply.response.into_body(), REFUSAL_BYTES).await;
    let text = text.unwrap_or_default();
    Err(Failure::Refused {
        status,
        text: String::from_utf8_lossy(text.trim_ascii()).into_owned(),
    })
}

fn error(id: &Value, reason: &str) -> Vec<u8> {
    let code = ErrorCode::INTERNAL_ERROR.0;
    let error = json!({ "code": code, "message": reason });
    json!({ "jsonrpc": "2.0", "id": id, "error": error })
        .to_string()
        .into_bytes()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::client::LocalServer;

    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                        transfer-encoding: chunked\r\n\r\n";
    const ANSWER: &str = r#"{"jsonrpc":"2.0","id":7,"result":{}}"#;

    /// What the client reads when the server sends `events` and then breaks the connection.
    async fn carried(events: &[&str]) -> Vec<String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = LocalServer::listening_on(listener.local_addr().unwrap(), None);
        let events = events.iter().map(|event| format!("data: {event}\n\n"));
        let events = events.collect::<Vec<_>>().concat();
        let reply = format!("{HEAD}{:x}\r\n{events}\r\n", events.len());
        let (output, mut lines) = mpsc::channel(8);
        let link = Arc::new(Link::new(Upstream::new(server, None, 1024), output));
        let call = br#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{}}"#;
        let envelope = Envelope::read(call).unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(call) {
                assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
            }
            stream.write_all(reply.as_bytes()).await.unwrap();
        };
        tokio::join!(serve, link.carry(envelope, Bytes::from_static(call)));
        let mut read = Vec::new();
        while let Some(line) = lines.recv().await {
            read.push(String::from_utf8(line).unwrap());
        }
        read
    }

    #[tokio::test]
    async fn a_request_is_answered_once_however_its_reply_ends() {
        let answer = [format!("{ANSWER}\n")];
        assert_eq!(carried(&[ANSWER]).await, answer);
        assert_eq!(carried(&[ANSWER, ANSWER]).await, answer);
        let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#;
        let [_, refusal] = &carried(&[progress]).await[..] else {
            panic!("the notification and one answer");
        };
        assert!(refusal.contains("was not passed on"), "{refusal}");
    }
}
