//! Who calls, and how the call hears of being cancelled and tells how far it is.

use std::fmt;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

/// What a tool may know about the call it serves.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who is calling.
    pub caller: Caller,
    /// Fires when the caller gave up; the pipeline then drops the tool's future.
    pub cancelled: CancellationToken,
    /// Where to say how far the work is.
    pub progress: Progress,
    /// Bytes that one reply's content may cost on the wire, see [`crate::fit`].
    pub reply_budget: usize,
    /// The trace that it belongs to, if it is known.
    pub trace: Option<TraceIds>,
}

/// A span of a trace, by the numbers that the W3C's Trace Context gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceIds {
    /// Which trace.
    pub trace: u128,
    /// Which span of it.
    pub span: u64,
}

impl Call {
    /// A call by `caller` that nobody watches: 16 MiB of reply, no progress, never cancelled.
    pub fn unwatched(caller: Caller) -> Self {
        Self {
            caller,
            cancelled: CancellationToken::new(),
            progress: Progress::silent(),
            reply_budget: 16 * 1024 * 1024,
            trace: None,
        }
    }
}

/// The party a call is made for: the key of rate limits and of cached replies.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caller(Arc<str>);

impl Caller {
    /// A caller of that name. Names come from configuration or transport, never from a message.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far a long call is.
#[derive(Debug, Clone, PartialEq)]
pub struct ProgressUpdate {
    /// Done so far, in the unit of `total`; grows from update to update.
    pub done: f64,
    /// All there is to do, when known.
    pub total: Option<f64>,
    /// What is being done.
    pub message: String,
}

/// Where a call's progress goes. Cheap to clone; reporting never waits.
#[derive(Clone)]
pub struct Progress(Option<Arc<dyn Fn(ProgressUpdate) + Send + Sync>>);

impl Progress {
    /// Progress that nobody asked for.
    pub const fn silent() -> Self {
        Self(None)
    }

    /// Progress handed to `receive`, which must not block.
    pub fn to(receive: impl Fn(ProgressUpdate) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(receive)))
    }

    /// Says how far the work is.
    pub fn report(&self, done: f64, total: Option<f64>, message: impl Into<String>) {
        if let Some(receive) = &self.0 {
            receive(ProgressUpdate {
                done,
                total,
                message: message.into(),
            });
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Progress(watched)"
        } else {
            "Progress(silent)"
        })
    }
}
