//! What the other crates call to have something measured.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use crate::names;
use crate::recorder::{self, installed};

/// What became of a call on arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It was let in.
    Admitted,
    /// Its caller was over its rate.
    RateLimited,
    /// Too many calls were in progress.
    Saturated,
}

/// Counts a call's arrival.
pub fn admission(decision: Admission) {
    static ADMITTED: OnceLock<Counter> = OnceLock::new();
    match decision {
        Admission::Admitted => ADMITTED.get_or_init(|| arrivals("admitted")).increment(1),
        Admission::RateLimited => arrivals("rate_limited").increment(1),
        Admission::Saturated => arrivals("saturated").increment(1),
    }
}

fn arrivals(decision: &'static str) -> Counter {
    installed();
    counter!(names::ADMISSIONS, "decision" => decision)
}

/// Counts a call that the policy refused. `reason` is one of a closed set of codes.
pub fn security_block(reason: &'static str) {
    installed();
    counter!(names::SECURITY_BLOCKS, "reason" => reason).increment(1);
}

/// What became of a configuration that was looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// It is in force.
    Applied,
    /// It is the one in force.
    Unchanged,
    /// It cannot be used; the one before is in force.
    Refused,
}

/// Counts a look at the configuration.
pub fn policy_reload(outcome: Reload) {
    installed();
    let label = match outcome {
        Reload::Applied => "applied",
        Reload::Unchanged => "unchanged",
        Reload::Refused => "refused",
    };
    counter!(names::POLICY_RELOADS, "outcome" => label).increment(1);
    let is_stale = outcome == Reload::Refused;
    gauge!(names::POLICY_STALE).set(f64::from(u8::from(is_stale)));
}

/// Times the calls of one tool or method.
#[derive(Debug)]
pub struct CallMeter {
    method: &'static str,
    tool: &'static str,
    successes: OnceLock<Histogram>,
}

impl CallMeter {
    /// A meter for the tool of that name, which is one of the catalogue or "unknown".
    pub const fn new(tool: &'static str) -> Self {
        Self {
            method: "tools/call",
            tool,
            successes: OnceLock::new(),
        }
    }

    /// A meter for a method of the protocol that calls no tool.
    pub const fn of_method(method: &'static str) -> Self {
        Self {
            method,
            tool: "",
            successes: OnceLock::new(),
        }
    }

    /// The method that is timed.
    pub const fn method(&self) -> &'static str {
        self.method
    }

    /// Starts the clock for one call.
    pub fn start(&self) -> CallTimer<'_> {
        in_flight().increment(1);
        CallTimer {
            meter: self,
            started: Instant::now(),
            error: "cancelled",
        }
    }

    fn record(&self, error: &'static str, seconds: f64) {
        if error.is_empty() {
            self.successes
                .get_or_init(|| self.durations(""))
                .record(seconds);
        } else {
            self.durations(error).record(seconds);
        }
    }

    fn durations(&self, error: &'static str) -> Histogram {
        installed();
        histogram!(
            names::CALL_DURATION,
            "mcp_method_name" => self.method,
            "gen_ai_tool_name" => self.tool,
            "error_type" => error,
        )
    }
}

fn in_flight() -> &'static Gauge {
    static IN_FLIGHT: OnceLock<Gauge> = OnceLock::new();
    IN_FLIGHT.get_or_init(|| {
        installed();
        gauge!(names::CALLS_IN_FLIGHT)
    })
}

/// Times one call. A call that is dropped before it is finished counts as cancelled.
#[derive(Debug)]
pub struct CallTimer<'a> {
    meter: &'a CallMeter,
    started: Instant,
    error: &'static str,
}

impl CallTimer<'_> {
    /// Stops the clock. `error` is the error code, empty on success.
    pub fn finish(mut self, error: &'static str) {
        self.error = error;
    }
}

impl Drop for CallTimer<'_> {
    fn drop(&mut self) {
        self.meter
            .record(self.error, self.started.elapsed().as_secs_f64());
        in_flight().decrement(1);
        recorder::observed();
    }
}

/// Whether a cache had what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheLookup {
    /// It had.
    Hit,
    /// It had not.
    Miss,
}

/// Counts one cache's lookups. Clones count together.
#[derive(Debug, Clone)]
pub struct CacheCounter {
    cache: &'static str,
    hits: Arc<AtomicU64>,
    misses: Arc<AtomicU64>,
}

impl CacheCounter {
    /// A counter for the cache of that name.
    pub fn new(cache: &'static str) -> Self {
        Self {
            cache,
            hits: Arc::default(),
            misses: Arc::default(),
        }
    }

    /// Counts one lookup.
    pub fn record(&self, lookup: CacheLookup) {
        let (count, result) = match lookup {
            CacheLookup::Hit => (&self.hits, "hit"),
            CacheLookup::Miss => (&self.misses, "miss"),
        };
        count.fetch_add(1, Ordering::Relaxed);
        installed();
        counter!(names::CACHE_LOOKUPS, "cache" => self.cache, "result" => result).increment(1);
    }

    /// Lookups that found something.
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    /// Lookups that found nothing.
    pub fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }
}

/// Counts records that were lost because the audit could not be written.
pub fn audit_lost(count: u64) {
    installed();
    counter!(names::AUDIT_LOST).increment(count);
}

/// Counts a failure to write the audit.
pub fn audit_failure() {
    installed();
    counter!(names::AUDIT_FAILURES).increment(1);
}

/// What became of spans that were recorded for traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanFate {
    /// The collector took them.
    Delivered,
    /// Too many waited.
    Dropped,
    /// The collector could not be reached in time, or refused them.
    Failed,
}

/// Counts spans that were recorded for traces.
pub fn spans(fate: SpanFate, count: usize) {
    installed();
    let label = match fate {
        SpanFate::Delivered => "delivered",
        SpanFate::Dropped => "dropped",
        SpanFate::Failed => "failed",
    };
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    counter!(names::TRACE_SPANS, "outcome" => label).increment(count);
}

/// Says how many entries a cache holds.
pub fn cache_entries(cache: &'static str, entries: u64) {
    installed();
    gauge!(names::CACHE_ENTRIES, "cache" => cache).set(lossy(entries));
}

/// Times an outgoing HTTP request. `outcome` is one of a closed set.
pub fn egress_request(outcome: &'static str, seconds: f64) {
    installed();
    histogram!(names::EGRESS_DURATION, "outcome" => outcome).record(seconds);
    recorder::observed();
}

/// Counts bytes of response bodies, after decompression.
pub fn egress_received(bytes: u64) {
    installed();
    counter!(names::EGRESS_BYTES).increment(bytes);
}

/// A count as a gauge's value: exact up to 2^53.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "gauges are floats; counts here stay far below 2^53"
)]
pub(crate) fn lossy(count: u64) -> f64 {
    count as f64
}
