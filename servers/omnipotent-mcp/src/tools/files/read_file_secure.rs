//! Reads a file, or a page of it.

use std::time::Duration;

use mcp_security::files::Interrupt;
use mcp_security::paths::{ConfinedPath, Roots};
use mcp_toolcall::bounded::{Int, Text};
use mcp_toolcall::{Account, Caching, Call, Effects, Tool, ToolError, ToolSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::encoding::{Encoding, Label};
use super::page::{self, Page, Start, Window, count_lines};
use super::{INLINE_BYTES, blocking, explain, explain_encoding, within};

/// Largest offset that pread(2) takes.
const LARGEST_OFFSET: u64 = 0x7fff_ffff_ffff_ffff;

/// Reads a file, or a page of it.
#[derive(Debug, Clone)]
pub struct ReadFileSecure {
    /// Where files may be read.
    pub roots: Roots,
}

/// Which file, and which part of it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The file: absolute, or relative to the first allowed directory.
    path: Text<1, 4096>,
    /// Its text encoding by WHATWG label (utf-8, utf-16le, windows-1252, gbk …), or base64 for
    /// bytes.
    #[serde(default)]
    encoding: Label,
    /// Most lines to return; 0 for no such bound.
    #[serde(default = "no_lines")]
    max_lines: Int<0, 10_000_000>,
    /// Byte to start at; use `next_offset` of the page before.
    #[serde(default)]
    offset: Option<Int<0, LARGEST_OFFSET>>,
    /// Start so many lines before the end instead.
    #[serde(default)]
    tail: Option<Int<1, 10_000_000>>,
    /// Most bytes of content to return.
    #[serde(default = "default_bytes")]
    max_bytes: Int<16, 10_000_000>,
}

const fn no_lines() -> Int<0, 10_000_000> {
    const { Int::literal(0) }
}

const fn default_bytes() -> Int<16, 10_000_000> {
    const { Int::literal(262_144) }
}

/// A file that may be read, and the part of it to read.
#[derive(Debug)]
pub struct Plan {
    path: ConfinedPath,
    encoding: Encoding,
    start: Start,
    max_lines: Option<usize>,
    max_bytes: usize,
}

/// A file, or a page of it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Reply {
    /// The absolute path.
    path: String,
    /// Bytes of the whole file.
    size: u64,
    /// The content, or the part of it that this page holds.
    content: String,
    /// Lines in `content`.
    lines: usize,
    /// The encoding; `-bom` means that a byte order mark was taken off.
    encoding: String,
    /// Whether something that was asked for is missing.
    truncated: bool,
    /// Byte of the file where `content` starts.
    offset: u64,
    /// Where the next page starts; null at the end of the file.
    next_offset: Option<u64>,
    /// SHA-256 of the file, if `content` is all of it; `expected_hash` of `write_file_secure`.
    hash: Option<String>,
}

impl Tool for ReadFileSecure {
    const SPEC: ToolSpec = ToolSpec {
        name: "read_file_secure",
        title: "Read file",
        summary: "Reads a regular file under the allowed directories, 256 KiB of content unless \
                  max_bytes says otherwise. When `truncated`, call again with offset = \
                  next_offset; use tail for the last lines, encoding \"base64\" for binary files.",
        effects: Effects::READ,
        caching: Caching::None,
        deadline: Duration::from_secs(30),
    };
    type Args = Args;
    type Plan = Plan;
    type Reply = Reply;

    async fn vet(&self, args: Args, _: &Call) -> Result<Plan, ToolError> {
        let encoding = args.encoding.encoding().map_err(explain_encoding)?;
        let start = match (args.offset, args.tail) {
            (Some(_), Some(_)) => {
                return Err(ToolError::invalid(
                    "tail",
                    "cannot be combined with `offset`",
                ));
            }
            (None, Some(lines)) => Start::Tail(lines.as_usize()),
            (offset, None) => Start::Offset(offset.map_or(0, Int::get)),
        };
        let max_lines = Some(args.max_lines.as_usize()).filter(|lines| *lines > 0);
        if encoding == Encoding::Base64 && (max_lines.is_some() || args.tail.is_some()) {
            return Err(
                ToolError::invalid("encoding", "base64 has no lines to count")
                    .with_hint("leave out max_lines and tail, or name a text encoding"),
            );
        }
        let path = self.roots.confine(&args.path).map_err(explain)?;
        Ok(Plan {
            path,
            encoding,
            start,
            max_lines,
            max_bytes: args.max_bytes.as_usize(),
        })
    }

    fn account(&self, plan: &Plan) -> Account {
        Account {
            because: vec![within(&self.roots, plan.path.path())],
            ..Account::default()
        }
    }

    async fn run(&self, plan: Plan, call: &Call) -> Result<Reply, ToolError> {
        let Plan {
            path,
            encoding,
            start,
            max_lines,
            max_bytes,
        } = plan;
        let window = Window {
            start,
            max_bytes,
            max_lines,
            budget: call.reply_budget,
        };
        let file = path.open_read().map_err(explain)?;
        let page = if file.size() <= INLINE_BYTES {
            page::read(&file, encoding, window, &Interrupt::default())?
        } else {
            blocking(move |interrupt| Ok(page::read(&file, encoding, window, interrupt)?)).await?
        };
        Ok(Reply::new(path.path(), page))
    }
}

impl Reply {
    fn new(path: &str, page: Page) -> Self {
        Self {
            path: path.to_owned(),
            size: page.size,
            lines: count_lines(&page.content),
            content: page.content,
            encoding: page.encoding,
            truncated: page.truncated,
            offset: page.offset,
            next_offset: page.next_offset,
            hash: page.digest.map(|digest| digest.to_string()),
        }
    }
}
