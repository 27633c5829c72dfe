//! JSON-RPC as MCP uses it, in both eras of the protocol.

use serde_json::{Value, json};

/// The revision that `initialize` agrees on.
pub(crate) const LEGACY: &str = "2025-11-25";
/// The revision without sessions.
pub(crate) const MODERN: &str = "2026-07-28";

/// How a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// Opens with `initialize` (2025-11-25).
    Legacy,
    /// Says who it is in every request (2026-07-28).
    Modern,
}

/// What a request is answered with.
pub type Answer = Result<Value, Failure>;

/// A JSON-RPC error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Its number.
    pub code: i64,
    /// What the server says of it.
    pub message: String,
}

/// The result of a tool call.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply(Value);

/// A client of a running server.
pub trait Peer {
    /// Sends one request and waits for its answer.
    #[track_caller]
    fn request(&mut self, method: &str, params: Value) -> Answer;

    /// Calls a tool; a protocol error fails the test.
    #[track_caller]
    fn call(&mut self, tool: &str, arguments: Value) -> Reply {
        let params = json!({ "name": tool, "arguments": arguments });
        Reply::new(self.request("tools/call", params))
    }

    /// Calls a tool that must succeed; returns its structured content.
    #[track_caller]
    fn succeed(&mut self, tool: &str, arguments: Value) -> Value {
        self.call(tool, arguments).content()
    }

    /// Calls a tool that must refuse; returns the error that it explains.
    #[track_caller]
    fn refused(&mut self, tool: &str, arguments: Value) -> Value {
        self.call(tool, arguments).error()
    }

    /// The tools as the server lists them.
    #[track_caller]
    fn tools(&mut self) -> Vec<Value> {
        let listed = self.request("tools/list", json!({})).expect("tools/list");
        listed["tools"].as_array().expect("a list of tools").clone()
    }

    /// Makes sure that the server still answers.
    #[track_caller]
    fn assert_alive(&mut self) {
        self.succeed("health_check", json!({}));
    }
}

impl Reply {
    /// The reply to a `tools/call`.
    #[track_caller]
    pub fn new(answer: Answer) -> Self {
        match answer {
            Ok(result) => Self(result),
            Err(failure) => panic!("the call was answered with {failure:?}"),
        }
    }

    /// Whether the tool refused or failed.
    pub fn is_error(&self) -> bool {
        self.0["isError"] == json!(true)
    }

    /// The only block of text.
    #[track_caller]
    pub fn text(&self) -> &str {
        let blocks = self.0["content"].as_array().expect("blocks of content");
        assert_eq!(blocks.len(), 1, "{blocks:?}");
        blocks[0]["text"].as_str().expect("a block of text")
    }

    /// The structured content of a call that succeeded.
    #[track_caller]
    pub fn content(self) -> Value {
        assert!(!self.is_error(), "refused: {}", self.text());
        self.0["structuredContent"].clone()
    }

    /// The error that a refused call explains.
    #[track_caller]
    pub fn error(self) -> Value {
        assert!(self.is_error(), "succeeded: {:.2000}", self.text());
        serde_json::from_str(self.text()).expect("the text of an error is JSON")
    }
}

/// A request as it is sent.
pub(crate) fn request(era: Era, id: u64, method: &str, params: Value) -> Value {
    let params = match era {
        Era::Legacy => params,
        Era::Modern => with_meta(params),
    };
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

/// The answer in a response.
pub(crate) fn answer(mut response: Value) -> Answer {
    if let Some(error) = response.get("error") {
        return Err(Failure {
            code: error["code"].as_i64().expect("an error has a code"),
            message: error["message"]
                .as_str()
                .expect("an error has a message")
                .to_owned(),
        });
    }
    Ok(response["result"].take())
}

fn with_meta(mut params: Value) -> Value {
    let meta = &mut params["_meta"];
    meta["io.modelcontextprotocol/protocolVersion"] = json!(MODERN);
    meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
    meta["io.modelcontextprotocol/clientInfo"] = client();
    params
}

/// What the client says of itself.
/// What opens a conversation of the legacy era.
pub(crate) fn opening() -> Value {
    json!({ "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": client() })
}

pub(crate) fn client() -> Value {
    json!({ "name": "mcp-tests", "version": "1" })
}
