//! A fetched page, and the threads that pages are worked on.
//!
//! Hostile HTML can cost far more than its size: misnested formatting tags multiply elements, deep
//! nesting overflows stacks, selectors can be quadratic. So a page is worked on by a thread with
//! its own large stack, its tree is bounded while it grows, and the caller waits no
//! longer than a deadline.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, oneshot};

/// Stack of a parser thread; rendering recurses once or twice for each level of the tree.
const STACK: usize = 32 * 1024 * 1024;
/// Time for parsing and rendering one page.
pub(super) const LIMIT: Duration = Duration::from_secs(10);

/// A page as it was fetched: its text, and what its response said.
#[derive(Debug)]
pub struct Page {
    /// The URL that answered, after redirects.
    pub(super) url: String,
    /// The status code.
    pub(super) status: u16,
    /// The decoded text.
    pub(super) text: String,
    /// Whether the text is markup.
    pub(super) markup: Markup,
    /// Whether the page was longer than what is kept.
    pub(super) cut: bool,
}

/// What the text of a page is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Markup {
    /// HTML.
    Html,
    /// Anything else: shown as it is.
    None,
}

impl Page {
    /// Bytes it takes in a cache.
    pub(super) fn weight(&self) -> usize {
        self.text.len() + self.url.len() + size_of::<Self>()
    }
}

/// A page cannot be worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum PageError {
    /// Too many elements or attributes.
    #[error("the page has more than {limit} elements and attributes")]
    TooLarge {
        /// The most elements and attributes.
        limit: u32,
    },
    /// Too deeply nested.
    #[error("the page nests elements deeper than {limit} levels")]
    TooDeep {
        /// The deepest level.
        limit: usize,
    },
    /// Its text would take too long to escape.
    #[error("the page has text that takes too long to write as HTML; ask for the format text")]
    TooCostly,
    /// Too much work.
    #[error("the page took longer than {} s to work on", limit.as_secs())]
    TimedOut {
        /// The time it had.
        limit: Duration,
    },
    /// The parser failed, or no thread could be had.
    #[error("the page could not be parsed")]
    Failed,
}

/// Runs work on pages. Clones share the bound on threads.
#[derive(Debug, Clone)]
pub(super) struct Parsers(Arc<Semaphore>);

/// When work must end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Until(Instant);

impl Until {
    /// An error when the time is over.
    pub(super) fn check(self) -> Result<(), PageError> {
        if Instant::now() < self.0 {
            Ok(())
        } else {
            Err(PageError::TimedOut { limit: LIMIT })
        }
    }
}

impl Parsers {
    /// At most `threads` pages are worked on at once.
    pub(super) fn new(threads: usize) -> Self {
        Self(Arc::new(Semaphore::new(threads)))
    }

    /// Runs `work` on a thread with a large stack. A caller who leaves does not stop it, but its
    /// deadline does, and until then it keeps its place, so such threads are never many.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(Until) -> Result<T, PageError> + Send + 'static,
    ) -> Result<T, PageError> {
        let answer = async {
            let place = self
                .0
                .clone()
                .acquire_owned()
                .await
                .map_err(|_| PageError::Failed)?;
            let (sender, receiver) = oneshot::channel();
            let body = move || {
                let until = Until(Instant::now() + LIMIT);
                let result = catch_unwind(AssertUnwindSafe(|| work(until)));
                drop(sender.send(result.unwrap_or_else(|panic| {
                    Err(panic.downcast_ref().copied().unwrap_or(PageError::Failed))
                })));
                drop(place);
            };
            let thread = thread::Builder::new()
                .name("page".to_owned())
                .stack_size(STACK);
            thread.spawn(body).map_err(|_| PageError::Failed)?;
            receiver.await.map_err(|_| PageError::Failed)?
        };
        let timed_out = PageError::TimedOut { limit: LIMIT };
        tokio::time::timeout(LIMIT, answer)
            .await
            .unwrap_or(Err(timed_out))
    }
}
