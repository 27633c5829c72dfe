//! Counts what a command's connection moves, and ends it when it moved too much or nothing.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

/// Bytes that one command may move, both ways and over all its connections.
#[derive(Debug)]
pub(super) struct Allowance {
    limit: u64,
    spent: AtomicU64,
}

impl Allowance {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            limit,
            spent: AtomicU64::new(0),
        }
    }

    /// The limit, once it is reached.
    pub(super) fn exhausted(&self) -> Option<u64> {
        (self.spent.load(Ordering::Relaxed) >= self.limit).then_some(self.limit)
    }

    fn spend(&self, bytes: u64) -> io::Result<()> {
        let spent = self.spent.fetch_add(bytes, Ordering::Relaxed);
        if spent.saturating_add(bytes) > self.limit {
            return Err(io::Error::other("the command moved all the bytes it may"));
        }
        Ok(())
    }
}

/// What one connection moved, and when it last did.
#[derive(Debug)]
pub(super) struct Meter {
    allowance: Arc<Allowance>,
    received: AtomicU64,
    moved_at: Mutex<Instant>,
}

impl Meter {
    pub(super) fn new(allowance: Arc<Allowance>) -> Self {
        Self {
            allowance,
            received: AtomicU64::new(0),
            moved_at: Mutex::new(Instant::now()),
        }
    }

    /// Ends when nothing moved for `limit`.
    pub(super) async fn idle(&self, limit: Duration) {
        loop {
            let deadline = *self.lock() + limit;
            if deadline <= Instant::now() {
                return;
            }
            sleep_until(deadline).await;
        }
    }

    fn moved(&self, bytes: usize) -> io::Result<()> {
        *self.lock() = Instant::now();
        self.allowance
            .spend(u64::try_from(bytes).unwrap_or(u64::MAX))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.moved_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        mcp_metrics::egress_received(*self.received.get_mut());
    }
}

/// A connection to another machine under a [`Meter`].
#[derive(Debug)]
pub(super) struct Metered {
    pub(super) stream: TcpStream,
    pub(super) meter: Arc<Meter>,
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let arrived = buffer.filled().len() - before;
        let received = u64::try_from(arrived).unwrap_or(u64::MAX);
        self.meter.received.fetch_add(received, Ordering::Relaxed);
        Poll::Ready(self.meter.moved(arrived))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        Poll::Ready(self.meter.moved(written).map(|()| written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn is_idle_once_nothing_moved_for_long_enough() {
        let meter = Meter::new(Arc::new(Allowance::new(100)));
        let started = Instant::now();
        let moving = async {
            tokio::time::sleep(Duration::from_secs(50)).await;
            meter.moved(1).unwrap();
        };
        tokio::join!(moving, meter.idle(Duration::from_mins(1)));
        assert_eq!(started.elapsed().as_secs(), 110);
    }

    #[test]
    fn an_allowance_is_for_all_connections_together() {
        let allowance = Arc::new(Allowance::new(10));
        let spend = |bytes| {
            tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap()
                .block_on(async { Meter::new(Arc::clone(&allowance)).moved(bytes).is_ok() })
        };
        assert_eq!([spend(6), spend(4), spend(1)], [true, true, false]);
        assert_eq!(allowance.exhausted(), Some(10));
    }
}
