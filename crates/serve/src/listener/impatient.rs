//! A connection that ends when its client does not read what is sent to it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// What a client must take within the limit, in bytes, unless it is all that there is.
const LEAST_TAKEN: usize = 256 * 1024;

/// A stream whose writes fail once they have waited too long. Nothing is timed, and nothing wakes,
/// while there is nothing to write.
#[derive(Debug)]
pub(super) struct Impatient<S> {
    stream: S,
    limit: Duration,
    /// While something waits to be written: until when, and how much was taken meanwhile.
    waiting: Option<(Pin<Box<Sleep>>, usize)>,
}

impl<S: AsyncWrite + Unpin> Impatient<S> {
    pub(super) fn new(stream: S, limit: Duration) -> Self {
        Self {
            stream,
            limit,
            waiting: None,
        }
    }

    fn write(
        &mut self,
        context: &mut Context<'_>,
        wanted: usize,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match write(Pin::new(&mut self.stream), context) {
            Poll::Ready(Ok(written)) => {
                self.took(written, wanted);
                Poll::Ready(Ok(written))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.wait(context).map(Err),
        }
    }

    fn took(&mut self, written: usize, wanted: usize) {
        if let Some((_, taken)) = &mut self.waiting {
            *taken = taken.saturating_add(written);
            if written == wanted || *taken >= LEAST_TAKEN {
                self.waiting = None;
            }
        }
    }

    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let limit = self.limit;
        let (deadline, _) = self
            .waiting
            .get_or_insert_with(|| (Box::pin(sleep(limit)), 0));
        let too_slow = || io::Error::new(io::ErrorKind::TimedOut, "the client does not read");
        deadline.as_mut().poll(context).map(|()| too_slow())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write =
            |stream: Pin<&mut S>, context: &mut Context<'_>| stream.poll_write(context, bytes);
        self.write(context, bytes.len(), write)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wanted = slices.iter().map(|slice| slice.len()).sum();
        let write = |stream: Pin<&mut S>, context: &mut Context<'_>| {
            stream.poll_write_vectored(context, slices)
        };
        self.write(context, wanted, write)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    /// Writes a mebibyte to a client that reads `bytes` every `pause`.
    async fn write_to(bytes: usize, pause: Duration) -> Result<(), io::ErrorKind> {
        let (near, mut far) = duplex(1024);
        let mut near = Impatient::new(near, LIMIT);
        let client = async {
            let mut buffer = vec![0; bytes];
            loop {
                sleep(pause).await;
                if far.read_exact(&mut buffer).await.is_err() {
                    break;
                }
            }
        };
        let message = vec![0; 1024 * 1024];
        tokio::select! {
            written = near.write_all(&message) => written.map_err(|error| error.kind()),
            () = client => Ok(()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn ends_a_write_that_the_client_does_not_take() {
        let late = Err(io::ErrorKind::TimedOut);
        assert_eq!(write_to(1, Duration::from_secs(100)).await, late);
        assert_eq!(write_to(1024, Duration::from_secs(10)).await, late);
        assert_eq!(write_to(1024, Duration::from_millis(10)).await, Ok(()));
        assert_eq!(write_to(300 * 1024, Duration::from_secs(20)).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_between_writes_is_no_wait() {
        let (near, mut far) = duplex(1024);
        let mut near = Impatient::new(near, LIMIT);
        for _ in 0..3 {
            near.write_all(b"event").await.unwrap();
            far.read_exact(&mut [0; 5]).await.unwrap();
            sleep(LIMIT * 2).await;
        }
    }
}
