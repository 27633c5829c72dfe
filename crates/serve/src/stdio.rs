//! The stdio transport: one JSON-RPC message per line.
//!
//! Stands in for the SDK's own so that every buffer has a bound and is given back after a large
//! message, that a request which cannot be read is answered when its id can, and that the end of
//! input is seen at once.

mod encode;
pub(crate) mod hang_up;
pub(crate) mod line;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rmcp::RoleServer;
use rmcp::model::{ErrorCode, ErrorData, RequestId};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Mutex, Notify};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

use self::line::{END_BYTES, Line, LineReader};

/// Bytes of replies that may wait for the client to read; further requests are not read until then.
const UNREAD_BYTES: usize = 4 * 1024 * 1024;

/// Replies from this size on are encoded on a thread of their own.
const LARGE_BYTES: usize = 1024 * 1024;

/// What a waiting reply takes beside its bytes: the task that writes it.
const REPLY_BYTES: usize = 4 * 1024;

/// Messages by line over a reader and a writer.
pub(crate) struct Lines<R, W> {
    input: LineReader<R>,
    writer: Arc<Mutex<W>>,
    unread: Arc<Unread>,
    refusal: Option<Pin<Box<dyn Future<Output = io::Result<()>> + Send>>>,
    ended: CancellationToken,
}

impl<R, W> Lines<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    /// Messages of at most `max_bytes`. `ended` fires when the input does.
    pub(crate) fn new(reader: R, writer: W, max_bytes: usize, ended: CancellationToken) -> Self {
        Self {
            input: LineReader::new(reader, max_bytes),
            writer: Arc::new(Mutex::new(writer)),
            unread: Arc::default(),
            refusal: None,
            ended,
        }
    }

    /// The next message; none at the end of input. Cancel-safe: nothing that was read is lost, and
    /// no refusal is written twice.
    async fn next(&mut self) -> io::Result<Option<RxJsonRpcMessage<RoleServer>>> {
        loop {
            if let Some(refusal) = &mut self.refusal {
                refusal.await?;
                self.refusal = None;
            }
            self.unread.room().await;
            // Lines that are in memory already must not outrun the replies (tokio's coop).
            tokio::task::coop::consume_budget().await;
            let message = match self.input.read().await? {
                Line::Whole => self.read_message(),
                Line::TooLong => self.refuse_too_long(),
                Line::End => return Ok(None),
            };
            if message.is_some() {
                return Ok(message);
            }
        }
    }

    fn read_message(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        let line = self.input.line().trim_ascii();
        if line.is_empty() {
            return None;
        }
        match serde_json::from_slice(line) {
            Ok(message) => Some(message),
            Err(error) => {
                self.refuse(&error);
                None
            }
        }
    }

    /// Answers what cannot be read when it says its id; a line that is no JSON and has none is
    /// ignored, as other servers do, so that two peers never echo errors at each other.
    fn refuse(&mut self, error: &serde_json::Error) {
        tracing::debug!(%error, "a message could not be read");
        let id = request_id(self.input.line());
        if error.is_data() {
            self.answer_with(
                ErrorCode::INVALID_REQUEST,
                "not a valid JSON-RPC message",
                id,
            );
        } else if id.is_some() {
            self.answer_with(ErrorCode::PARSE_ERROR, "the message is not valid JSON", id);
        }
    }

    fn refuse_too_long(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        let limit = self.input.max_bytes();
        tracing::warn!(limit, "a message was too long");
        let message = format!("the message is longer than {limit} bytes");
        let id = request_id(self.input.line());
        self.answer_with(ErrorCode::INVALID_REQUEST, message, id);
        None
    }

    fn answer_with(
        &mut self,
        code: ErrorCode,
        message: impl Into<std::borrow::Cow<'static, str>>,
        id: Option<RequestId>,
    ) {
        let error = ErrorData::new(code, message, None);
        let error = TxJsonRpcMessage::<RoleServer>::error(error, id);
        self.refusal = Some(Box::pin(self.send(error)));
    }
}

impl<R, W> Transport<RoleServer> for Lines<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = io::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let writer = Arc::clone(&self.writer);
        // A large reply takes many milliseconds to encode, which other calls would have to wait.
        let size = encode::size_of(&message);
        let (line, size) = if size < LARGE_BYTES {
            let line = encode::line(message);
            let size = line.as_ref().map_or(0, Vec::len);
            (Encoded::Now(line), size)
        } else {
            let encoding = spawn_blocking(move || encode::line(message));
            (Encoded::Soon(encoding), size)
        };
        let waiting = self.unread.wait(size);
        async move {
            let line = match line {
                Encoded::Now(line) => line?,
                Encoded::Soon(line) => line.await??,
            };
            let mut writer = writer.lock().await;
            writer.write_all(&line).await?;
            let flushed = writer.flush().await;
            drop(waiting);
            flushed
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        let next = self.next().await.unwrap_or_else(|error| {
            tracing::debug!(%error, "the client cannot be reached");
            None
        });
        if next.is_none() {
            self.ended.cancel();
        }
        next
    }

    async fn close(&mut self) -> io::Result<()> {
        self.writer.lock().await.flush().await
    }
}

/// A message as a line, or on its way to become one.
enum Encoded {
    Now(serde_json::Result<Vec<u8>>),
    Soon(JoinHandle<serde_json::Result<Vec<u8>>>),
}

/// Replies that the client has not read yet.
#[derive(Default)]
struct Unread {
    bytes: AtomicUsize,
    fewer: Notify,
}

impl Unread {
    /// Waits until there is room for another reply.
    async fn room(&self) {
        while self.bytes.load(Ordering::Relaxed) >= UNREAD_BYTES {
            self.fewer.notified().await;
        }
    }

    /// Counts a reply of that many bytes until the guard is dropped.
    fn wait(self: &Arc<Self>, bytes: usize) -> Waiting {
        let bytes = bytes + REPLY_BYTES;
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Waiting {
            unread: Arc::clone(self),
            bytes,
        }
    }
}

struct Waiting {
    unread: Arc<Unread>,
    bytes: usize,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.unread.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.unread.fewer.notify_one();
    }
}

/// The id of a request that cannot be read as a whole: before its parameters, or at its very end,
/// because clients write it first or last.
pub(crate) fn request_id(line: &[u8]) -> Option<RequestId> {
    let head = line.get(..END_BYTES).unwrap_or(line);
    let head = String::from_utf8_lossy(head);
    let head = head.split("\"params\"").next()?;
    let first = head.split_once("\"id\"").and_then(|(_, after)| id(after));
    if let Some((id, _)) = first {
        return Some(id);
    }
    let tail = line.get(line.len().saturating_sub(END_BYTES)..)?;
    let tail = String::from_utf8_lossy(tail);
    let (id, rest) = id(tail.rsplit_once("\"id\"")?.1)?;
    (rest.trim() == "}").then_some(id)
}

/// The id after its name, and what follows it.
fn id(after_name: &str) -> Option<(RequestId, &str)> {
    let value = after_name.trim_start().strip_prefix(':')?.trim_start();
    if let Some(text) = value.strip_prefix('"') {
        let (id, rest) = text.split_once('"')?;
        return (!id.contains('\\')).then(|| (RequestId::String(id.into()), rest));
    }
    let (number, rest) = value.split_at(value.find([',', '}'])?);
    let number = number.trim_end().parse().ok()?;
    Some((RequestId::Number(number), rest))
}

#[cfg(test)]
mod tests;
