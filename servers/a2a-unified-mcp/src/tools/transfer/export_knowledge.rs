//! Writes entries to a file.

use std::sync::Arc;
use std::time::Duration;

use mcp_security::files::Interrupt;
use mcp_security::paths::ConfinedTarget;
use mcp_toolcall::bounded::Text;
use mcp_toolcall::{Caching, Call, Code, Effects, Tool, ToolError, ToolSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::{Exports, explain_file};
use crate::knowledge::{Category, Source, Tags, Timestamp};
use crate::store::{Filter, Record, Store};
use crate::tools::entries::refused;
use crate::tools::object;

/// Pieces of the file that wait to be written.
const QUEUED: usize = 4;

/// Writes entries to a file.
#[derive(Debug)]
pub struct ExportKnowledge {
    /// Where entries are kept.
    pub store: Arc<Store>,
    /// Where files may be written.
    pub exports: Exports,
}

/// Which entries, and where to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The file, below the directory for exports; `.jsonl` is the usual ending.
    path: Text<1, 4096>,
    /// Only entries that meet all of this.
    #[serde(default, deserialize_with = "object")]
    filter: Chosen,
    /// Whether what entries said before is written too, and what is gone.
    #[serde(default = "Args::usual_history")]
    history: bool,
    /// Whether a file that is there is replaced.
    #[serde(default)]
    overwrite: bool,
}

impl Args {
    const fn usual_history() -> bool {
        true
    }
}

/// Which entries.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Chosen {
    /// Those of this category.
    #[serde(default)]
    category: Option<Category>,
    /// Those of this source.
    #[serde(default)]
    source: Option<Source>,
    /// Those with all of these tags.
    #[serde(default)]
    tags: Tags,
    /// Those written at this time or later.
    #[serde(default)]
    since: Option<Timestamp>,
}

/// A file that may be written, and what goes into it.
#[derive(Debug)]
pub struct Plan {
    target: ConfinedTarget,
    filter: Filter,
    history: bool,
    overwrite: bool,
}

/// What was written.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Reply {
    /// The absolute path.
    path: String,
    /// Entries in it.
    entries: u64,
    /// Names of which only the past is known.
    gone: u64,
    /// Bytes of the file.
    bytes: u64,
}

impl Tool for ExportKnowledge {
    const SPEC: ToolSpec = ToolSpec {
        name: "export_knowledge",
        title: "Export knowledge",
        summary: "Writes entries with their history to a JSON Lines file below the directory for \
                  exports, one entry a line, all as they were at one moment. import_knowledge reads \
                  it back without loss.",
        effects: Effects::KEEP,
        caching: Caching::None,
        deadline: Duration::from_mins(15),
    };
    type Args = Args;
    type Plan = Plan;
    type Reply = Reply;

    async fn vet(&self, args: Args, _: &Call) -> Result<Plan, ToolError> {
        let target = self.exports.roots()?.confine_target(&args.path);
        Ok(Plan {
            target: target.map_err(|error| explain_file(error.into()))?,
            filter: Filter {
                source: args.filter.source,
                category: args.filter.category,
                tags: args.filter.tags,
                updated_since: args.filter.since,
                ..Filter::default()
            },
            history: args.history,
            overwrite: args.overwrite,
        })
    }

    async fn run(&self, plan: Plan, call: &Call) -> Result<Reply, ToolError> {
        let path = plan.target.path().to_owned();
        let (pieces, queue) = mpsc::channel(QUEUED);
        let interrupt = Interrupt::default();
        // Declared after the channel, so that a cancelled call raises it before the pieces end.
        let unless_done = interrupt.on_drop();
        let (target, overwrite) = (plan.target, plan.overwrite);
        let writing = tokio::task::spawn_blocking(move || {
            target.fill_from(overwrite, Pieces(queue), &interrupt)
        });
        let read = self.read((plan.filter, plan.history), &pieces, call).await;
        if read.is_err() {
            // Before the pieces end: the file must not be taken for whole.
            drop(unless_done);
        }
        drop(pieces);
        let written = writing.await.map_err(|error| {
            ToolError::new(Code::Internal, "the file was not written to the end").with_source(error)
        })?;
        let (entries, gone) = match read {
            Err(Stopped::Unread(error)) => return Err(error),
            Ok(counts) => counts,
            // The writer left first, and says why.
            Err(Stopped::Unwritten) => (0, 0),
        };
        Ok(Reply {
            path,
            entries,
            gone,
            bytes: written.map_err(explain_file)?,
        })
    }
}

/// Why nothing more is read.
enum Stopped {
    Unread(ToolError),
    Unwritten,
}

struct Pieces(mpsc::Receiver<Vec<u8>>);

impl Iterator for Pieces {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        self.0.blocking_recv()
    }
}

impl ExportKnowledge {
    /// Entries and names of what is gone that were handed on.
    async fn read(
        &self,
        (filter, history): (Filter, bool),
        pieces: &mpsc::Sender<Vec<u8>>,
        call: &Call,
    ) -> Result<(u64, u64), Stopped> {
        let unread = |error| Stopped::Unread(refused(error));
        let mut exporter = self.store.export(filter, history).await.map_err(unread)?;
        let total = exporter.total().await.map_err(unread)?;
        let (mut entries, mut gone) = (0_u64, 0_u64);
        loop {
            let records = exporter.next().await.map_err(unread)?;
            if records.is_empty() {
                return Ok((entries, gone));
            }
            for record in &records {
                if record.value.is_some() {
                    entries += 1;
                } else {
                    gone += 1;
                }
            }
            let sent = pieces.send(lines(&records)).await;
            sent.map_err(|_| Stopped::Unwritten)?;
            let share = |count: u64| u32::try_from(count).map_or(f64::MAX, f64::from);
            call.progress
                .report(share(entries), Some(share(total)), "entries written");
        }
    }
}

fn lines(records: &[Record]) -> Vec<u8> {
    let mut text = Vec::new();
    for record in records {
        // Text, numbers and objects with text keys can always be written.
        if serde_json::to_writer(&mut text, record).is_ok() {
            text.push(b'\n');
        }
    }
    text
}
