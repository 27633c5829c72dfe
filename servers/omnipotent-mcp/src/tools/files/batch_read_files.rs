//! Reads several files at once.

use std::time::Duration;

use mcp_security::files::{Interrupt, OpenedFile};
use mcp_security::paths::{ConfinedPath, Roots};
use mcp_toolcall::bounded::{List, Text};
use mcp_toolcall::{Account, Caching, Call, Code, Effects, Tool, ToolError, ToolSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::encoding::{Encoding, Label};
use super::page::{self, Page, Start, Window, count_lines};
use super::{INLINE_BYTES, explain, explain_encoding, within};

/// Most bytes of content in one reply.
const ANSWER_BYTES: usize = 10_000_000;
/// Share of the reply that content may take in fifths of its budget, as a text of many quotes and
/// line feeds costs two and a half bytes for each of its own.
const CONTENT_FIFTHS: usize = 2;

/// Room for a file that grows a little before it is read, and the least that is worth reading.
const MARGIN: usize = 64;

/// Reads several files at once.
#[derive(Debug, Clone)]
pub struct BatchReadFiles {
    /// Where files may be read.
    pub roots: Roots,
}

/// Which files.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The files: absolute, or relative to the first allowed directory.
    paths: List<Text<1, 4096>, 1, 20>,
    /// Their text encoding by WHATWG label, or base64 for bytes.
    #[serde(default)]
    encoding: Label,
}

/// Files that may be read, and the refusals of the others.
#[derive(Debug)]
pub struct Plan {
    entries: Vec<(String, Result<ConfinedPath, ToolError>)>,
    encoding: Encoding,
}

/// What became of each file, in the order asked for.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Reply {
    /// One entry for each path.
    results: Vec<Entry>,
    /// How many paths were asked for.
    total: usize,
    /// How many were read.
    successful: usize,
}

/// A file that was read, or why it was not.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct Entry {
    /// The path as it was asked for.
    path: String,
    /// Whether the file was read.
    success: bool,
    /// The content.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    /// Bytes of the whole file.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// Lines in `content`.
    #[serde(skip_serializing_if = "Option::is_none")]
    lines: Option<usize>,
    /// The encoding; `-bom` means that a byte order mark was taken off.
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<String>,
    /// Whether the file goes on behind `content`.
    #[serde(skip_serializing_if = "Option::is_none")]
    truncated: Option<bool>,
    /// Where to go on with `read_file_secure` when truncated.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<u64>,
    /// SHA-256 of the file, if `content` is all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    /// The error code.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// What went wrong, and how to avoid it.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Tool for BatchReadFiles {
    const SPEC: ToolSpec = ToolSpec {
        name: "batch_read_files",
        title: "Read several files",
        summary: "Reads up to 20 files under the allowed directories in one call, together at \
                  most 10 MB. A file that cannot be read has its own error and fails no other; \
                  go on with a truncated one by read_file_secure from its next_offset.",
        effects: Effects::READ,
        caching: Caching::None,
        deadline: Duration::from_mins(1),
    };
    type Args = Args;
    type Plan = Plan;
    type Reply = Reply;

    async fn vet(&self, args: Args, _: &Call) -> Result<Plan, ToolError> {
        let encoding = args.encoding.encoding().map_err(explain_encoding)?;
        let confine = |path: Text<1, 4096>| {
            let confined = self.roots.confine(&path).map_err(explain);
            (path.into_inner(), confined)
        };
        Ok(Plan {
            entries: args.paths.into_iter().map(confine).collect(),
            encoding,
        })
    }

    fn account(&self, plan: &Plan) -> Account {
        let (mut because, mut left_out) = (Vec::new(), Vec::new());
        for (_, entry) in &plan.entries {
            match entry {
                Ok(file) => because.push(within(&self.roots, file.path())),
                Err(refusal) => left_out.push(refusal.clone()),
            }
        }
        Account {
            because,
            left_out,
            judged_later: None,
        }
    }

    async fn run(&self, plan: Plan, call: &Call) -> Result<Reply, ToolError> {
        let (paths, files): (Vec<_>, Vec<_>) = plan.entries.into_iter().map(open).unzip();
        let windows = share(&files, plan.encoding, call.reply_budget);
        let pages = read_all(files, windows, plan.encoding, call).await;
        let results: Vec<_> = paths.into_iter().zip(pages).map(Entry::new).collect();
        let successful = results.iter().filter(|entry| entry.success).count();
        Ok(Reply {
            total: results.len(),
            successful,
            results,
        })
    }
}

type Opened = Result<OpenedFile, ToolError>;

fn open((path, confined): (String, Result<ConfinedPath, ToolError>)) -> (String, Opened) {
    (
        path,
        confined.and_then(|confined| confined.open_read().map_err(explain)),
    )
}

/// Divides the reply among the files: first come, first served, by what each may need at most.
fn share(files: &[Opened], encoding: Encoding, budget: usize) -> Vec<Window> {
    let all = ANSWER_BYTES.min(budget / 5 * CONTENT_FIFTHS);
    let mut left = all;
    let mut shares = Vec::with_capacity(files.len());
    for file in files {
        let size = file.as_ref().map_or(0, OpenedFile::size);
        let need = usize::try_from(size)
            .unwrap_or(all)
            .saturating_mul(encoding.growth());
        let share = need.saturating_add(MARGIN).min(left);
        let share = if share < MARGIN { 0 } else { share };
        left -= share;
        shares.push(share);
    }
    let taken = shares.iter().sum::<usize>().max(1);
    let window = |max_bytes: usize| Window {
        start: Start::Offset(0),
        max_bytes,
        max_lines: None,
        budget: (budget / taken).saturating_mul(max_bytes),
    };
    shares.into_iter().map(window).collect()
}

/// Reads each file, small ones here and the others on blocking threads side by side. Dropping the
/// future interrupts them all.
async fn read_all(
    files: Vec<Opened>,
    windows: Vec<Window>,
    encoding: Encoding,
    call: &Call,
) -> Vec<Result<Page, ToolError>> {
    let interrupt = Interrupt::default();
    let _guard = interrupt.on_drop();
    let mut reading = JoinSet::new();
    let mut pages = Vec::with_capacity(files.len());
    for (index, (file, window)) in files.into_iter().zip(windows).enumerate() {
        let outcome = match file {
            Ok(file) if file.size() > INLINE_BYTES => {
                let interrupt = interrupt.clone();
                reading.spawn_blocking(move || {
                    (index, page::read(&file, encoding, window, &interrupt))
                });
                // Stays only if the thread panics.
                Err(ToolError::new(
                    Code::Internal,
                    "the file was not read to the end",
                ))
            }
            Ok(file) => page::read(&file, encoding, window, &interrupt).map_err(ToolError::from),
            Err(error) => Err(error),
        };
        pages.push(outcome);
    }
    let mut done = pages.len() - reading.len();
    while let Some(joined) = reading.join_next().await {
        done += 1;
        call.progress
            .report(count(done), Some(count(pages.len())), "reading files");
        if let Ok((index, page)) = joined
            && let Some(place) = pages.get_mut(index)
        {
            *place = page.map_err(ToolError::from);
        }
    }
    pages
}

fn count(files: usize) -> f64 {
    u32::try_from(files).map_or(f64::MAX, f64::from)
}

impl Entry {
    fn new((path, outcome): (String, Result<Page, ToolError>)) -> Self {
        match outcome {
            Ok(page) => Self {
                path,
                success: true,
                lines: Some(count_lines(&page.content)),
                content: Some(page.content),
                size: Some(page.size),
                encoding: Some(page.encoding),
                truncated: Some(page.truncated),
                next_offset: page.next_offset,
                hash: page.digest.map(|digest| digest.to_string()),
                code: None,
                error: None,
            },
            Err(error) => Self {
                path,
                code: Some(error.code().as_str().to_owned()),
                error: Some(error.message().to_owned()),
                ..Self::default()
            },
        }
    }
}
