//! How a file of lines ends, also after its writer was ended in the middle of one.

use std::os::fd::OwnedFd;

use rustix::io::Errno;

use crate::chain::{self, Head};
use crate::record::MAX_LINE_BYTES;

/// What is read of a file's end to find its last line.
pub(super) const TAIL_BYTES: u64 = 4 * MAX_LINE_BYTES;

/// What every line starts with.
const LINE_START: &[u8] = b"{\"seq\":";

/// How a file ends.
pub(super) enum Last {
    /// It is empty, or holds only a part of its first line.
    Nothing,
    /// With a line of a chain, and so many bytes of a torn one.
    Line { head: Head, torn: u64 },
    /// With something else.
    Unreadable,
}

/// How `file`, which is `end` bytes long, ends.
pub(super) fn last_line(file: &OwnedFd, end: u64) -> Result<Last, Errno> {
    let start = end.saturating_sub(TAIL_BYTES);
    let mut tail = vec![0; usize::try_from(end - start).unwrap_or(0)];
    let mut read = 0;
    while let Some(rest) = tail.get_mut(read..).filter(|rest| !rest.is_empty()) {
        let at = start.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        match rustix::io::pread(file, rest, at) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    tail.truncate(read);
    let Some(line_end) = tail.iter().rposition(|&byte| byte == b'\n') else {
        // Whatever else stands in the file is not ours to throw away.
        let is_ours = tail.iter().zip(LINE_START).all(|(one, other)| one == other);
        return Ok(if start == 0 && is_ours {
            Last::Nothing
        } else {
            Last::Unreadable
        });
    };
    let torn = u64::try_from(tail.len().saturating_sub(line_end + 1)).unwrap_or(u64::MAX);
    let before = tail.get(..line_end).unwrap_or_default();
    let line = before
        .rsplit(|&byte| byte == b'\n')
        .next()
        .unwrap_or_default();
    Ok(match chain::read(line) {
        Some(found) if found.is_whole => Last::Line {
            head: found.head,
            torn,
        },
        Some(_) | None => Last::Unreadable,
    })
}
