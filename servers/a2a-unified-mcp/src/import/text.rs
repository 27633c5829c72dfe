//! Text files of other programs, read with a bound.
#![expect(
    clippy::disallowed_methods,
    reason = "opens the file that the operator named, to read it"
)]

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{ImportError, time};
use crate::knowledge::Timestamp;

/// The longest line, in bytes; what is longer cannot fit into an entry.
pub(super) const LONGEST_LINE: u64 = 16 << 20;
/// Some editors put it at the beginning (U+FEFF).
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A file of lines.
pub(super) struct Text {
    file: BufReader<File>,
    line: u64,
    stamp: (u64, SystemTime),
}

/// A line and its number, from 1; `None` in place of one that is too long.
pub(super) type Line = (u64, Option<Vec<u8>>);

impl Text {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let stamp = stamp(&file)?;
        if !file.metadata()?.is_file() {
            let text = "it is not a regular file";
            return Err(io::Error::new(ErrorKind::InvalidInput, text));
        }
        Ok(Self {
            file: BufReader::new(file),
            line: 0,
            stamp,
        })
    }

    /// When it was last written.
    pub(super) fn modified(&self) -> Option<Timestamp> {
        let since = self.stamp.1.duration_since(UNIX_EPOCH).ok()?;
        Some(time(i64::try_from(since.as_millis()).ok()?))
    }

    /// Begins again.
    pub(super) fn rewind(&mut self) -> io::Result<()> {
        self.line = 0;
        self.file.rewind()
    }

    /// The next line that is not blank.
    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let mut line = Vec::new();
            let bound = LONGEST_LINE + 1;
            let mut bounded = (&mut self.file).take(bound);
            if bounded.read_until(b'\n', &mut line)? == 0 {
                return Ok(None);
            }
            self.line += 1;
            if bounded.limit() == 0 && !line.ends_with(b"\n") {
                self.file.skip_until(b'\n')?;
                return Ok(Some((self.line, None)));
            }
            if self.line == 1 && line.starts_with(BYTE_ORDER_MARK) {
                line.drain(..BYTE_ORDER_MARK.len());
            }
            if !line.iter().all(u8::is_ascii_whitespace) {
                return Ok(Some((self.line, Some(line))));
            }
        }
    }

    /// The beginning of the file, as many bytes as fit.
    pub(super) fn beginning(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut read = 0;
        while let Some(rest) = buffer.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match self.file.read(rest)? {
                0 => break,
                more => read += more,
            }
        }
        self.rewind()?;
        Ok(read)
    }

    /// All of it, when it has at most `most` bytes.
    pub(super) fn whole(&mut self, most: u64) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        (&mut self.file).take(most + 1).read_to_end(&mut text)?;
        if u64::try_from(text.len()).is_ok_and(|length| length > most) {
            let text = format!("it has more than {most} bytes");
            return Err(io::Error::new(ErrorKind::FileTooLarge, text));
        }
        Ok(text)
    }

    /// Fails when another process has written to it since it was opened.
    pub(super) fn ensure_unchanged(&self) -> Result<(), ImportError> {
        if stamp(self.file.get_ref())? == self.stamp {
            Ok(())
        } else {
            Err(ImportError::Changed)
        }
    }
}

fn stamp(file: &File) -> io::Result<(u64, SystemTime)> {
    let metadata = file.metadata()?;
    Ok((metadata.len(), metadata.modified()?))
}
