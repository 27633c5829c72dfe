//! Reads a body within its bounds.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, timeout_at};

use crate::error::classify;
use crate::{Completeness, EgressError};

/// Room made at once for a body that announces its length.
const LARGEST_RESERVATION: u64 = 256 * 1024;

/// How much of a body is taken and how slow it may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyBounds {
    /// Decoded bytes.
    pub(crate) max_bytes: u64,
    /// Decoded bytes that each window must bring.
    pub(crate) min_per_window: u64,
    /// The window.
    pub(crate) window: Duration,
}

/// Reads at most `max_bytes`, decoded; a body that brings too little in a window ends in an error.
pub(crate) async fn read(
    response: reqwest::Response,
    bounds: BodyBounds,
) -> Result<(Bytes, Completeness), EgressError> {
    let expected = response.content_length().unwrap_or(0).min(bounds.max_bytes);
    let host = response.url().host_str().unwrap_or_default().to_owned();
    let chunks = response
        .bytes_stream()
        .map(|chunk| chunk.map_err(|error| classify(error, &host)));
    collect(chunks, expected, bounds).await
}

async fn collect(
    chunks: impl Stream<Item = Result<Bytes, EgressError>>,
    expected: u64,
    bounds: BodyBounds,
) -> Result<(Bytes, Completeness), EgressError> {
    let mut chunks = std::pin::pin!(chunks);
    let mut body = BytesMut::with_capacity(length(expected.min(LARGEST_RESERVATION)));
    let limit = length(bounds.max_bytes);
    let mut pace = Pace::new(bounds);
    while let Some(chunk) = pace.next(&mut chunks).await? {
        let room = limit - body.len();
        if chunk.len() > room {
            body.extend_from_slice(chunk.get(..room).unwrap_or_default());
            return Ok((body.freeze(), Completeness::Cut));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((body.freeze(), Completeness::Whole))
}

/// Ends a stream whose windows bring too little.
struct Pace {
    bounds: BodyBounds,
    window_ends: Instant,
    in_window: u64,
}

impl Pace {
    fn new(bounds: BodyBounds) -> Self {
        Self {
            bounds,
            window_ends: Instant::now() + bounds.window,
            in_window: 0,
        }
    }

    async fn next(
        &mut self,
        chunks: &mut (impl Stream<Item = Result<Bytes, EgressError>> + Unpin),
    ) -> Result<Option<Bytes>, EgressError> {
        loop {
            if let Ok(chunk) = timeout_at(self.window_ends, chunks.next()).await {
                let chunk = chunk.transpose()?;
                let arrived = chunk.as_ref().map_or(0, Bytes::len);
                self.in_window += u64::try_from(arrived).unwrap_or(u64::MAX);
                return Ok(chunk);
            }
            if self.in_window < self.bounds.min_per_window {
                return Err(EgressError::TooSlow {
                    received_bytes: self.in_window,
                    window: self.bounds.window,
                });
            }
            self.in_window = 0;
            self.window_ends = Instant::now() + self.bounds.window;
        }
    }
}

fn length(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    const BOUNDS: BodyBounds = BodyBounds {
        max_bytes: 10,
        min_per_window: 5,
        window: Duration::from_secs(10),
    };

    async fn check(chunks: &[(u64, &'static str)], expected: Result<(&str, Completeness), u64>) {
        let chunks = stream::iter(chunks.to_vec()).then(|(after, text)| async move {
            tokio::time::sleep(Duration::from_secs(after)).await;
            Ok(Bytes::from(text))
        });
        let got = match collect(chunks, 0, BOUNDS).await {
            Ok((body, completeness)) => {
                Ok((String::from_utf8(body.to_vec()).unwrap(), completeness))
            }
            Err(EgressError::TooSlow { received_bytes, .. }) => Err(received_bytes),
            Err(other) => panic!("{other}"),
        };
        assert_eq!(got, expected.map(|(text, whole)| (text.to_owned(), whole)));
    }

    #[tokio::test(start_paused = true)]
    async fn takes_a_body_within_its_bounds() {
        check(&[], Ok(("", Completeness::Whole))).await;
        check(
            &[(0, "12345"), (9, "67890")],
            Ok(("1234567890", Completeness::Whole)),
        )
        .await;
        check(
            &[(0, "12345"), (0, "678901")],
            Ok(("1234567890", Completeness::Cut)),
        )
        .await;
        check(
            &[(0, "123456789012")],
            Ok(("1234567890", Completeness::Cut)),
        )
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn ends_a_body_that_drips() {
        check(&[(1, "1"), (1, "2"), (1, "3"), (60, "4")], Err(3)).await;
        check(&[(9, "12345"), (9, "6"), (9, "7")], Err(1)).await;
        check(&[(11, "late")], Err(0)).await;
    }
}
