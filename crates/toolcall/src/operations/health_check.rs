//! Whether a server and what it needs are well.

use std::time::{Duration, Instant};

use mcp_audit::{Audit, Status};
use mcp_metrics::names::EGRESS_BREAKERS;
use mcp_metrics::{Exposition, Recorder};
use schemars::JsonSchema;
use serde::Serialize;

use super::get_metrics::HttpNumbers;
use super::{Caches, NoArgs};
use crate::{Caching, Call, Effects, Tool, ToolError, ToolSpec};

/// What a server looks at to tell whether all is well.
pub trait Checks: Send + Sync + 'static {
    /// What `health_check` tells of them.
    const SUMMARY: &'static str;

    /// Looks now.
    fn look(&self) -> impl Future<Output = Vec<Check>> + Send;
}

/// Whether a server and what it needs are well.
#[derive(Debug)]
pub struct HealthCheck<K, C> {
    /// What is looked at, beside outgoing HTTP.
    pub checks: K,
    /// The caches.
    pub caches: C,
    /// Where the numbers are.
    pub recorder: Recorder,
    /// The server's version.
    pub version: &'static str,
    /// When it started.
    pub started: Instant,
}

/// Whether all is well, check by check.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Reply<R> {
    /// `healthy` when every check is `ok`.
    status: Overall,
    /// The server's version.
    version: &'static str,
    /// Seconds since the server started.
    uptime_seconds: u64,
    /// The single checks.
    checks: Vec<Check>,
    /// The caches.
    cache_stats: R,
    /// Outgoing HTTP.
    http_stats: HttpNumbers,
    /// Calls so far.
    metrics: Summary,
}

/// All checks together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Overall {
    /// Every check is `ok`.
    Healthy,
    /// A check is not `ok`; calls are still served.
    Degraded,
}

/// One check.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Check {
    /// What was looked at.
    name: &'static str,
    /// How it is.
    status: Health,
    /// What was found.
    detail: String,
}

/// How one thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Health {
    /// Well.
    Ok,
    /// Worth a look.
    Warning,
}

/// Calls so far.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Summary {
    /// Calls that ended, of all tools.
    calls: u64,
    /// Those that ended with an error.
    errors: u64,
    /// Calls that the policy refused.
    security_blocks: u64,
}

impl Check {
    /// That `name` is well, or worth a look.
    pub fn new(name: &'static str, well: bool, detail: impl Into<String>) -> Self {
        Self {
            name,
            status: if well { Health::Ok } else { Health::Warning },
            detail: detail.into(),
        }
    }

    /// That calls are recorded.
    pub fn of_audit(audit: &Audit) -> Self {
        match audit.status() {
            Status::Off => Self::new("audit", true, "off by audit.enabled"),
            Status::Failing { reason } => Self::new("audit", false, reason.to_string()),
            Status::Writing { file, room_is_kept } => {
                let file = file.map_or_else(String::new, |file| file.display().to_string());
                let room = if room_is_kept {
                    ""
                } else {
                    "; its file system cannot keep room for the next records"
                };
                Self::new("audit", true, format!("written to {file}{room}"))
            }
        }
    }

    fn of_egress(numbers: &Exposition) -> Self {
        let breakers = numbers.total(EGRESS_BREAKERS);
        let detail = format!("{breakers} hosts are not asked for now");
        Self::new("egress", breakers == 0, detail)
    }
}

impl<K: Checks, C: Caches> Tool for HealthCheck<K, C> {
    const SPEC: ToolSpec = ToolSpec {
        name: "health_check",
        title: "Health check",
        summary: K::SUMMARY,
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
        let cache_stats = self.caches.report();
        let numbers = Exposition::parse(&self.recorder.render());
        let calls = mcp_metrics::calls(&numbers);
        let mut checks = self.checks.look().await;
        checks.push(Check::of_egress(&numbers));
        let well = checks.iter().all(|check| check.status == Health::Ok);
        Ok(Reply {
            status: if well {
                Overall::Healthy
            } else {
                Overall::Degraded
            },
            version: self.version,
            uptime_seconds: self.started.elapsed().as_secs(),
            checks,
            cache_stats,
            http_stats: HttpNumbers::read(&numbers),
            metrics: Summary {
                calls: calls.values().map(|stats| stats.calls).sum(),
                errors: calls.values().map(|stats| stats.errors).sum(),
                security_blocks: mcp_metrics::blocks(&numbers),
            },
        })
    }
}
