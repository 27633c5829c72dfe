//! Reads entries from a file.

use std::sync::Arc;
use std::time::Duration;

use mcp_security::files::{Interrupt, OpenedFile};
use mcp_toolcall::bounded::Text;
use mcp_toolcall::{Caching, Call, Code, Effects, Tool, ToolError, ToolSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Exports, explain_file};
use crate::store::{Adopted, OnConflict, Record, Store, StoreError};
use crate::tools::explain;

/// Bytes of the file that are read at once.
const PIECE: usize = 1 << 20;
/// Records that are written in one transaction.
const GROUP: usize = 500;
/// Once a group has more bytes of lines it ends early.
const GROUP_BYTES: usize = 8 << 20;
/// Bytes that a line may have: a value and a long past.
const LONGEST_LINE: usize = 256 << 20;

/// Reads entries from a file.
#[derive(Debug)]
pub struct ImportKnowledge {
    /// Where entries are kept.
    pub store: Arc<Store>,
    /// Where files may be read.
    pub exports: Exports,
}

/// Which file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The file, below the directory for exports.
    path: Text<1, 4096>,
    /// What becomes of an entry that is there already.
    #[serde(default)]
    on_conflict: OnConflict,
}

/// A file that may be read.
#[derive(Debug)]
pub struct Plan {
    file: OpenedFile,
    on_conflict: OnConflict,
}

/// What was read.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Reply {
    /// Lines that were read.
    read: u64,
    /// Entries that were not there before.
    created: u64,
    /// Entries that say something else now.
    updated: u64,
    /// Lines that changed nothing.
    skipped: u64,
}

impl Tool for ImportKnowledge {
    const SPEC: ToolSpec = ToolSpec {
        name: "import_knowledge",
        title: "Import knowledge",
        summary: "Reads a JSON Lines file below the directory for exports: what export_knowledge \
                  wrote, or lines of {\"key\", \"value\"} with category, source, metadata and tags as \
                  you like. Entries that are there stay as they are unless on_conflict says otherwise. \
                  A bad line ends it and is named; the lines before it, in groups of 500, are kept.",
        effects: Effects::KEEP,
        caching: Caching::None,
        deadline: Duration::from_mins(15),
    };
    type Args = Args;
    type Plan = Plan;
    type Reply = Reply;

    async fn vet(&self, args: Args, _: &Call) -> Result<Plan, ToolError> {
        let path = self.exports.roots()?.confine(&args.path);
        let path = path.map_err(|error| explain_file(error.into()))?;
        Ok(Plan {
            file: path.open_read().map_err(explain_file)?,
            on_conflict: args.on_conflict,
        })
    }

    async fn run(&self, plan: Plan, call: &Call) -> Result<Reply, ToolError> {
        let mut lines = Lines::new(plan.file);
        let (mut sum, mut read) = (Adopted::default(), 0_u64);
        loop {
            let (next, group) = lines.group().await?;
            lines = next;
            if group.records.is_empty() {
                break;
            }
            read += u64::try_from(group.records.len()).unwrap_or(u64::MAX);
            let adopted = self.store.adopt_all(group.records, plan.on_conflict).await;
            let adopted = adopted.map_err(|error| at_line(&group.lines, error))?;
            sum.created += adopted.created;
            sum.updated += adopted.updated;
            sum.skipped += adopted.skipped;
            let share = |bytes: u64| u32::try_from(bytes >> 10).map_or(f64::MAX, f64::from);
            let total = Some(share(lines.file.size()));
            call.progress
                .report(share(lines.at), total, format!("{read} lines read, in KiB"));
        }
        Ok(Reply {
            read,
            created: sum.created,
            updated: sum.updated,
            skipped: sum.skipped,
        })
    }
}

/// The refusal of an item, as one of the line it came from.
fn at_line(lines: &[u64], error: StoreError) -> ToolError {
    if let StoreError::Item { index, source } = &error
        && let Some(line) = lines.get(*index)
    {
        let explained = explain(source);
        let text = format!("line {line}: {}", explained.message());
        return explained.with_message(text);
    }
    explain(&error).with_source(error)
}

/// The lines of a file, parsed.
struct Lines {
    file: OpenedFile,
    /// Where the next piece begins.
    at: u64,
    /// Read, and from `from` on not taken yet.
    read: Vec<u8>,
    from: usize,
    ended: bool,
    /// Lines that were taken.
    line: u64,
}

/// Records that belong into one transaction, and the lines they came from.
#[derive(Default)]
struct Group {
    records: Vec<Record>,
    lines: Vec<u64>,
    bytes: usize,
}

impl Lines {
    fn new(file: OpenedFile) -> Self {
        Self {
            file,
            at: 0,
            read: Vec::new(),
            from: 0,
            ended: false,
            line: 0,
        }
    }

    /// The next records, on a blocking thread.
    async fn group(mut self) -> Result<(Self, Group), ToolError> {
        let interrupt = Interrupt::default();
        let _unless_done = interrupt.on_drop();
        let reading = tokio::task::spawn_blocking(move || {
            let group = self.take_group(&interrupt)?;
            Ok((self, group))
        });
        reading.await.unwrap_or_else(|error| {
            let text = "the file was not read to the end";
            Err(ToolError::new(Code::Internal, text).with_source(error))
        })
    }

    fn take_group(&mut self, interrupt: &Interrupt) -> Result<Group, ToolError> {
        let mut group = Group::default();
        while group.records.len() < GROUP && group.bytes < GROUP_BYTES {
            let Some(end) = self.find_line(interrupt)? else {
                break;
            };
            let line = self.read.get(self.from..end).unwrap_or_default();
            self.line += 1;
            self.from = end + 1;
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            group.bytes += line.len();
            group.records.push(parse(line, self.line)?);
            group.lines.push(self.line);
        }
        Ok(group)
    }

    /// Where the next line ends; `None` after the last.
    fn find_line(&mut self, interrupt: &Interrupt) -> Result<Option<usize>, ToolError> {
        let mut searched = self.from;
        loop {
            let unsearched = self.read.get(searched..).unwrap_or_default();
            if let Some(length) = unsearched.iter().position(|byte| *byte == b'\n') {
                return Ok(Some(searched + length));
            }
            if self.ended {
                let left = self.from < self.read.len();
                return Ok(left.then_some(self.read.len()));
            }
            self.read.drain(..self.from.min(self.read.len()));
            self.from = 0;
            searched = self.read.len();
            if searched > LONGEST_LINE {
                let text = format!("line {} is longer than {LONGEST_LINE} bytes", self.line + 1);
                return Err(ToolError::new(Code::TooLarge, text));
            }
            let chunk = self.file.read_range(self.at, PIECE, interrupt);
            let chunk = chunk.map_err(explain_file)?;
            self.at += u64::try_from(chunk.bytes.len()).unwrap_or(0);
            self.ended = chunk.reaches_end;
            self.read.extend(chunk.bytes);
        }
    }
}

fn parse(text: &[u8], line: u64) -> Result<Record, ToolError> {
    let mut parser = serde_json::Deserializer::from_slice(text);
    serde_path_to_error::deserialize(&mut parser).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.into_inner();
        ToolError::invalid("path", format!("line {line}, `{path}`: {reason}"))
            .with_hint("each line is an object with at least key and value")
    })
}
