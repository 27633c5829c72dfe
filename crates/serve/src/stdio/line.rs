//! Lines of input with a bound.

use std::io;
use std::ops::Range;

use bytes::BufMut;
use tokio::io::{AsyncRead, AsyncReadExt};

/// What is read from the pipe at once: the pipe's own default capacity.
const READ_BYTES: usize = 64 * 1024;

/// A buffer larger than this is given back after the message.
const KEEP_BYTES: usize = 2 * READ_BYTES;

/// How much of either end is kept of a line that is too long.
pub(super) const END_BYTES: usize = 256;

/// What a read brought.
pub(crate) enum Line {
    /// [`LineReader::line`] is it.
    Whole,
    /// [`LineReader::line`] has at least both ends of it.
    TooLong,
    /// There is no more.
    End,
}

/// Reads lines of at most so many bytes.
pub(crate) struct LineReader<R> {
    reader: R,
    /// What was read and not forgotten. Its memory is only touched as far as messages reach.
    input: Vec<u8>,
    /// Where in `input` the line is that was read last.
    line: Range<usize>,
    /// Where the next line starts.
    taken: usize,
    /// From where on no end of a line was looked for.
    searched: usize,
    too_long: bool,
    max_bytes: usize,
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    pub(crate) fn new(reader: R, max_bytes: usize) -> Self {
        Self {
            reader,
            input: Vec::new(),
            line: 0..0,
            taken: 0,
            searched: 0,
            too_long: false,
            max_bytes,
        }
    }

    /// The most bytes that a line may have.
    pub(crate) fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// What was read last, without the end of the line; there until the next read.
    pub(crate) fn line(&self) -> &[u8] {
        self.input.get(self.line.clone()).unwrap_or_default()
    }

    /// Finds the next line in what is there already, and reads on until there is one. Cancel-safe:
    /// nothing that was read is lost.
    pub(crate) async fn read(&mut self) -> io::Result<Line> {
        loop {
            let fresh = self.input.get(self.searched..).unwrap_or_default();
            if let Some(at) = memchr::memchr(b'\n', fresh) {
                let end = self.searched + at;
                self.line = self.taken..end;
                self.taken = end + 1;
                self.searched = self.taken;
                let is_too_long = self.line.len() > self.max_bytes;
                return Ok(if std::mem::take(&mut self.too_long) || is_too_long {
                    Line::TooLong
                } else {
                    Line::Whole
                });
            }
            self.forget();
            if self.input.len() > self.max_bytes {
                self.too_long = true;
                let end = self.input.len().saturating_sub(END_BYTES);
                self.input.drain(END_BYTES.min(end)..end);
            }
            self.searched = self.input.len();
            self.input.reserve(READ_BYTES);
            // A file has more at once, for which there may be room.
            let mut room = (&mut self.input).limit(READ_BYTES);
            if self.reader.read_buf(&mut room).await? == 0 {
                return Ok(Line::End);
            }
        }
    }

    /// Drops the lines that were read, and the memory that a long one needed.
    fn forget(&mut self) {
        self.line = 0..0;
        self.input.drain(..std::mem::take(&mut self.taken));
        if self.input.len() < READ_BYTES && self.input.capacity() > KEEP_BYTES {
            self.input.shrink_to(READ_BYTES);
        }
    }
}
