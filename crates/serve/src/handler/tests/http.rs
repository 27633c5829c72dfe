//! Subscriptions over streamable HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use super::client::{PATIENCE, initialize};
use super::*;
use crate::ServeConfig;
use crate::listener::{self, Bounds};

struct Server {
    address: SocketAddr,
    _serving: AbortOnDropHandle<()>,
}

impl Server {
    async fn start(handler: &Handler) -> Self {
        Self::with_idle_sessions(handler, Duration::from_mins(1)).await
    }

    async fn with_idle_sessions(handler: &Handler, idle: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut config = ServeConfig::default();
        config.http.session_idle = idle;
        let stop = CancellationToken::new();
        let app = crate::http::routes(handler.clone(), &config, address, None, stop.clone());
        let bounds = Bounds {
            max_connections: config.http.max_connections,
            write_timeout: config.http.write_timeout,
            grace: Duration::ZERO,
        };
        let serving = listener::serve(listener, app, bounds, stop);
        Self {
            address,
            _serving: crate::run::spawn(serving),
        }
    }

    /// Sends a request and reads the head of its answer.
    #[expect(clippy::disallowed_methods, reason = "a client connects")]
    async fn send(&self, first: &str, fields: &str, message: Option<&Value>) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let body = message.map(Value::to_string).unwrap_or_default();
        let request = format!(
            "{first} /mcp HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\n{fields}Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Answer {
            lines: BufReader::new(stream),
            session: None,
        };
        loop {
            let line = answer.line().await;
            if let Some(session) = line.strip_prefix("mcp-session-id: ") {
                answer.session = Some(session.to_owned());
            }
            if line.is_empty() {
                return answer;
            }
        }
    }
}

impl Server {
    /// Opens a session and its stream, and subscribes to `note:a`; the field that names the session.
    async fn subscribe(&self) -> (String, Answer) {
        let request = Era::Legacy.request(1, "initialize", initialize());
        let mut opened = self.send("POST", "", Some(&request)).await;
        opened.message().await;
        let session = format!("Mcp-Session-Id: {}\r\n", opened.session.unwrap());
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        self.send("POST", &session, Some(&initialized)).await;
        let stream = self.send("GET", &session, None).await;
        let subscribe = json!({ "uri": "note:a" });
        let subscribe = Era::Legacy.request(2, "resources/subscribe", subscribe);
        let mut subscribed = self.send("POST", &session, Some(&subscribe)).await;
        assert_eq!(subscribed.message().await["result"], json!({}));
        (session, stream)
    }
}

/// An answer that is still being read.
struct Answer {
    lines: BufReader<TcpStream>,
    session: Option<String>,
}

impl Answer {
    async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line);
        let read = tokio::time::timeout(PATIENCE, read).await.expect("a line");
        assert!(read.unwrap() > 0, "the answer ended");
        line.trim_end().to_owned()
    }

    /// The next message, of an event stream or the only one.
    async fn message(&mut self) -> Value {
        let mut text = Vec::new();
        loop {
            let read = self.lines.read_until(b'}', &mut text);
            let read = tokio::time::timeout(PATIENCE, read).await.expect("more");
            assert!(read.unwrap() > 0, "the answer ended");
            let start = text.iter().position(|byte| *byte == b'{').unwrap();
            if let Ok(message) = serde_json::from_slice(&text[start..]) {
                return message;
            }
        }
    }
}

#[tokio::test]
async fn a_stream_of_the_stateless_era_ends_with_its_connection() {
    let notes = Notes::new(&["a"]);
    let handler = handler(Some(&notes));
    let server = Server::start(&handler).await;
    let method = "subscriptions/listen";
    let filter = json!({ "notifications": { "resourceSubscriptions": ["note:a"] } });
    let request = Era::Modern.request(7, method, filter);
    let fields = format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n");
    let mut stream = server.send("POST", &fields, Some(&request)).await;
    let acknowledged = stream.message().await;
    assert_eq!(
        acknowledged["method"],
        "notifications/subscriptions/acknowledged"
    );
    notes.watched(1).await;
    notes.write("a", "Changed.");
    let told = stream.message().await;
    assert_eq!(told["params"]["uri"], "note:a");
    assert_eq!(
        told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"],
        7
    );
    drop(stream);
    notes.watched(0).await;
}

#[tokio::test]
async fn a_session_is_told_on_its_own_stream_until_it_ends() {
    let notes = Notes::new(&["a"]);
    let handler = handler(Some(&notes));
    let server = Server::start(&handler).await;
    let (session, mut told) = server.subscribe().await;
    notes.write("a", "Changed.");
    assert_eq!(told.message().await["params"]["uri"], "note:a");
    server.send("DELETE", &session, None).await;
    notes.watched(0).await;
}

#[tokio::test]
async fn a_subscriber_that_answers_is_kept_and_one_that_does_not_is_forgotten() {
    let notes = Notes::new(&["a"]);
    let handler = handler(Some(&notes));
    let idle = Duration::from_millis(900);
    let server = Server::with_idle_sessions(&handler, idle).await;
    let (session, mut stream) = server.subscribe().await;
    let started = tokio::time::Instant::now();
    while started.elapsed() < idle * 2 {
        let ping = stream.message().await;
        assert_eq!(ping["method"], "ping");
        let answer = json!({ "jsonrpc": "2.0", "id": ping["id"], "result": {} });
        server.send("POST", &session, Some(&answer)).await;
    }
    assert_eq!(notes.watches(), 1);
    notes.write("a", "Changed.");
    while stream.message().await["method"] != "notifications/resources/updated" {}
    // From here on it answers no more, whatever it is told.
    let telling = async {
        loop {
            notes.write("a", "Changed.");
            tokio::time::sleep(idle / 10).await;
        }
    };
    tokio::select! {
        () = notes.watched(0) => {}
        () = telling => {}
    }
}
