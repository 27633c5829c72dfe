//! A server on standard input and output: one JSON-RPC message per line.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout};
use std::time::Instant;

use rustix::event::PollFlags;
use serde_json::{Value, json};

use crate::process::is_ready;
use crate::rpc;
use crate::{Answer, Era, PATIENCE, Peer, Process, Stage};

/// Bytes that a pipe with room takes at once without blocking (`PIPE_BUF`, pipe(7)).
const PIPE_BUF: usize = 4096;

/// What is read at once: the default capacity of a pipe (pipe(7)).
const READ_BYTES: usize = 64 * 1024;

/// A server on standard input and output, and its client. The client reads only while it waits
/// for something, so a test decides how much the server has to keep.
#[derive(Debug)]
pub struct Stdio {
    /// The server's process.
    pub process: Process,
    /// Where it was started.
    pub stage: Stage,
    era: Era,
    next_id: u64,
    input: Option<ChildStdin>,
    output: Option<BufReader<ChildStdout>>,
    answers: HashMap<u64, Value>,
    others: Vec<Value>,
}

impl Stdio {
    pub(crate) fn new(
        era: Era,
        stage: Stage,
        (process, input, output): (Process, ChildStdin, ChildStdout),
    ) -> Self {
        Self {
            process,
            stage,
            era,
            next_id: 1,
            input: Some(input),
            output: Some(BufReader::with_capacity(READ_BYTES, output)),
            answers: HashMap::new(),
            others: Vec::new(),
        }
    }

    /// Opens the conversation of the legacy era; returns what the server says of itself.
    #[track_caller]
    pub fn initialize(&mut self) -> Value {
        let welcome = self
            .request("initialize", rpc::opening())
            .expect("initialize");
        self.notify("notifications/initialized", &json!({}));
        welcome
    }

    /// Opens the conversation of the legacy era as a client that waits for no answer.
    #[track_caller]
    pub fn send_opening(&mut self) {
        self.send("initialize", rpc::opening());
        self.notify("notifications/initialized", &json!({}));
    }

    /// Sends a request; [`Stdio::answer`] takes its id.
    #[track_caller]
    pub fn send(&mut self, method: &str, params: Value) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.send_line(&rpc::request(self.era, id, method, params));
        id
    }

    /// Sends a tool call; [`Stdio::answer`] takes its id.
    #[track_caller]
    pub fn send_call(&mut self, tool: &str, arguments: &Value) -> u64 {
        self.send(
            "tools/call",
            json!({ "name": tool, "arguments": arguments }),
        )
    }

    /// Sends a notification.
    #[track_caller]
    pub fn notify(&mut self, method: &str, params: &Value) {
        self.send_line(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// Sends one message as it is.
    #[track_caller]
    pub fn send_line(&mut self, message: &Value) {
        let line = format!("{message}\n");
        self.write(line.as_bytes());
    }

    /// Writes bytes as they are.
    #[track_caller]
    pub fn write(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("the input is open");
        for part in bytes.chunks(PIPE_BUF) {
            assert!(
                is_ready(&*input, PollFlags::OUT, PATIENCE),
                "the server does not read"
            );
            input
                .write_all(part)
                .expect("the server's input takes bytes");
        }
    }

    /// Waits for the answer to a request.
    #[track_caller]
    pub fn answer(&mut self, id: u64) -> Answer {
        rpc::answer(self.response(id))
    }

    /// Waits for the whole message that answers a request.
    #[track_caller]
    pub fn response(&mut self, id: u64) -> Value {
        loop {
            if let Some(response) = self.answers.remove(&id) {
                return response;
            }
            let message = self.next(&format!("the answer to request {id}"));
            self.sort(message.expect("the output ended before an answer"));
        }
    }

    /// Reads to the end of the output. Returns everything that came and was not asked for yet.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<Value> {
        let mut rest = std::mem::take(&mut self.others);
        rest.extend(self.answers.drain().map(|(_, response)| response));
        while let Some(message) = self.next("the end of the output") {
            rest.push(message);
        }
        rest
    }

    /// Notifications, and answers that name no request of ours, that came so far.
    pub fn others(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.others)
    }

    /// Closes the server's standard input.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// Closes the end that the server's standard output is read from.
    pub fn close_output(&mut self) {
        self.output = None;
    }

    /// The next message; none at the end of the output.
    #[track_caller]
    fn next(&mut self, awaited: &str) -> Option<Value> {
        let line = self.read_line(awaited)?;
        Some(
            serde_json::from_slice(&line).unwrap_or_else(|error| {
                panic!("{error} in {:.500}", String::from_utf8_lossy(&line))
            }),
        )
    }

    #[track_caller]
    fn read_line(&mut self, awaited: &str) -> Option<Vec<u8>> {
        let output = self.output.as_mut().expect("the output is open");
        let deadline = Instant::now() + PATIENCE;
        let mut line = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let is_here =
                !output.buffer().is_empty() || is_ready(output.get_ref(), PollFlags::IN, left);
            assert!(is_here, "waited {PATIENCE:?} for {awaited}");
            let available = output.fill_buf().expect("the server's output can be read");
            if available.is_empty() {
                return None;
            }
            let newline = available.iter().position(|&byte| byte == b'\n');
            let used = newline.map_or(available.len(), |at| at + 1);
            line.extend_from_slice(&available[..used]);
            output.consume(used);
            if newline.is_some() {
                return Some(line);
            }
        }
    }

    fn sort(&mut self, message: Value) {
        match message["id"].as_u64() {
            Some(id) if message.get("method").is_none() => {
                self.answers.insert(id, message);
            }
            Some(_) | None => self.others.push(message),
        }
    }
}

impl Peer for Stdio {
    fn request(&mut self, method: &str, params: Value) -> Answer {
        let id = self.send(method, params);
        self.answer(id)
    }
}
