//! Standard error for the log, without ever waiting for whoever reads it.
//!
//! A client may start the server with a pipe as standard error and never read it. When the pipe is
//! full, an ordinary write would hold the only thread, and with it every call; here the line is
//! dropped and counted instead, and the next line that fits says how many are missing.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// A pipe that is ready takes so much without waiting (`PIPE_BUF`, pipe(7)).
const PIECE_BYTES: usize = 4096;

/// Lines that were dropped since the last one that was written.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Writes to standard error what fits now; the rest of a write is dropped with its line.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stderr;

impl Write for Stderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let missing = DROPPED.swap(0, Ordering::Relaxed);
        let notice = format!("({missing} lines of the log were dropped)\n");
        if missing > 0 && !put(notice.as_bytes()) {
            DROPPED.fetch_add(missing + 1, Ordering::Relaxed);
        } else if !put(line) {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether all of it was written.
fn put(text: &[u8]) -> bool {
    let stderr = rustix::stdio::stderr();
    text.chunks(PIECE_BYTES)
        .all(|piece| is_ready(stderr) && rustix::io::write(stderr, piece).is_ok())
}

fn is_ready(stderr: rustix::fd::BorrowedFd<'_>) -> bool {
    let mut descriptors = [PollFd::from_borrowed_fd(stderr, PollFlags::OUT)];
    let now = Timespec::try_from(Duration::ZERO).unwrap_or_default();
    let ready = poll(&mut descriptors, Some(&now));
    ready.is_ok_and(|count| count > 0)
        && descriptors
            .iter()
            .all(|descriptor| descriptor.revents().contains(PollFlags::OUT))
}
