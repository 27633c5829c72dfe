//! What a command prints, read all the time and kept within bounds.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::capture::{Capture, Captured};

/// Bytes read from a pipe at once; what a pipe holds (pipe(7)).
const PIECE_BYTES: usize = 64 * 1024;

/// What a command has written so far.
#[derive(Debug, Clone)]
pub(super) struct Streams {
    pub(super) stdout: Stream,
    pub(super) stderr: Stream,
}

impl Streams {
    pub(super) fn with_cap(cap: usize) -> Self {
        Self {
            stdout: Stream::with_cap(cap),
            stderr: Stream::with_cap(cap),
        }
    }

    /// Bytes seen on both.
    pub(super) fn seen(&self) -> u64 {
        self.stdout
            .lock()
            .seen()
            .saturating_add(self.stderr.lock().seen())
    }
}

/// One stream. Clones share what was read.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    capture: Arc<Mutex<Capture>>,
    cap: usize,
}

impl Stream {
    fn with_cap(cap: usize) -> Self {
        Self {
            capture: Arc::new(Mutex::new(Capture::new(cap))),
            cap,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Capture> {
        self.capture.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads to the end, so that the command never waits for us.
    pub(super) async fn read_all(self, mut pipe: impl AsyncRead + Unpin) {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        // An error ends the stream as its end does: the command's own status tells the rest.
        while let Ok(1..) = pipe.read_buf(&mut piece).await {
            self.lock().push(&piece);
            piece.clear();
        }
    }

    /// What was kept.
    pub(super) fn take(&self) -> Captured {
        std::mem::replace(&mut *self.lock(), Capture::new(self.cap)).finish()
    }
}
