//! The server's own numbers, read from what `/metrics` shows.

use std::collections::BTreeMap;
use std::time::Duration;

use mcp_metrics::names::{
    ADMISSIONS, EGRESS_BREAKERS, EGRESS_BYTES, EGRESS_DURATION, SECURITY_BLOCKS,
};
use mcp_metrics::{CallStats, Exposition, Recorder};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Caches, NoArgs};
use crate::{Caching, Call, Effects, Tool, ToolError, ToolSpec};

/// The server's own numbers.
#[derive(Debug)]
pub struct GetMetrics<C> {
    /// Where the numbers are.
    pub recorder: Recorder,
    /// The caches.
    pub caches: C,
}

/// What was counted since the server started; the same numbers as at `/metrics`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Reply<R> {
    /// Calls by tool; a tool that was never called is missing.
    tools: BTreeMap<String, ToolNumbers>,
    /// Calls that the policy refused, by error code.
    security_blocks: BTreeMap<String, u64>,
    /// Calls that the policy refused.
    total_blocks: u64,
    /// The caches.
    cache: R,
    /// Outgoing HTTP.
    http: HttpNumbers,
    /// Arriving calls, by decision: admitted, `rate_limited`, saturated.
    rate_limit: BTreeMap<String, u64>,
}

/// What one tool did.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ToolNumbers {
    /// Calls that ended.
    calls: u64,
    /// Calls that ended with an error.
    errors: u64,
    /// Mean time of a call in milliseconds.
    avg_latency_ms: f64,
    /// Median time in milliseconds, estimated from the histogram.
    p50_ms: f64,
    /// 99th percentile in milliseconds, estimated from the histogram.
    p99_ms: f64,
    /// Share of calls without an error, 0 to 1.
    success_rate: f64,
}

/// Outgoing HTTP.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct HttpNumbers {
    /// Requests by outcome.
    requests: BTreeMap<String, u64>,
    /// Bytes of bodies received, after decompression.
    received_bytes: u64,
    /// Hosts that are not asked because they failed too often.
    open_breakers: u64,
}

impl HttpNumbers {
    /// Reads them from an exposition.
    pub(crate) fn read(numbers: &Exposition) -> Self {
        Self {
            requests: numbers.totals_by(&format!("{EGRESS_DURATION}_count"), "outcome"),
            received_bytes: numbers.total(EGRESS_BYTES),
            open_breakers: numbers.total(EGRESS_BREAKERS),
        }
    }
}

impl From<CallStats> for ToolNumbers {
    fn from(stats: CallStats) -> Self {
        let calls = lossy(stats.calls.max(1));
        Self {
            calls: stats.calls,
            errors: stats.errors,
            avg_latency_ms: milliseconds(stats.seconds / calls),
            p50_ms: milliseconds(stats.p50),
            p99_ms: milliseconds(stats.p99),
            success_rate: lossy(stats.calls.saturating_sub(stats.errors)) / calls,
        }
    }
}

impl<C: Caches> Tool for GetMetrics<C> {
    const SPEC: ToolSpec = ToolSpec {
        name: "get_metrics",
        title: "Server metrics",
        summary: "Calls, errors and latency by tool, refusals by reason, cache and outgoing HTTP \
                  numbers since the server started: the same numbers as its /metrics endpoint.",
        effects: Effects::READ,
        caching: Caching::None,
        deadline: Duration::from_secs(5),
    };
    type Args = NoArgs;
    type Plan = ();
    type Reply = Reply<C::Report>;

    async fn vet(&self, _: NoArgs, _: &Call) -> Result<(), ToolError> {
        Ok(())
    }

    async fn run(&self, (): (), _: &Call) -> Result<Self::Reply, ToolError> {
        let cache = self.caches.report();
        let numbers = Exposition::parse(&self.recorder.render());
        let security_blocks = numbers.totals_by(SECURITY_BLOCKS, "reason");
        let tools = mcp_metrics::calls(&numbers);
        Ok(Reply {
            tools: tools
                .into_iter()
                .map(|(name, stats)| (name, stats.into()))
                .collect(),
            total_blocks: security_blocks.values().sum(),
            security_blocks,
            cache,
            http: HttpNumbers::read(&numbers),
            rate_limit: numbers.totals_by(ADMISSIONS, "decision"),
        })
    }
}

/// Seconds as milliseconds, to the microsecond.
fn milliseconds(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e3
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "counts below 2^53"
)]
fn lossy(count: u64) -> f64 {
    count as f64
}
