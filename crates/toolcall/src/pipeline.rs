//! One call from its arrival to its answer, top to bottom.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use mcp_audit::{Audit, TurnedAway};
use mcp_cache::{Cache, CacheConfig};
use mcp_metrics::{Admission, CallMeter};
use mcp_ratelimit::Limiter;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::Instrument;

use crate::catalog::Entry;
use crate::recorded;
use crate::{Caching, Call, Caller, Catalog, Code, Policy, Sanitiser, Sanitized, ToolError, Topic};

/// Bounds of the pipeline as a whole.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PipelineConfig {
    /// Calls in progress at once, of all callers; more are refused with `unavailable`.
    /// Default 256.
    pub max_in_flight: NonZeroUsize,
    /// Longest time a call may run whatever the tool allows, e.g. "15m". Default 15 minutes.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub max_deadline: Duration,
}

impl Default for PipelineConfig {
    fn default() -> Self {
        Self {
            max_in_flight: const { NonZeroUsize::new(256).unwrap() },
            max_deadline: Duration::from_mins(15),
        }
    }
}

/// Replies with so much text are cleaned on a thread of their own.
const LARGE_BYTES: usize = 512 * 1024;

/// Replies of reading tools, by tool, topic generation, arguments and caller.
pub type ReplyCache = Cache<String, Arc<Sanitized>>;

/// An empty cache of replies.
pub fn reply_cache(config: &CacheConfig) -> ReplyCache {
    Cache::build("replies", config, |reply: &Arc<Sanitized>| reply.weight())
}

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
        let replies = Replies {
            cache: replies,
            generations: Generations::of(&policy.catalog),
        };
        Self {
            policy: ArcSwap::from_pointee(policy),
            replies,
            sanitiser: Arc::new(sanitiser),
            audit: Audit::off(),
            slots,
            config,
            unknown: CallMeter::new("unknown"),
        }
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
        let Some(tool) = policy.catalog.find(name) else {
            self.unknown.start().finish("unknown_tool");
            recorded::unknown_tool(&self.audit, call).await;
            return Err(UnknownTool);
        };
        let timer = tool.meter().start();
        let span = tracing::info_span!("call", tool = tool.spec().name, caller = %call.caller);
        let redactor = self.sanitiser.redactor();
        let (arguments, record) =
            recorded::begin(&self.audit, redactor, tool.spec(), arguments, call).await;
        let outcome = match record.admit().await {
            Ok(()) => {
                let answer = self.answer(&admitted, (&policy.version, tool), arguments, call);
                answer.instrument(span).await
            }
            Err(unrecordable) => Err(recorded::refusal(&unrecordable)),
        };
        timer.finish(
            outcome
                .as_ref()
                .map_or_else(|error| error.code().as_str(), |_| ""),
        );
        record.finish(recorded::ended(outcome.as_ref().err())).await;
        Ok(outcome)
    }

    fn admit(&self, limiter: &Limiter, caller: &Caller) -> Result<Admitted<'_>, ToolError> {
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

    /// Runs an admitted call under its deadline; a panic or a cancellation is an answer too.
    async fn answer(
        &self,
        _: &Admitted<'_>,
        (policy, tool): (&str, &Entry),
        arguments: Map<String, Value>,
        call: &Call,
    ) -> Result<Arc<Sanitized>, ToolError> {
        let deadline = tool.spec().deadline.min(self.config.max_deadline);
        let work =
            AssertUnwindSafe(self.vet_and_run((policy, tool), arguments, call)).catch_unwind();
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
        let vetted = tool.vet(arguments, call).await?;
        let run = async { self.clean(vetted.run().await?).await.map(Arc::new) };
        match (spec.caching, key) {
            (Caching::Reads { ttl, .. }, Some(key)) => {
                // Boxed, because this future is large and most calls do not need it.
                Box::pin(self.replies.cache.get_or_run(key, ttl, run)).await
            }
            (Caching::Writes { topic }, _) => {
                let _forget = self.replies.forget_on_drop(topic);
                run.await
            }
            (Caching::None | Caching::Reads { .. }, _) => run.await,
        }
    }

    /// Cleans a reply; a large one on a thread of its own, because other calls would wait for it.
    async fn clean(&self, reply: Value) -> Result<Sanitized, ToolError> {
        if !is_large(&reply) {
            return self.sanitiser.clean(reply);
        }
        let sanitiser = Arc::clone(&self.sanitiser);
        let cleaning = tokio::task::spawn_blocking(move || sanitiser.clean(reply));
        cleaning.await.unwrap_or_else(|_panic| Err(panicked()))
    }
}

/// Whether the texts of a reply take [`LARGE_BYTES`] together.
fn is_large(reply: &Value) -> bool {
    fn add(value: &Value, sum: &mut usize) {
        match value {
            Value::String(text) => *sum += text.len(),
            Value::Array(items) => items.iter().for_each(|item| add(item, sum)),
            Value::Object(fields) => fields.values().for_each(|field| add(field, sum)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut sum = 0;
    add(reply, &mut sum);
    sum >= LARGE_BYTES
}

/// Proof that the limiter let a call in; holds its place among the calls in progress.
#[derive(Debug)]
struct Admitted<'a> {
    _slot: SemaphorePermit<'a>,
}

#[derive(Debug)]
struct Replies {
    cache: ReplyCache,
    generations: Generations,
}

impl Replies {
    fn key(
        &self,
        tool: &str,
        topic: Topic,
        arguments: &Map<String, Value>,
        caller: &Caller,
    ) -> String {
        let generation = self.generations.current(topic);
        let arguments = serde_json::to_string(arguments).unwrap_or_default();
        format!("{tool}\n{caller}\n{generation}\n{arguments}")
    }

    fn forget_on_drop(&self, topic: Topic) -> impl Drop {
        ForgetOnDrop {
            generations: &self.generations,
            topic,
        }
    }
}

/// How often each topic was written to.
#[derive(Debug)]
struct Generations(HashMap<Topic, AtomicU64>);

impl Generations {
    fn of(catalog: &Catalog) -> Self {
        let topics = catalog.iter().filter_map(|tool| match tool.spec().caching {
            Caching::Reads { topic, .. } | Caching::Writes { topic } => Some(topic),
            Caching::None => None,
        });
        Self(topics.map(|topic| (topic, AtomicU64::new(0))).collect())
    }

    fn current(&self, topic: Topic) -> u64 {
        self.0
            .get(&topic)
            .map_or(0, |generation| generation.load(Ordering::Acquire))
    }

    fn bump(&self, topic: Topic) {
        if let Some(generation) = self.0.get(&topic) {
            generation.fetch_add(1, Ordering::AcqRel);
        }
    }
}

/// Forgets a topic's replies when a write ends, also one that fails or is cancelled half way.
struct ForgetOnDrop<'a> {
    generations: &'a Generations,
    topic: Topic,
}

impl Drop for ForgetOnDrop<'_> {
    fn drop(&mut self) {
        self.generations.bump(self.topic);
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
    let cause = error.cause().map(tracing::field::display);
    if error.code() == Code::Internal {
        tracing::error!(code = error.code().as_str(), cause, "call failed");
    } else {
        tracing::debug!(code = error.code().as_str(), cause, "call refused");
    }
}

#[cfg(test)]
mod tests;
