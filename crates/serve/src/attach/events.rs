//! The messages of a response: one of JSON, or those of an event stream.

use std::io;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::header::CONTENT_TYPE;
use futures_util::StreamExt;
use rmcp::transport::common::http_header::EVENT_STREAM_MIME_TYPE;

use crate::client::Reply;

/// The messages of a response, each on one line.
pub(super) struct Messages {
    body: BodyDataStream,
    is_event_stream: bool,
    unread: Vec<u8>,
    /// So much of `unread` holds no line end.
    searched: usize,
    data: Vec<u8>,
    max_bytes: usize,
    /// Keeps the connection.
    _reply: Reply,
}

impl Messages {
    /// Those of `reply`, each of at most `max_bytes`.
    pub(super) fn of(mut reply: Reply, max_bytes: usize) -> Self {
        let kind = reply.response.headers().get(CONTENT_TYPE);
        let is_event_stream = kind.is_some_and(|kind| {
            kind.as_bytes()
                .starts_with(EVENT_STREAM_MIME_TYPE.as_bytes())
        });
        let body = std::mem::replace(reply.response.body_mut(), Body::empty());
        Self {
            body: body.into_data_stream(),
            is_event_stream,
            unread: Vec::new(),
            searched: 0,
            data: Vec::new(),
            max_bytes,
            _reply: reply,
        }
    }

    /// The next one; none at the end.
    pub(super) async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if self.is_event_stream {
                while let Some(line) = self.next_line() {
                    if let Some(message) = self.take_line(&line) {
                        return Ok(Some(message));
                    }
                }
            }
            match self.body.next().await {
                Some(Ok(bytes)) => self.keep(&bytes)?,
                Some(Err(error)) => return Err(io::Error::other(error)),
                None if self.is_event_stream || self.unread.is_empty() => return Ok(None),
                None => return Ok(Some(on_one_line(std::mem::take(&mut self.unread)))),
            }
        }
    }

    fn keep(&mut self, bytes: &Bytes) -> io::Result<()> {
        self.unread.extend_from_slice(bytes);
        if self.unread.len() + self.data.len() > self.max_bytes {
            let reason = format!("a message is longer than {} bytes", self.max_bytes);
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        Ok(())
    }

    /// A line of the event stream without its end.
    fn next_line(&mut self) -> Option<Vec<u8>> {
        let new = self.unread.get(self.searched..).unwrap_or_default();
        let Some(end) = new.iter().position(|&byte| byte == b'\n') else {
            self.searched = self.unread.len();
            return None;
        };
        let end = self.searched + end;
        self.searched = 0;
        let mut line: Vec<u8> = self.unread.drain(..=end).collect();
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Some(line)
    }

    /// An empty line ends an event; fields other than its data say nothing here (HTML, section
    /// 9.2.6, "Interpreting an event stream").
    fn take_line(&mut self, line: &[u8]) -> Option<Vec<u8>> {
        if let Some(data) = line.strip_prefix(b"data:") {
            self.data.extend_from_slice(data.trim_ascii());
            self.data.push(b'\n');
        }
        if !line.is_empty() {
            return None;
        }
        let data = on_one_line(std::mem::take(&mut self.data));
        (!data.is_empty()).then_some(data)
    }
}

/// JSON has line ends between its tokens only.
fn on_one_line(mut message: Vec<u8>) -> Vec<u8> {
    for byte in &mut message {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    let end = message.trim_ascii_end().len();
    message.truncate(end);
    message
}
