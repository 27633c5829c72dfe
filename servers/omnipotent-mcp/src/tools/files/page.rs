//! One page of a file: the part of it that one reply carries, cut between characters.

use mcp_security::files::{Chunk, Digest, FileError, Interrupt, OpenedFile};
use mcp_toolcall::fit::fit;
use mcp_toolcall::{Code, ToolError};
use memchr::memchr_iter;

use super::encoding::{Charset, Encoding, EncodingError, base64_of};
use super::{explain, explain_encoding};

/// Longest byte order mark, that of UTF-8.
const MARK_BYTES: usize = 3;

/// Where a page starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// At a byte of the file.
    Offset(u64),
    /// So many lines before the end.
    Tail(usize),
}

/// Which page, and how large it may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) start: Start,
    /// Most bytes of content.
    pub(super) max_bytes: usize,
    /// Most lines of content.
    pub(super) max_lines: Option<usize>,
    /// What the content may cost in the reply, see [`mcp_toolcall::fit`].
    pub(super) budget: usize,
}

/// Content of a file, and where it stands in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) content: String,
    pub(super) encoding: String,
    /// Bytes of the file.
    pub(super) size: u64,
    /// The byte of the file where the content starts.
    pub(super) offset: u64,
    /// The byte behind the content, if the file goes on there.
    pub(super) next_offset: Option<u64>,
    /// Whether something that was asked for is missing.
    pub(super) truncated: bool,
    /// SHA-256 of the file, if the page is all of it.
    pub(super) digest: Option<Digest>,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub(super) enum PageError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Encoding(#[from] EncodingError),
    #[error("not one character fits in the reply")]
    NoRoom,
}

impl From<PageError> for ToolError {
    fn from(error: PageError) -> Self {
        match error {
            PageError::File(error) => explain(error),
            PageError::Encoding(error) => explain_encoding(error),
            PageError::NoRoom => Self::new(Code::TooLarge, error.to_string())
                .with_hint("use a larger max_bytes, or encoding \"base64\""),
        }
    }
}

/// Reads one page of `file`; nothing but the page is read.
pub(super) fn read(
    file: &OpenedFile,
    encoding: Encoding,
    window: Window,
    interrupt: &Interrupt,
) -> Result<Page, PageError> {
    if window.max_bytes == 0 {
        return Ok(nothing_of(file, encoding));
    }
    match (encoding, window.start) {
        (Encoding::Base64, Start::Offset(offset)) => read_bytes(file, offset, window, interrupt),
        (Encoding::Base64, Start::Tail(_)) => read_bytes(file, 0, window, interrupt),
        (Encoding::Text(charset), start) => read_text(file, (charset, start), window, interrupt),
    }
}

/// The page of a reply that has no room left.
fn nothing_of(file: &OpenedFile, encoding: Encoding) -> Page {
    Page {
        content: String::new(),
        encoding: encoding.name(),
        size: file.size(),
        offset: 0,
        next_offset: Some(0),
        truncated: true,
        digest: None,
    }
}

/// Number of lines in `content`; a final line feed starts no further one.
pub(super) fn count_lines(content: &str) -> usize {
    let breaks = memchr_iter(b'\n', content.as_bytes()).count();
    breaks + usize::from(!content.is_empty() && !content.ends_with('\n'))
}

fn read_bytes(
    file: &OpenedFile,
    offset: u64,
    window: Window,
    interrupt: &Interrupt,
) -> Result<Page, PageError> {
    // Four characters for three bytes; a character costs two bytes in a reply.
    let most = window.max_bytes.min(window.budget / 2) / 4 * 3;
    let chunk = file.read_range(offset, most, interrupt)?;
    if chunk.bytes.is_empty() && !chunk.reaches_end {
        return Err(PageError::NoRoom);
    }
    let (content, end) = (base64_of(&chunk.bytes), behind(offset, chunk.bytes.len()));
    let next_offset = (!chunk.reaches_end).then_some(end);
    Ok(Page {
        content,
        encoding: Encoding::Base64.name(),
        size: file.size(),
        offset,
        next_offset,
        truncated: next_offset.is_some(),
        digest: (offset == 0 && chunk.reaches_end).then(|| Digest::of(&chunk.bytes)),
    })
}

fn read_text(
    file: &OpenedFile,
    (charset, start): (Charset, Start),
    window: Window,
    interrupt: &Interrupt,
) -> Result<Page, PageError> {
    let Source {
        charset,
        mark,
        offset: asked,
        mut bytes,
        reaches_end,
    } = read_source(file, (charset, start), window.max_bytes, interrupt)?;
    let first = behind(0, mark.len());
    let skipped = match start {
        Start::Offset(_) | Start::Tail(_) if asked == first => 0,
        Start::Offset(_) => charset.skip_to_border(&bytes, asked),
        Start::Tail(_) => charset.skip_to_line(&bytes, asked),
    };
    bytes.drain(..skipped.min(bytes.len()));
    let mut offset = behind(asked, skipped);
    let mut text = charset.decode(&bytes, offset, reaches_end)?;
    let mut short = false;
    if let Start::Tail(lines) = start {
        let front = tail_start(&text, lines, offset > first);
        short = front.is_cut;
        let (source, length) = charset.source_of(&bytes, front.at);
        bytes.drain(..source.min(bytes.len()));
        text.drain(..length);
        offset = behind(offset, source);
    }
    let mut end = page_end(&text, window);
    let whole = end == text.len() && reaches_end;
    if !whole && charset.is_stateful() {
        end = text
            .get(..end)
            .and_then(|text| text.rfind('\n'))
            .map_or(0, |at| at + 1);
    }
    let (source, length) = if whole {
        (bytes.len(), end)
    } else {
        charset.source_of(&bytes, end)
    };
    if length == 0 && !whole {
        return Err(PageError::NoRoom);
    }
    text.truncate(length);
    let next_offset = (!whole).then_some(behind(offset, source));
    let all = whole && offset == first;
    Ok(Page {
        content: text,
        encoding: charset.name(),
        size: file.size(),
        offset: if all { 0 } else { offset },
        next_offset,
        truncated: next_offset.is_some() || short,
        digest: all.then(|| digest_of(&mark, &bytes)),
    })
}

/// Bytes that a page of text is cut from.
struct Source {
    /// The encoding as the byte order mark says it is.
    charset: Charset,
    /// The byte order mark.
    mark: Vec<u8>,
    /// The byte of the file where `bytes` start, behind the mark.
    offset: u64,
    bytes: Vec<u8>,
    reaches_end: bool,
}

fn read_source(
    file: &OpenedFile,
    (charset, start): (Charset, Start),
    max_bytes: usize,
    interrupt: &Interrupt,
) -> Result<Source, PageError> {
    // UTF-16 has two bytes for what is one in UTF-8; elsewhere text never has fewer.
    let most = max_bytes.saturating_mul(charset.unit());
    let from_start = start == Start::Offset(0);
    let with_mark = if from_start { most } else { 0 }.saturating_add(MARK_BYTES);
    let head = file.read_range(0, with_mark, interrupt)?;
    let (charset, length) = charset.marked(&head.bytes)?;
    let mut bytes = head.bytes;
    let mark: Vec<u8> = bytes.drain(..length).collect();
    let first = behind(0, length);
    if from_start {
        let reaches_end = head.reaches_end && bytes.len() <= most;
        bytes.truncate(most);
        return Ok(Source {
            charset,
            mark,
            offset: first,
            bytes,
            reaches_end,
        });
    }
    let offset = match start {
        Start::Offset(offset) => offset.max(first),
        Start::Tail(_) => file
            .size()
            .saturating_sub(u64::try_from(most).unwrap_or(u64::MAX))
            .max(first),
    };
    let Chunk { bytes, reaches_end } = file.read_range(offset, most, interrupt)?;
    Ok(Source {
        charset,
        mark,
        offset,
        bytes,
        reaches_end,
    })
}

fn digest_of(mark: &[u8], bytes: &[u8]) -> Digest {
    if mark.is_empty() {
        Digest::of(bytes)
    } else {
        Digest::of(&[mark, bytes].concat())
    }
}

/// Where the content of a page ends in `text`.
fn page_end(text: &str, window: Window) -> usize {
    let lines = window
        .max_lines
        .and_then(|lines| text.match_indices('\n').nth(lines - 1));
    let by_lines = lines.map_or(text.len(), |(at, _)| at + 1);
    fit(text, window.max_bytes.min(by_lines), window.budget)
}

/// Where the last lines of a text start.
struct TailStart {
    at: usize,
    /// Whether there may be more lines in front of the text.
    is_cut: bool,
}

/// Finds the last `lines` lines of `text`. If it does not start the file, its first line may be a
/// part of one, and is left out unless it is all there is.
fn tail_start(text: &str, lines: usize, mid_file: bool) -> TailStart {
    let body = text.strip_suffix('\n').unwrap_or(text);
    let mut breaks = body.rmatch_indices('\n').map(|(at, _)| at + 1);
    match breaks.nth(lines.saturating_sub(1)) {
        Some(at) => TailStart { at, is_cut: false },
        None if mid_file => TailStart {
            at: body.find('\n').map_or(0, |at| at + 1),
            is_cut: true,
        },
        None => TailStart {
            at: 0,
            is_cut: false,
        },
    }
}

fn behind(offset: u64, length: usize) -> u64 {
    offset.saturating_add(u64::try_from(length).unwrap_or(u64::MAX))
}
