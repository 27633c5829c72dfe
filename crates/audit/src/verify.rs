//! Finds what was done to an audit after it was written.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::ops::RangeInclusive;
use std::path::Path;

use serde::Deserialize;

use crate::AuditError;
use crate::chain::{self, Head, LineHash, Link};
use crate::snapshot::{self, Part};

/// Longest line that is taken for one, in bytes: far more than a server writes.
const MAX_LINE: u64 = 64 * 1024;

/// Findings that are kept; more are counted.
const MAX_FINDINGS: usize = 100;

/// What an audit holds and what is wrong with it.
#[derive(Debug, Default)]
pub struct Report {
    /// Files that were read.
    pub files: usize,
    /// Lines that were read.
    pub records: u64,
    /// Number of the first line; above 1 when older files were rotated away.
    pub first: Option<u64>,
    /// Where the chain ends. Note its hash elsewhere: only that shows a cut at the end.
    pub head: Option<Head>,
    /// What is wrong, in order; at most the first 100.
    pub findings: Vec<Finding>,
    /// What else is wrong.
    pub more: u64,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Name of the file.
    pub file: String,
    /// Line in it, from 1; 0 for the file as a whole.
    pub line: u64,
    /// The number that the line gives itself.
    pub seq: Option<u64>,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a line or a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It has not the form of a line.
    #[error("is not a line of an audit")]
    Malformed,
    /// Its hash is not that of what it says.
    #[error("was changed: its hash is not the hash of what it says")]
    Changed,
    /// It names another line, or another number, than the one before it.
    #[error("does not follow the line before it: lines were removed, inserted or reordered")]
    Unlinked,
    /// It begins a chain where one should go on.
    #[error("begins a new chain: what came before could not be continued")]
    Restarted,
    /// It has no end.
    #[error(
        "is incomplete ({bytes} bytes): its writer was ended, or the end was cut; the next server \
         to start takes it off and records that"
    )]
    Torn {
        /// Its length.
        bytes: u64,
    },
    /// A rotated file that should be there is not.
    #[error("is missing")]
    Missing,
    /// The hash that was noted belongs to no line.
    #[error(
        "no line has the expected hash: lines were cut from the end or rewritten, or it is \
             older than the oldest file"
    )]
    Unexpected,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} files, {} records", self.files, self.records)?;
        if let (Some(first), Some(head)) = (self.first, self.head) {
            writeln!(f, "seq {first} to {}, head {}", head.seq, head.hash)?;
        }
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        if self.more > 0 {
            writeln!(f, "and {} more", self.more)?;
        }
        if self.findings.is_empty() {
            f.write_str(
                "the chain is whole; only a head noted before (--expect-hash) shows lines cut from \
                 its end\n",
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ", line {}", self.line)?;
        }
        if let Some(seq) = self.seq {
            write!(f, " (seq {seq})")?;
        }
        write!(f, ": {}", self.fault)
    }
}

/// Reads the audit at `path`, a current file with its rotated ones beside it or a directory that
/// holds them. `expected` is a hash that was noted before.
///
/// # Errors
/// When a file cannot be read. What is wrong with its content is in the report.
pub fn verify(path: &Path, expected: Option<LineHash>) -> Result<Report, AuditError> {
    let path = snapshot::current_path(path);
    let mut reading = Reading {
        report: Report::default(),
        before: None,
        kept: None,
        expected,
    };
    let parts = snapshot::open(&path)?;
    let name = path.file_name().unwrap_or(path.as_os_str());
    let name = name.to_string_lossy();
    let numbers: Vec<u64> = parts.iter().filter_map(|part| part.number).collect();
    reading.check_numbers(&name, &numbers);
    for part in parts {
        let path = path.with_file_name(&part.name);
        reading
            .file(part)
            .map_err(snapshot::failed("read", &path))?;
    }
    reading.check_oldest(&name, &numbers);
    if reading.expected.is_some() {
        reading.find(&name, 0, None, Fault::Unexpected);
    }
    Ok(reading.report)
}

struct Reading {
    report: Report,
    /// The line before; none at the beginning and after one that could not be read.
    before: Option<Head>,
    /// The rotated files that were there when the newest file was begun.
    kept: Option<RangeInclusive<u64>>,
    expected: Option<LineHash>,
}

/// What the first line of a file that follows another says.
#[derive(Deserialize)]
struct Begins {
    event: String,
    continues: String,
    oldest: u64,
}

impl Reading {
    /// Rotated files are numbered without a gap.
    fn check_numbers(&mut self, stem: &str, numbers: &[u64]) {
        for pair in numbers.windows(2) {
            let &[before, number] = pair else { continue };
            for missing in (before + 1..number).take(MAX_FINDINGS) {
                self.find(&format!("{stem}.{missing:06}"), 0, None, Fault::Missing);
            }
        }
    }

    fn file(&mut self, part: Part) -> std::io::Result<()> {
        let name = part.name;
        let mut reader = BufReader::new(part.file.take(part.bytes));
        let mut line = Vec::new();
        let mut number = 0;
        self.report.files += 1;
        loop {
            line.clear();
            let read = reader
                .by_ref()
                .take(MAX_LINE)
                .read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(());
            }
            number += 1;
            match line.strip_suffix(b"\n") {
                Some(whole) => self.line(&name, number, whole),
                None if reader.fill_buf()?.is_empty() => {
                    let bytes = u64::try_from(read).unwrap_or(u64::MAX);
                    self.find(&name, number, None, Fault::Torn { bytes });
                }
                None => {
                    reader.skip_until(b'\n')?;
                    self.unreadable(&name, number);
                }
            }
        }
    }

    fn unreadable(&mut self, name: &str, number: u64) {
        self.report.records += 1;
        self.before = None;
        self.find(name, number, None, Fault::Malformed);
    }

    fn line(&mut self, name: &str, number: u64, line: &[u8]) {
        let Some(found) = chain::read(line) else {
            return self.unreadable(name, number);
        };
        let head = found.head;
        let goes_on = number == 1 && self.learn_kept(line);
        if let Some(fault) = self.fault(&found, goes_on) {
            self.find(name, number, Some(head.seq), fault);
        }
        if self.expected == Some(head.hash) {
            self.expected = None;
        }
        self.report.records += 1;
        self.report.first.get_or_insert(head.seq);
        self.report.head = Some(head);
        self.before = Some(head);
    }

    /// What is wrong with a line; `goes_on` when it says that it follows another file.
    fn fault(&self, link: &Link, goes_on: bool) -> Option<Fault> {
        let begins = link.head.seq == 1 && link.prev == LineHash::NONE;
        if !link.is_whole {
            return Some(Fault::Changed);
        }
        match self.before {
            None if self.report.records > 0 => None,
            None if begins || goes_on => None,
            Some(before) if before.seq + 1 == link.head.seq && before.hash == link.prev => None,
            Some(_) if begins => Some(Fault::Restarted),
            None | Some(_) => Some(Fault::Unlinked),
        }
    }

    /// The first line of a file that follows another tells how far back files were kept then.
    /// Returns whether it is one.
    fn learn_kept(&mut self, line: &[u8]) -> bool {
        let Ok(begins) = serde_json::from_slice::<Begins>(line) else {
            return false;
        };
        let digits = begins.continues.rsplit('.').next();
        let newest = digits.and_then(|digits| digits.parse().ok());
        self.kept = newest.map(|newest| begins.oldest..=newest);
        begins.event == "rotate"
    }

    /// Rotated files that the newest file knows of and that stand before all that are there.
    fn check_oldest(&mut self, stem: &str, numbers: &[u64]) {
        let Some(kept) = self.kept.take() else { return };
        let first = numbers.first().copied().unwrap_or(u64::MAX);
        for number in kept.take_while(|&number| number < first).take(MAX_FINDINGS) {
            self.find(&format!("{stem}.{number:06}"), 0, None, Fault::Missing);
        }
    }

    fn find(&mut self, file: &str, line: u64, seq: Option<u64>, fault: Fault) {
        if self.report.findings.len() >= MAX_FINDINGS {
            self.report.more += 1;
            return;
        }
        self.report.findings.push(Finding {
            file: file.to_owned(),
            line,
            seq,
            fault,
        });
    }
}
