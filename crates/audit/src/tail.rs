//! The last lines of an audit, and those still to come, for people.
#![expect(
    clippy::disallowed_methods,
    reason = "reads the audit that the operator names on the command line"
)]

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::mem::MaybeUninit;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};
use serde_json::{Map, Value};

use crate::AuditError;
use crate::record::MAX_LINE_BYTES;
use crate::snapshot::{self, failed};

/// The last `count` lines of the audit at `path`, a current file or its directory, oldest first.
///
/// # Errors
/// When a file cannot be read.
pub fn last(path: &Path, count: usize) -> Result<Vec<String>, AuditError> {
    let path = snapshot::current_path(path);
    let mut lines = VecDeque::new();
    for part in snapshot::open(&path)?.into_iter().rev() {
        let wanted = count.saturating_sub(lines.len());
        if wanted == 0 {
            break;
        }
        let of_part = last_of(part.file, part.bytes, wanted)
            .map_err(failed("read", &path.with_file_name(&part.name)))?;
        for line in of_part.into_iter().rev() {
            lines.push_front(line);
        }
    }
    Ok(lines.into())
}

fn last_of(mut file: File, bytes: u64, count: usize) -> io::Result<VecDeque<String>> {
    let longest = u64::try_from(count).unwrap_or(u64::MAX).saturating_add(1);
    let start = bytes.saturating_sub(longest.saturating_mul(MAX_LINE_BYTES));
    file.seek(SeekFrom::Start(start))?;
    let mut reader = BufReader::new(io::Read::take(file, bytes - start));
    if start > 0 {
        reader.skip_until(b'\n')?;
    }
    let mut lines = VecDeque::new();
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        if lines.len() == count {
            lines.pop_front();
        }
        lines.push_back(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
        line.clear();
    }
    Ok(lines)
}

/// Hands every line that is appended from now on to `show`, until it fails.
///
/// # Errors
/// When the audit cannot be read or watched; a failure of `show` is the end and no error.
pub fn follow(path: &Path, mut show: impl FnMut(&str) -> io::Result<()>) -> Result<(), AuditError> {
    let path = snapshot::current_path(path);
    let directory = path.parent().unwrap_or(Path::new(".")).to_owned();
    let unwatched = |errno: rustix::io::Errno| failed("watch", &directory)(errno.into());
    let watched = inotify::init(CreateFlags::CLOEXEC).map_err(unwatched)?;
    let events = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO;
    inotify::add_watch(&watched, &directory, events).map_err(unwatched)?;
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut changes = Reader::new(watched, &mut buffer);
    let mut reading = Following::open(path, SeekFrom::End(0))?;
    loop {
        if !reading.show_new(&mut show)? {
            return Ok(());
        }
        changes.next().map_err(unwatched)?;
    }
}

struct Following {
    path: PathBuf,
    reader: BufReader<File>,
    inode: u64,
    line: Vec<u8>,
}

impl Following {
    fn open(path: PathBuf, from: SeekFrom) -> Result<Self, AuditError> {
        let mut file = File::open(&path).map_err(failed("open", &path))?;
        file.seek(from).map_err(failed("read", &path))?;
        let inode = file.metadata().map_err(failed("look at", &path))?.ino();
        Ok(Self {
            path,
            reader: BufReader::new(file),
            inode,
            line: Vec::new(),
        })
    }

    /// Shows what is new, also in a file that was begun meanwhile. False when nobody looks.
    fn show_new(
        &mut self,
        show: &mut impl FnMut(&str) -> io::Result<()>,
    ) -> Result<bool, AuditError> {
        loop {
            let read = self.reader.read_until(b'\n', &mut self.line);
            let read = read.map_err(failed("read", &self.path))?;
            if read > 0 && self.line.ends_with(b"\n") {
                let shown = show(String::from_utf8_lossy(&self.line).trim_end());
                self.line.clear();
                if shown.is_err() {
                    return Ok(false);
                }
            } else if self.is_followed() {
                *self = Self::open(self.path.clone(), SeekFrom::Start(0))?;
            } else {
                return Ok(true);
            }
        }
    }

    /// Whether another file has taken the name.
    fn is_followed(&self) -> bool {
        self.path
            .metadata()
            .is_ok_and(|metadata| metadata.ino() != self.inode)
    }
}

/// A line for people; one that is no record stays as it is.
pub fn readable(line: &str) -> String {
    let Ok(record) = serde_json::from_str::<Map<String, Value>>(line) else {
        return line.to_owned();
    };
    let plain = |name: &str| match record.get(name) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Null) | None => None,
        Some(other) => Some(other.to_string()),
    };
    let mut words: Vec<String> = [
        "time", "event", "caller", "tool", "decision", "outcome", "code",
    ]
    .into_iter()
    .filter_map(plain)
    .collect();
    words.extend(plain("duration_ms").map(|duration| format!("{duration} ms")));
    let known = [
        "time",
        "event",
        "caller",
        "tool",
        "decision",
        "outcome",
        "code",
        "duration_ms",
        "seq",
        "server",
        "pid",
        "instance",
        "prev",
        "hash",
        "policy",
        "arguments",
    ];
    let others = record
        .iter()
        .filter(|(name, _)| !known.contains(&name.as_str()));
    words.extend(others.map(|(name, value)| format!("{name}={value}")));
    words.extend(record.get("arguments").map(Value::to_string));
    words.join(" ")
}
