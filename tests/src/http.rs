//! A server on streamable HTTP, spoken to in the modern era: every request stands alone.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;

use serde_json::Value;

use crate::rpc::{self, MODERN};
use crate::{Answer, Era, HttpAnswer, Peer, Process, Stage, wire};

/// A server on streamable HTTP, and its client.
#[derive(Debug)]
pub struct Http {
    /// The server's process.
    pub process: Process,
    /// Where it was started.
    pub stage: Stage,
    /// Where it serves MCP, at `/mcp`.
    pub address: SocketAddr,
    /// Where it serves its metrics.
    pub ops: SocketAddr,
    /// What it asks callers for, and where it keeps that; none with `--no-auth`.
    pub token: Option<(String, PathBuf)>,
    next_id: u64,
}

impl Http {
    pub(crate) fn new(stage: Stage, mut process: Process, is_guarded: bool) -> Self {
        let address = address_in(&process.announced("serves http://"));
        let ops = address_in(&process.announced("metrics    http://"));
        let token = is_guarded.then(|| {
            let file = PathBuf::from(process.announced("token      "));
            let token = fs::read_to_string(&file).expect("the token file can be read");
            (token.trim().to_owned(), file)
        });
        Self {
            process,
            stage,
            address,
            ops,
            token,
            next_id: 1,
        }
    }

    /// Gets a page of the operations endpoint.
    #[track_caller]
    pub fn get_ops(&self, path: &str) -> HttpAnswer {
        wire::exchange(self.ops, &format!("GET {path} HTTP/1.1"), b"")
    }

    /// Gets a page of the operations endpoint with further fields in the head.
    #[track_caller]
    pub fn get_ops_with(&self, path: &str, fields: &str) -> HttpAnswer {
        wire::exchange(self.ops, &format!("GET {path} HTTP/1.1\n{fields}"), b"")
    }

    /// Sends `body` to `/mcp` with the fields of `head`, which starts with the HTTP method.
    #[track_caller]
    pub fn exchange(&self, head: &str, body: &[u8]) -> HttpAnswer {
        self.exchange_at("/mcp", head, body)
    }

    /// As [`Http::exchange`], with any path.
    #[track_caller]
    pub fn exchange_at(&self, path: &str, head: &str, body: &[u8]) -> HttpAnswer {
        let (method, fields) = head.split_once('\n').unwrap_or((head, ""));
        let head = format!("{method} {path} HTTP/1.1\n{fields}");
        wire::exchange(self.address, &head, body)
    }

    /// The head and the body that a client sends for a request.
    pub fn post(&mut self, method: &str, params: Value) -> (String, Vec<u8>) {
        let id = self.next_id;
        self.next_id += 1;
        let name = params["name"].as_str();
        let name = name.map_or(String::new(), |name| format!("Mcp-Name: {name}\n"));
        let head = format!(
            "POST\nContent-Type: application/json\nAccept: application/json, text/event-stream\n\
             MCP-Protocol-Version: {MODERN}\nMcp-Method: {method}\n{name}"
        );
        let body = rpc::request(Era::Modern, id, method, params)
            .to_string()
            .into_bytes();
        (head, body)
    }

    /// The field that shows the token; empty without one.
    pub fn authorization(&self) -> String {
        let token = self.token.as_ref();
        token.map_or(String::new(), |(token, _)| {
            format!("Authorization: Bearer {token}\n")
        })
    }

    /// Sends a request and leaves its answer to be read, or not, from the connection.
    pub fn begin(&mut self, method: &str, params: Value) -> TcpStream {
        let (head, body) = self.post(method, params);
        let head = head.replacen("POST", "POST /mcp HTTP/1.1", 1) + &self.authorization();
        wire::open(self.address, &head, &body)
    }

    /// Sends what opens a session of the legacy era, and leaves its answer to be read.
    pub fn begin_session(&self) -> TcpStream {
        let head = "POST /mcp HTTP/1.1\nContent-Type: application/json\n\
                    Accept: application/json, text/event-stream\n";
        let body = rpc::request(Era::Legacy, 0, "initialize", rpc::opening());
        let head = head.to_owned() + &self.authorization();
        wire::open(self.address, &head, body.to_string().as_bytes())
    }
}

impl Peer for Http {
    fn request(&mut self, method: &str, params: Value) -> Answer {
        let (head, body) = self.post(method, params);
        let answer = self.exchange(&(head + &self.authorization()), &body);
        let response = answer
            .messages()
            .into_iter()
            .find(|message| message.get("id").is_some());
        rpc::answer(response.expect("a response among the messages"))
    }
}

fn address_in(url: &str) -> SocketAddr {
    let address = url.split('/').next().unwrap_or_default();
    address
        .parse()
        .unwrap_or_else(|error| panic!("{error}: {url}"))
}
