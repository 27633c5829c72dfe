//! One client of the load, which does what the protocol asks of one and no more: it tries nothing twice, and opens a
//! session anew when the server does not know it any more (404).

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::Era;
use crate::http::{Answer, Connection};

/// For one call; they take milliseconds.
const LIMIT: Duration = Duration::from_secs(10);
const LEGACY: &str = "2025-11-25";
const MODERN: &str = "2026-07-28";
const TOOL: &str = "health_check";
const UNKNOWN_SESSION: u16 = 404;

pub(super) struct Client {
    server: SocketAddr,
    era: Era,
    /// Whether it keeps its connection.
    keeps: bool,
    /// Fields that all requests have.
    fields: String,
    connection: Option<Connection>,
    session: Option<String>,
}

/// A call that was answered.
pub(super) struct Called {
    pub(super) replica: String,
    /// Whether the session was unknown, so that another was opened.
    pub(super) reopened: bool,
}

impl Client {
    pub(super) fn new(server: SocketAddr, token: &str, era: Era, keeps: bool) -> Self {
        let fields = format!(
            "Authorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\n"
        );
        Self {
            server,
            era,
            keeps,
            fields,
            connection: None,
            session: None,
        }
    }

    /// Calls a tool, which must succeed.
    pub(super) fn call(&mut self) -> Result<Called> {
        let called = match self.era {
            Era::Modern => self.call_modern(),
            Era::Legacy => self.call_in_session(),
        };
        called.with_context(|| {
            let kept = if self.keeps { "kept" } else { "new" };
            format!("a call failed ({:?} era, {kept} connection)", self.era)
        })
    }

    fn call_modern(&mut self) -> Result<Called> {
        let fields = format!(
            "MCP-Protocol-Version: {MODERN}\r\nMcp-Method: tools/call\r\nMcp-Name: {TOOL}\r\n"
        );
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": { "name": "load", "version": "1" },
        });
        let params = json!({ "name": TOOL, "arguments": {}, "_meta": meta });
        let answer = self.post(&fields, &request("tools/call", &params))?;
        succeeded(&answer)?;
        called(&answer, false)
    }

    fn call_in_session(&mut self) -> Result<Called> {
        let params = json!({ "name": TOOL, "arguments": {} });
        let call = request("tools/call", &params);
        let had_session = self.session.is_some();
        let mut fields = self.session_fields()?;
        let mut answer = self.post(&fields, &call)?;
        let reopened = had_session && answer.status == UNKNOWN_SESSION;
        if reopened {
            self.session = None;
            fields = self.session_fields()?;
            answer = self.post(&fields, &call)?;
        }
        succeeded(&answer)?;
        called(&answer, reopened)
    }

    /// The fields of a request in the session, which is opened when there is none.
    fn session_fields(&mut self) -> Result<String> {
        let of = |session: &str| {
            format!("Mcp-Session-Id: {session}\r\nMCP-Protocol-Version: {LEGACY}\r\n")
        };
        if let Some(session) = &self.session {
            return Ok(of(session));
        }
        let params = json!({
            "protocolVersion": LEGACY,
            "capabilities": {},
            "clientInfo": { "name": "load", "version": "1" },
        });
        let answer = self.post("", &request("initialize", &params))?;
        succeeded(&answer)?;
        let session = answer.field("mcp-session-id").context("no session")?;
        let (fields, session) = (of(session), session.to_owned());
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        let answer = self.post(&fields, &initialized)?;
        ensure!(answer.status == 202, "the server says {answer:?}");
        self.session = Some(session);
        Ok(fields)
    }

    fn post(&mut self, fields: &str, message: &Value) -> Result<Answer> {
        let kept = self.connection.take();
        let mut connection = match kept {
            Some(connection) => connection,
            None => Connection::open(self.server, LIMIT)?,
        };
        let fields = format!("{}{fields}", self.fields);
        let answer = connection.post("/mcp", &fields, &message.to_string())?;
        if self.keeps {
            self.connection = Some(connection);
        }
        Ok(answer)
    }
}

fn request(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

/// The answer as JSON, or as an event among others, has a result which is no error.
fn succeeded(answer: &Answer) -> Result<()> {
    let is_stream = answer
        .field("content-type")
        .is_some_and(|kind| kind.starts_with("text/event-stream"));
    let last = if is_stream {
        let mut data = answer
            .body
            .lines()
            .filter_map(|line| line.strip_prefix("data:"));
        data.next_back().unwrap_or_default()
    } else {
        &answer.body
    };
    let message: Value = serde_json::from_str(last).unwrap_or_default();
    let is_error = message.pointer("/result/isError") == Some(&json!(true));
    if answer.status == 200 && message.get("result").is_some() && !is_error {
        return Ok(());
    }
    bail!("the server says {answer:?}")
}

fn called(answer: &Answer, reopened: bool) -> Result<Called> {
    let replica = answer.field("x-replica").context("no replica is named")?;
    Ok(Called {
        replica: replica.to_owned(),
        reopened,
    })
}
