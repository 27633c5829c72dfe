//! Takes over what other memory servers kept.
//!
//! Their files are only read. What cannot become an entry is named and left out, the rest goes on: such
//! a file mostly has a few torn lines or odd rows, and a second run changes nothing that is here.

mod mcp_memory_service;
mod names;
mod original;
mod reader;
mod reference;
#[cfg(test)]
mod tests;
mod text;

use std::io;
use std::path::Path;

use clap::ValueEnum;

use crate::knowledge::{Category, Source, Timestamp};
use crate::store::{Adopted, OnConflict, Record, Store, StoreConfig, StoreError};
use names::Seen;
use reader::{Item, Reader};

/// Records that are written in one transaction.
const GROUP: usize = 500;
/// Once a group has more bytes it ends early.
const GROUP_BYTES: usize = 8 << 20;
/// A name in the report is cut here.
const SHOWN_CHARS: usize = 80;

/// What made the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Origin {
    /// The original system, or this program: a SQLite database with the table `knowledge`
    Original,
    /// The memory server among MCP's reference servers: JSON Lines of entities and relations
    Reference,
    /// mcp-memory-service: its SQLite database, or its export as JSON
    McpMemoryService,
}

/// How entries are taken over.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Their source, whatever the file says.
    pub source: Option<Source>,
    /// Their category, whatever the file says.
    pub category: Option<Category>,
    /// What becomes of an entry that is there already.
    pub on_conflict: OnConflict,
    /// Nothing is written; the outcome says what would be.
    pub dry_run: bool,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Entries, lines or rows that were read.
    pub read: u64,
    /// What became of those that could be taken over.
    pub adopted: Adopted,
    /// Those that could not.
    pub refused: u64,
}

/// What there is to tell on the way.
#[derive(Debug)]
pub enum Event<'a> {
    /// Something cannot be taken over.
    Refused {
        /// Its place and name in the file.
        place: &'a str,
        /// Why.
        reason: &'a str,
    },
    /// Something of the file is left out on purpose.
    LeftOut(&'a str),
    /// A group is done.
    Progress(&'a Outcome),
}

/// The import ended early. What was written before stays.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("the file cannot be read")]
    Unreadable(#[from] io::Error),
    /// The file is not what it was said to be.
    #[error("{0}")]
    Unlike(String),
    /// Its database cannot be read.
    #[error("the file cannot be read")]
    Foreign(#[source] StoreError),
    /// A write to the database was not ended, which only its own program may undo.
    #[error("a write to the file was not ended: open it once with the program that made it")]
    Interrupted,
    /// Another process wrote to the file meanwhile.
    #[error("the file was changed while it was read: run it again")]
    Changed,
    /// An entry of its group cannot be written, and so none of the group was.
    #[error("{place}: {source}")]
    Entry {
        /// Its place and name in the file.
        place: String,
        /// Why.
        source: Box<StoreError>,
    },
    /// A group could not be written.
    #[error("the entries cannot be written")]
    Store(#[source] StoreError),
}

impl ImportError {
    fn foreign(error: StoreError) -> Self {
        if let StoreError::Foreign { reason } = &error {
            return Self::Unlike(format!("the file is something else: {reason}"));
        }
        if matches!(error, StoreError::Busy) {
            Self::Changed
        } else if matches!(error, StoreError::ReadOnly) {
            Self::Interrupted
        } else {
            Self::Foreign(error)
        }
    }
}

/// Takes over what a file holds, in groups, and tells how it goes. Servers may go on using the store.
///
/// # Errors
/// When the file cannot be read on, or a group cannot be written: the groups before it are.
pub async fn import(
    (origin, file): (Origin, &Path),
    (store, config): (&Store, &StoreConfig),
    options: &Options,
    tell: &mut dyn FnMut(Event<'_>),
) -> Result<Outcome, ImportError> {
    let mut reader = Reader::open((origin, file), (store, config)).await?;
    for line in reader.left_out() {
        tell(Event::LeftOut(line));
    }
    let (mut outcome, mut seen) = (Outcome::default(), Seen::default());
    loop {
        let items = reader.next().await?;
        if items.is_empty() {
            break;
        }
        let (mut records, mut places) = (Vec::new(), Vec::new());
        for Item { place, record } in items {
            outcome.read += 1;
            let record = record.and_then(|record| {
                let record = options.place(record).map_err(|error| error.to_string())?;
                seen.first(&record)?;
                Ok(record)
            });
            match record {
                Ok(record) => {
                    records.push(record);
                    places.push(place);
                }
                Err(reason) => {
                    outcome.refused += 1;
                    tell(Event::Refused {
                        place: &place,
                        reason: &reason,
                    });
                }
            }
        }
        let adopted = write(store, records, options).await;
        outcome.add(adopted.map_err(|error| at_place(places, error))?);
        tell(Event::Progress(&outcome));
    }
    reader.close().await;
    Ok(outcome)
}

async fn write(
    store: &Store,
    records: Vec<Record>,
    options: &Options,
) -> Result<Adopted, StoreError> {
    if options.dry_run {
        store.preview(&records, options.on_conflict).await
    } else {
        store.adopt_all(records, options.on_conflict).await
    }
}

fn at_place(mut places: Vec<String>, error: StoreError) -> ImportError {
    if let StoreError::Item { index, source } = error {
        if index < places.len() {
            let place = places.swap_remove(index);
            return ImportError::Entry { place, source };
        }
        return ImportError::Store(*source);
    }
    ImportError::Store(error)
}

impl Outcome {
    fn add(&mut self, adopted: Adopted) {
        self.adopted.created += adopted.created;
        self.adopted.updated += adopted.updated;
        self.adopted.skipped += adopted.skipped;
        self.adopted.kept += adopted.kept;
    }
}

/// A name as it is shown in a report: short, and without control characters.
fn shown(name: &str) -> String {
    let clean = |character: char| {
        if character.is_control() {
            ' '
        } else {
            character
        }
    };
    let mut shown: String = name.chars().take(SHOWN_CHARS).map(clean).collect();
    if name.chars().nth(SHOWN_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

/// A time that any file may name, brought into the range that can be written.
fn time(millis: i64) -> Timestamp {
    use std::time::Duration;
    let time = Timestamp::from_millis(millis.max(0));
    time.after(Duration::ZERO)
}
