//! Lines of input with a bound.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// What is read from the pipe at once: the pipe's own default capacity.
const READ_BYTES: usize = 64 * 1024;

/// A line buffer larger than this is given back after the message.
const KEEP_BYTES: usize = 64 * 1024;

/// How much of either end is kept of a line that is too long.
pub(super) const END_BYTES: usize = 256;

/// What a read brought.
pub(crate) enum Line {
    /// [`LineReader::line`] holds it.
    Whole,
    /// [`LineReader::line`] holds both ends of it.
    TooLong,
    /// There is no more.
    End,
}

/// Reads lines of at most so many bytes.
pub(crate) struct LineReader<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    too_long: bool,
    max_bytes: usize,
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    pub(crate) fn new(reader: R, max_bytes: usize) -> Self {
        Self {
            reader: BufReader::with_capacity(READ_BYTES, reader),
            line: Vec::new(),
            too_long: false,
            max_bytes,
        }
    }

    /// The most bytes that a line may have.
    pub(crate) fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// What was read last.
    pub(crate) fn line(&self) -> &[u8] {
        &self.line
    }

    /// Reads one line behind what is there already. Cancel-safe: nothing that was read is lost.
    pub(crate) async fn read(&mut self) -> io::Result<Line> {
        loop {
            let available = self.reader.fill_buf().await?;
            if available.is_empty() {
                return Ok(Line::End);
            }
            let newline = available.iter().position(|&byte| byte == b'\n');
            let used = newline.map_or(available.len(), |at| at + 1);
            self.line
                .extend_from_slice(available.get(..used).unwrap_or(available));
            self.reader.consume(used);
            self.too_long |= self.line.len() > self.max_bytes.saturating_add(1);
            if self.too_long {
                let end = self.line.len().saturating_sub(END_BYTES);
                self.line.drain(END_BYTES.min(end)..end);
                self.line.shrink_to(KEEP_BYTES);
            }
            if newline.is_some() {
                let too_long = std::mem::take(&mut self.too_long);
                return Ok(if too_long { Line::TooLong } else { Line::Whole });
            }
        }
    }

    /// Makes room for the next line.
    pub(crate) fn forget(&mut self) {
        self.line.clear();
        if self.line.capacity() > KEEP_BYTES {
            self.line = Vec::new();
        }
    }
}
