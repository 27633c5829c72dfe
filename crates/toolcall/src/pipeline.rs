//! One call from its arrival to its answer, top to bottom.

mod cleaning;
mod config;
mod reading;
mod replies;

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use mcp_audit::{Audit, TurnedAway};
use mcp_cache::CacheConfig;
use mcp_metrics::{Admission, CallMeter};
use mcp_ratelimit::{Limiter, RateConfig};
use mcp_security::redaction::Redactor;
use serde_json::{Map, Value};
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::field::display;
use tracing::{Instrument, Span};

use self::replies::Replies;
use crate::catalog::Entry;
use crate::library::Shelf;
use crate::recorded;
use crate::{
    Caching, Call, Caller, Catalog, Change, Code, Library, Policy, Sanitiser, Sanitized, ToolError,
};

pub use self::config::PipelineConfig;
pub use self::reading::Reading;
pub use self::replies::{ReplyCache, reply_cache};

/// The span of a stage in the trace of its call.
macro_rules! stage {
    ($name:literal) => {
        tracing::trace_span!(target: mcp_metrics::SPANS, $name)
    };
}
use stage;

/// Runs calls. The order of its stages is the order of [`Pipeline::call`]'s lines.
#[derive(Debug)]
pub struct Pipeline {
    policy: ArcSwap<Policy>,
    replies: Replies,
    sanitiser: Arc<Sanitiser>,
    audit: Audit,
    slots: Semaphore,
    config: PipelineConfig,
    unknown: CallMeter,
    shelf: Option<Shelf>,
}

/// What is known of an admitted call, whatever it asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Errand<'a> {
    /// What it is recorded as: the name of a tool or of a method.
    pub(crate) name: &'static str,
    /// What it may change.
    pub(crate) change: Change,
    deadline: Duration,
    meter: &'a CallMeter,
    _admitted: &'a Admitted<'a>,
}

/// No tool has the name that was asked for.
#[derive(Debug, thiserror::Error)]
#[error("unknown tool")]
pub struct UnknownTool;

impl Pipeline {
    /// A pipeline under `policy`. `replies` remembers the answers of reading tools.
    pub fn new(
        config: PipelineConfig,
        policy: Policy,
        replies: ReplyCache,
        sanitiser: Sanitiser,
    ) -> Self {
        let slots = Semaphore::new(config.max_in_flight.get().min(Semaphore::MAX_PERMITS));
        let replies = Replies::new(replies, &policy.catalog);
        Self {
            policy: ArcSwap::from_pointee(policy),
            replies,
            sanitiser: Arc::new(sanitiser),
            audit: Audit::off(),
            slots,
            config,
            unknown: CallMeter::new("unknown"),
            shelf: None,
        }
    }

    /// The same, with something to read beside its tools.
    #[must_use]
    pub fn with_library(self, library: impl Library) -> Self {
        Self {
            shelf: Some(Shelf::of(library)),
            ..self
        }
    }

    /// A pipeline over these tools with every setting at its default and no secrets to hide: for
    /// examples and tests.
    pub fn with_defaults(catalog: Catalog) -> Self {
        let policy = Policy {
            version: "defaults".into(),
            catalog,
            limiter: Arc::new(Limiter::build(&RateConfig::default())),
        };
        let replies = reply_cache(&CacheConfig::default());
        let sanitiser = Sanitiser::new(Redactor::default(), 1024 * 1024);
        Self::new(PipelineConfig::default(), policy, replies, sanitiser)
    }

    /// The same, with every call recorded.
    #[must_use]
    pub fn recorded_by(self, audit: Audit) -> Self {
        audit.policy(&self.policy().version);
        Self { audit, ..self }
    }

    /// The policy in force.
    pub fn policy(&self) -> Arc<Policy> {
        self.policy.load_full()
    }

    /// Puts another policy over the same tools in force, for the calls that start from now on.
    pub fn replace(&self, policy: Policy) {
        self.audit.policy(&policy.version);
        self.policy.store(Arc::new(policy));
    }

    /// Answers one call.
    pub async fn call(
        &self,
        name: &str,
        arguments: Map<String, Value>,
        call: &Call,
    ) -> Result<Result<Arc<Sanitized>, ToolError>, UnknownTool> {
        let policy = self.policy.load_full();
        let admitted = match self.admit(&policy.limiter, &call.caller) {
            Ok(admitted) => admitted,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let Some(tool) = stage!("find").in_scope(|| policy.catalog.find(name)) else {
            self.unknown.start().finish("unknown_tool");
            recorded::unknown_tool(&self.audit, call).await;
            return Err(UnknownTool);
        };
        let errand = Errand {
            name: tool.spec().name,
            change: tool.spec().effects.change,
            deadline: tool.spec().deadline,
            meter: tool.meter(),
            _admitted: &admitted,
        };
        let run = |arguments| self.vet_and_run((&policy.version, tool), arguments, call);
        Ok(self.attend(errand, arguments, call, run).await)
    }

    /// What there is to read, each reading a call; `None` when the server has tools only.
    pub fn library(&self) -> Option<Reading<'_>> {
        let found = self.shelf.as_ref()?;
        Some(Reading::new(self, found))
    }

    fn admit(&self, limiter: &Limiter, caller: &Caller) -> Result<Admitted<'_>, ToolError> {
        let _stage = stage!("admit").entered();
        limiter.check(caller.as_str()).map_err(|refused| {
            mcp_metrics::admission(Admission::RateLimited);
            self.audit.turned_away(TurnedAway::RateLimited);
            ToolError::new(Code::RateLimited, refused.to_string())
                .with_limit(u64::from(refused.limit))
                .with_retry_after(refused.retry_after)
                .with_hint("wait retry_after_ms, or raise rate.requests in the configuration")
        })?;
        let Ok(slot) = self.slots.try_acquire() else {
            mcp_metrics::admission(Admission::Saturated);
            self.audit.turned_away(TurnedAway::Saturated);
            return Err(
                ToolError::new(Code::Unavailable, "too many calls are in progress")
                    .with_limit(u64::try_from(self.config.max_in_flight.get()).unwrap_or(u64::MAX))
                    .with_retry_after(Duration::from_millis(250)),
            );
        };
        mcp_metrics::admission(Admission::Admitted);
        Ok(Admitted { _slot: slot })
    }

    /// Measures and records an admitted call, and runs it when it can be recorded.
    async fn attend<T, W>(
        &self,
        errand: Errand<'_>,
        arguments: Map<String, Value>,
        call: &Call,
        run: impl FnOnce(Map<String, Value>) -> W,
    ) -> Result<T, ToolError>
    where
        W: Future<Output = Result<T, ToolError>>,
    {
        let timer = errand.meter.start();
        let span = span(errand.name, call);
        let redactor = self.sanitiser.redactor();
        let (arguments, record) =
            recorded::begin(&self.audit, redactor, &errand, arguments, call).await;
        let outcome = match record.admit().instrument(stage!("reserve")).await {
            Ok(()) => {
                let work = std::pin::pin!(run(arguments));
                let answer = self.answer(errand, work, call);
                answer.instrument(span).await
            }
            Err(unrecordable) => Err(recorded::refusal(&unrecordable)),
        };
        timer.finish(
            outcome
                .as_ref()
                .map_or_else(|error| error.code().as_str(), |_| ""),
        );
        let finished = record.finish(recorded::ended(outcome.as_ref().err()));
        finished.instrument(stage!("record")).await;
        outcome
    }

    /// Runs a call under its deadline; a panic or a cancellation is an answer too.
    async fn answer<T>(
        &self,
        errand: Errand<'_>,
        work: Pin<&mut impl Future<Output = Result<T, ToolError>>>,
        call: &Call,
    ) -> Result<T, ToolError> {
        let deadline = errand.deadline.min(self.config.max_deadline);
        let work = AssertUnwindSafe(work).catch_unwind();
        let outcome = tokio::select! {
            biased;
            () = call.cancelled.cancelled() => Err(cancelled()),
            finished = tokio::time::timeout(deadline, work) => match finished {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_panic)) => Err(panicked()),
                Err(_elapsed) => Err(timed_out(deadline)),
            },
        };
        outcome.map_err(|error| {
            if error.code().is_denial() {
                mcp_metrics::security_block(error.code().as_str());
            }
            log(&error);
            self.sanitiser.clean_error(error)
        })
    }

    async fn vet_and_run(
        &self,
        (policy, tool): (&str, &Entry),
        mut arguments: Map<String, Value>,
        call: &Call,
    ) -> Result<Arc<Sanitized>, ToolError> {
        let spec = tool.spec();
        let key = match spec.caching {
            Caching::Reads { topic, .. } => {
                arguments.sort_keys();
                arguments.values_mut().for_each(Value::sort_all_objects);
                let key = self.replies.key(spec.name, topic, &arguments, &call.caller);
                // What one policy let a reply show, another may not.
                Some(format!("{policy}\n{key}"))
            }
            Caching::None | Caching::Writes { .. } => None,
        };
        let vet = tool.vet(arguments, call).instrument(stage!("vet"));
        let vetted = vet.await?;
        let run = async {
            let reply = vetted.run().instrument(stage!("run")).await?;
            let clean = self.clean(reply).instrument(stage!("sanitise"));
            clean.await.map(Arc::new)
        };
        match (spec.caching, key) {
            (Caching::Reads { ttl, .. }, Some(key)) => {
                // Boxed, because this future is large and most calls do not need it.
                let asked = self.replies.cache.get_or_run(key, ttl, run);
                Box::pin(asked.instrument(stage!("cache"))).await
            }
            (Caching::Writes { topic }, _) => {
                let _forget = self.replies.forget_on_drop(topic);
                run.await
            }
            (Caching::None | Caching::Reads { .. }, _) => run.await,
        }
    }
}

/// Proof that the limiter let a call in; holds its place among the calls in progress.
#[derive(Debug)]
struct Admitted<'a> {
    _slot: SemaphorePermit<'a>,
}

/// What log lines of a call are written under, those of the level `error` too.
fn span(name: &'static str, call: &Call) -> Span {
    let caller = &call.caller;
    let trace_id = call.trace.map(|ids| display(Hex::<32>(ids.trace)));
    let span_id = call.trace.map(|ids| display(Hex::<16>(ids.span.into())));
    tracing::error_span!("call", tool = name, %caller, trace_id, span_id)
}

/// A number in that many digits.
struct Hex<const DIGITS: usize>(u128);

impl<const DIGITS: usize> fmt::Display for Hex<DIGITS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0DIGITS$x}", self.0)
    }
}

fn cancelled() -> ToolError {
    ToolError::new(Code::Cancelled, "the call was cancelled")
}

fn panicked() -> ToolError {
    ToolError::new(
        Code::Internal,
        "the tool failed in a way it should not; the server goes on",
    )
    .with_hint("the server's log has the details")
}

fn timed_out(deadline: Duration) -> ToolError {
    ToolError::new(
        Code::TimedOut,
        format!("the call did not end within {deadline:?}"),
    )
    .with_limit(deadline.as_secs())
    .with_hint("ask for less at once")
}

/// The one place where a failed call is logged.
fn log(error: &ToolError) {
    let cause = error.cause().map(display);
    if error.code() == Code::Internal {
        tracing::error!(code = error.code().as_str(), cause, "call failed");
    } else {
        tracing::debug!(code = error.code().as_str(), cause, "call refused");
    }
}

#[cfg(test)]
mod tests;
