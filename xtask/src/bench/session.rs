//! A client on stdio, by hand: one JSON-RPC message per line, a deadline on every wait.

use std::io::Read;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::Pid;
use serde_json::{Value, json};

/// For one answer; the longest takes milliseconds.
const LIMIT: Duration = Duration::from_secs(20);
/// No answer is longer: servers send at most 16 MiB.
const MAX_LINE_BYTES: usize = 32 * 1024 * 1024;
/// Read at once; the capacity of a pipe.
const READ_BYTES: usize = 64 * 1024;

/// A server that was started, and its pipes. Dropping it kills the server.
pub(crate) struct Session {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    /// What was read and not yet forgotten; the first `taken` bytes are old.
    read: Vec<u8>,
    taken: usize,
}

/// A request, encoded before the clock starts.
pub(crate) struct Request(Vec<u8>);

impl Request {
    /// A call of a tool in the initialize era.
    pub(crate) fn call(tool: &str, arguments: &Value) -> Self {
        Self::new(
            "tools/call",
            &json!({ "name": tool, "arguments": arguments }),
        )
    }

    /// The first message of the initialize era.
    pub(crate) fn initialize() -> Self {
        let client = json!({ "name": "bench", "version": "1" });
        let params = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": client,
        });
        Self::new("initialize", &params)
    }

    /// One id serves all: it is free again when its answer has come.
    fn new(method: &str, params: &Value) -> Self {
        Self::numbered(1, method, params)
    }

    fn numbered(id: u32, method: &str, params: &Value) -> Self {
        Self::encode(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
    }

    fn encode(message: &Value) -> Self {
        let mut line = message.to_string().into_bytes();
        line.push(b'\n');
        Self(line)
    }
}

impl Session {
    /// Starts a server and says nothing yet.
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let child = command.spawn();
        let mut child =
            child.with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let input = child.stdin.take().context("no pipe to the server")?;
        let output = child.stdout.take().context("no pipe from the server")?;
        fcntl_setfl(&input, OFlags::NONBLOCK)?;
        Ok(Self {
            child,
            input,
            output,
            read: Vec::new(),
            taken: 0,
        })
    }

    /// Starts a server and initialises the session as a client does, the list of tools included.
    pub(crate) fn open(command: Command) -> Result<Self> {
        let mut session = Self::start(command)?;
        session.ask(&Request::initialize())?;
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        session.send(&Request::encode(&initialized))?;
        session.ask(&Request::new("tools/list", &json!({})))?;
        Ok(session)
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends a request, waits for its answer, and requires success. Returns the answer's length.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<usize> {
        self.send(request)?;
        let answer = self.receive()?;
        require_success(answer)?;
        Ok(answer.len())
    }

    /// Calls a tool and returns what it answers, which must be success.
    pub(crate) fn answer(&mut self, tool: &str, arguments: &Value) -> Result<Value> {
        self.send(&Request::call(tool, arguments))?;
        let answer = self.receive()?;
        require_success(answer)?;
        let mut answer: Value = serde_json::from_slice(answer)?;
        let content = answer.pointer_mut("/result/structuredContent");
        Ok(content
            .context("an answer without structured content")?
            .take())
    }

    /// Seconds from sending a request to having its whole answer.
    pub(crate) fn time(&mut self, request: &Request) -> Result<f64> {
        let started = Instant::now();
        self.send(request)?;
        let answer = self.receive()?;
        let taken = started.elapsed().as_secs_f64();
        require_success(answer)?;
        Ok(taken)
    }

    /// Calls a tool `total` times with `in_flight` calls unanswered at any time; answers per
    /// second.
    pub(crate) fn flood(
        &mut self,
        tool: &str,
        arguments: &Value,
        in_flight: u32,
        total: u32,
    ) -> Result<f64> {
        let each = (0..total).map(|_| arguments.clone());
        self.flood_with(tool, each, usize::try_from(in_flight)?)
    }

    /// Calls a tool with each of these arguments, as [`Session::flood`] does.
    pub(super) fn flood_with(
        &mut self,
        tool: &str,
        each: impl Iterator<Item = Value>,
        in_flight: usize,
    ) -> Result<f64> {
        let request = |(id, arguments): (u32, Value)| {
            let params = json!({ "name": tool, "arguments": arguments });
            Request::numbered(id, "tools/call", &params)
        };
        let requests: Vec<Request> = (0..).zip(each).map(request).collect();
        let (first, rest) = requests.split_at(in_flight.min(requests.len()));
        let started = Instant::now();
        for request in first {
            self.send(request)?;
        }
        let mut rest = rest.iter();
        for _ in 0..requests.len() {
            require_success(self.receive()?)?;
            if let Some(request) = rest.next() {
                self.send(request)?;
            }
        }
        let total = f64::from(u32::try_from(requests.len())?);
        Ok(total / started.elapsed().as_secs_f64())
    }

    /// Sends any line and returns the answer to it.
    pub(super) fn exchange(&mut self, message: &Value) -> Result<Value> {
        self.send(&Request::encode(message))?;
        let answer = self.receive()?;
        require_success(answer)?;
        Ok(serde_json::from_slice(answer)?)
    }

    fn send(&mut self, request: &Request) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        let mut left = request.0.as_slice();
        while !left.is_empty() {
            match rustix::io::write(&self.input, left) {
                Ok(written) => left = left.get(written..).unwrap_or_default(),
                Err(Errno::AGAIN) => wait(
                    &mut PollFd::new(&self.input, PollFlags::OUT),
                    deadline,
                    "the server to read",
                )?,
                Err(error) => return Err(error).context("cannot write to the server"),
            }
        }
        Ok(())
    }

    /// The next line, without its end.
    fn receive(&mut self) -> Result<&[u8]> {
        self.read.drain(..self.taken);
        self.taken = 0;
        let deadline = Instant::now() + LIMIT;
        let mut searched = 0;
        let length = loop {
            let fresh = self.read.get(searched..).unwrap_or_default();
            if let Some(at) = memchr::memchr(b'\n', fresh) {
                break searched + at;
            }
            searched = self.read.len();
            self.read_more(deadline)?;
        };
        self.taken = length + 1;
        self.read
            .get(..length)
            .context("a line lies within what was read")
    }

    fn read_more(&mut self, deadline: Instant) -> Result<()> {
        if self.read.len() > MAX_LINE_BYTES {
            bail!("an answer is longer than {MAX_LINE_BYTES} bytes");
        }
        wait(
            &mut PollFd::new(&self.output, PollFlags::IN),
            deadline,
            "an answer",
        )?;
        let before = self.read.len();
        self.read.resize(before + READ_BYTES, 0);
        let count = self
            .output
            .read(self.read.get_mut(before..).unwrap_or_default())?;
        self.read.truncate(before + count);
        if count == 0 {
            bail!("the server ended before it answered");
        }
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is reaped here.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn wait(pipe: &mut PollFd<'_>, deadline: Instant, what: &str) -> Result<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    let ready = poll(std::slice::from_mut(pipe), Some(&Timespec::try_from(left)?))?;
    if ready == 0 {
        bail!("waited more than {LIMIT:?} for {what}");
    }
    Ok(())
}

/// A refused call is quick, and would flatter the server.
fn require_success(answer: &[u8]) -> Result<()> {
    let head = String::from_utf8_lossy(answer.get(..300).unwrap_or(answer));
    let tail = answer
        .get(answer.len().saturating_sub(100)..)
        .unwrap_or_default();
    let refused = head.contains("\"error\":{") || head.contains("\"success\\\":false");
    if refused || String::from_utf8_lossy(tail).contains("\"isError\":true") {
        bail!("a call failed: {head}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Session {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Session::start(command).unwrap()
    }

    #[test]
    fn reads_answers_line_by_line_however_they_arrive() {
        let mut session = shell("printf 'one\\ntwo\\nthr'; printf 'ee\\n'; cat");
        assert_eq!(session.receive().unwrap(), b"one");
        assert_eq!(session.receive().unwrap(), b"two");
        assert_eq!(session.receive().unwrap(), b"three");
        session.send(&Request(b"four\n".to_vec())).unwrap();
        assert_eq!(session.receive().unwrap(), b"four");
    }

    #[test]
    fn says_that_the_server_ended() {
        let error = shell("printf half").receive().unwrap_err();
        assert_eq!(error.to_string(), "the server ended before it answered");
    }

    #[test]
    fn takes_no_refusal_for_an_answer() {
        let check = |answer: &str, good: bool| {
            assert_eq!(require_success(answer.as_bytes()).is_ok(), good, "{answer}");
        };
        check(r#"{"id":1,"result":{"content":[],"isError":false}}"#, true);
        check(r#"{"id":1,"result":{"content":[],"isError":true}}"#, false);
        check(r#"{"id":1,"error":{"code":-32602}}"#, false);
    }
}
