//! A client on a pipe, by hand: one line, one message.

use std::collections::VecDeque;
use std::time::Duration;

use rmcp::service::serve_server_with_ct;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::Handler;
use crate::stdio::Lines;

/// How long a client waits for what must come.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How long it waits for what must not.
const QUIET: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    Legacy,
    Modern,
}

impl Era {
    /// A request of this era.
    pub(super) fn request(self, id: u64, method: &str, mut params: Value) -> Value {
        if self == Self::Modern {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            });
        }
        json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
    }
}

/// What opens a connection of the `initialize` era.
pub(super) fn initialize() -> Value {
    json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" },
    })
}

pub(super) struct Client {
    era: Era,
    reader: BufReader<ReadHalf<DuplexStream>>,
    writer: WriteHalf<DuplexStream>,
    told: VecDeque<Value>,
    next_id: u64,
    capabilities: Value,
    _serving: AbortOnDropHandle<()>,
}

impl Client {
    pub(super) async fn open(era: Era, handler: &Handler) -> Self {
        let (client, server) = tokio::io::duplex(1024);
        let (reader, writer) = tokio::io::split(server);
        let lines = Lines::new(reader, writer, 1 << 20, CancellationToken::new());
        let handler = Handler {
            connection: std::sync::Arc::default(),
            ..handler.clone()
        };
        let serving = crate::run::spawn(async move {
            let ended = CancellationToken::new();
            let running = Box::pin(serve_server_with_ct(handler, lines, ended)).await;
            running.unwrap().waiting().await.unwrap();
        });
        let (reader, writer) = tokio::io::split(client);
        let mut client = Self {
            era,
            reader: BufReader::new(reader),
            writer,
            told: VecDeque::new(),
            next_id: 1,
            capabilities: Value::Null,
            _serving: serving,
        };
        let opened = match era {
            Era::Legacy => client.request("initialize", initialize()).await,
            Era::Modern => client.request("server/discover", json!({})).await,
        };
        client.capabilities = opened.unwrap()["capabilities"].take();
        if era == Era::Legacy {
            client
                .send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
                .await;
        }
        client
    }

    /// What the server declared.
    pub(super) fn capabilities(&self) -> &Value {
        &self.capabilities
    }

    pub(super) async fn send(&mut self, message: &Value) {
        let line = format!("{message}\n");
        self.writer.write_all(line.as_bytes()).await.unwrap();
    }

    /// Sends a request and leaves its answer to come; returns its id.
    pub(super) async fn begin(&mut self, method: &str, params: Value) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let request = self.era.request(id, method, params);
        self.send(&request).await;
        id
    }

    /// Sends a request; its result or its error.
    pub(super) async fn request(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.begin(method, params).await;
        self.answer(id).await
    }

    /// Waits for the answer to a request.
    pub(super) async fn answer(&mut self, id: u64) -> Result<Value, Value> {
        loop {
            let mut message = self.read().await.expect("an answer");
            if message["id"] == id {
                return match message.get_mut("error") {
                    Some(error) => Err(error.take()),
                    None => Ok(message["result"].take()),
                };
            }
            self.told.push_back(message);
        }
    }

    /// The next notification.
    pub(super) async fn told(&mut self) -> Value {
        match self.told.pop_front() {
            Some(message) => message,
            None => self.read().await.expect("a notification"),
        }
    }

    /// Makes sure that no notification comes.
    pub(super) async fn assert_quiet(&mut self) {
        assert_eq!(self.told, VecDeque::<Value>::new());
        if let Ok(line) = tokio::time::timeout(QUIET, self.line()).await {
            panic!("told of {line:?}");
        }
    }

    async fn read(&mut self) -> Option<Value> {
        let line = tokio::time::timeout(PATIENCE, self.line()).await;
        line.expect("a message in time")
            .map(|line| serde_json::from_str(&line).unwrap())
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.reader.read_line(&mut line).await.unwrap();
        (read > 0).then_some(line)
    }
}
