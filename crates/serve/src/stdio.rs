//! The stdio transport: one JSON-RPC message per line.
//!
//! Stands in for the SDK's own so that every buffer has a bound and is given back after a large
//! message, that a request which cannot be read is answered when its id can, and that the end of
//! input is seen at once.

mod encode;
pub(crate) mod hang_up;

use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rmcp::RoleServer;
use rmcp::model::{ErrorCode, ErrorData, RequestId};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Mutex, Notify};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

/// What is read from the pipe at once: the pipe's own default capacity.
const READ_BYTES: usize = 64 * 1024;

/// A buffer larger than this is given back after the message.
const KEEP_BYTES: usize = 2 * READ_BYTES;

/// Bytes of replies that may wait for the client to read; further requests are not read until then.
const UNREAD_BYTES: usize = 4 * 1024 * 1024;

/// Replies from this size on are encoded on a thread of their own.
const LARGE_BYTES: usize = 1024 * 1024;

/// What a waiting reply takes beside its bytes: the task that writes it.
const REPLY_BYTES: usize = 4 * 1024;

/// How far from either end of a line the id of a request is looked for when the message as a whole
/// cannot be read: clients write it first or last.
const ID_WITHIN_BYTES: usize = 256;

/// Messages by line over a reader and a writer.
pub(crate) struct Lines<R, W> {
    reader: R,
    /// What was read and not forgotten. Its memory is only touched as far as messages reach.
    input: Vec<u8>,
    /// Where in `input` the next line starts.
    taken: usize,
    /// From where on no end of a line was looked for.
    searched: usize,
    too_long: bool,
    max_bytes: usize,
    writer: Arc<Mutex<W>>,
    unread: Arc<Unread>,
    refusal: Option<Pin<Box<dyn Future<Output = io::Result<()>> + Send>>>,
    ended: CancellationToken,
}

/// What a read brought: a line, by where it is in the input, or both ends of one.
enum Line {
    Whole(Range<usize>),
    TooLong(Range<usize>),
    End,
}

impl<R, W> Lines<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    /// Messages of at most `max_bytes`. `ended` fires when the input does.
    pub(crate) fn new(reader: R, writer: W, max_bytes: usize, ended: CancellationToken) -> Self {
        Self {
            reader,
            input: Vec::new(),
            taken: 0,
            searched: 0,
            too_long: false,
            max_bytes,
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
            let message = match self.read_line().await? {
                Line::Whole(line) => self.read_message(line),
                Line::TooLong(ends) => self.refuse_too_long(ends),
                Line::End => return Ok(None),
            };
            if message.is_some() {
                return Ok(message);
            }
        }
    }

    /// Finds the next line in what was read, and reads on until there is one.
    async fn read_line(&mut self) -> io::Result<Line> {
        loop {
            let fresh = self.input.get(self.searched..).unwrap_or_default();
            if let Some(at) = memchr::memchr(b'\n', fresh) {
                let end = self.searched + at;
                let line = self.taken..end;
                self.taken = end + 1;
                self.searched = self.taken;
                let is_too_long = line.len() > self.max_bytes;
                return Ok(if std::mem::take(&mut self.too_long) || is_too_long {
                    Line::TooLong(line)
                } else {
                    Line::Whole(line)
                });
            }
            self.forget_lines();
            if self.input.len() > self.max_bytes {
                self.too_long = true;
                let end = self.input.len().saturating_sub(ID_WITHIN_BYTES);
                self.input.drain(ID_WITHIN_BYTES.min(end)..end);
            }
            self.searched = self.input.len();
            self.input.reserve(READ_BYTES);
            if self.reader.read_buf(&mut self.input).await? == 0 {
                return Ok(Line::End);
            }
        }
    }

    /// Drops the lines that were taken, and the memory that a long one needed.
    fn forget_lines(&mut self) {
        self.input.drain(..std::mem::take(&mut self.taken));
        if self.input.len() < READ_BYTES && self.input.capacity() > KEEP_BYTES {
            self.input.shrink_to(READ_BYTES);
        }
    }

    fn read_message(&mut self, line: Range<usize>) -> Option<RxJsonRpcMessage<RoleServer>> {
        let text = self.input.get(line.clone())?.trim_ascii();
        if text.is_empty() {
            return None;
        }
        match serde_json::from_slice(text) {
            Ok(message) => Some(message),
            Err(error) => {
                self.refuse(line, &error);
                None
            }
        }
    }

    /// Answers what cannot be read when it says its id; a line that is no JSON and has none is
    /// ignored, as other servers do, so that two peers never echo errors at each other.
    fn refuse(&mut self, line: Range<usize>, error: &serde_json::Error) {
        tracing::debug!(%error, "a message could not be read");
        let id = self.input.get(line).and_then(request_id);
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

    fn refuse_too_long(&mut self, ends: Range<usize>) -> Option<RxJsonRpcMessage<RoleServer>> {
        let limit = self.max_bytes;
        tracing::warn!(limit, "a message was too long");
        let message = format!("the message is longer than {limit} bytes");
        let id = self.input.get(ends).and_then(request_id);
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

/// The id of a request that cannot be read as a whole: before its parameters, or at its very end.
fn request_id(line: &[u8]) -> Option<RequestId> {
    let head = line.get(..ID_WITHIN_BYTES).unwrap_or(line);
    let head = String::from_utf8_lossy(head);
    let head = head.split("\"params\"").next()?;
    let first = head.split_once("\"id\"").and_then(|(_, after)| id(after));
    if let Some((id, _)) = first {
        return Some(id);
    }
    let tail = line.get(line.len().saturating_sub(ID_WITHIN_BYTES)..)?;
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
