//! Whether the server and its machine are well.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mcp_audit::{Audit, Status};
use mcp_metrics::names::EGRESS_BREAKERS;
use mcp_metrics::{Exposition, Recorder};
use mcp_sandbox::Runner;
use mcp_security::paths::Roots;
use mcp_toolcall::{Caching, Call, Effects, Tool, ToolError, ToolSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::get_metrics::HttpNumbers;
use super::{Caches, CachesReport};
use crate::enclosure::Enclosure;
use crate::host::Host;
use crate::policy::{Freshness, Standing};
use crate::server::confinement;

/// A share above this, in percent, is a reason to look.
const BUSY_PERCENT: f64 = 95.0;

/// Whether the server and its machine are well.
#[derive(Debug)]
pub struct HealthCheck {
    /// The machine.
    pub host: Host,
    /// What runs commands.
    pub runner: Runner,
    /// What they are confined to.
    pub enclosure: Enclosure,
    /// Where files may be touched.
    pub roots: Roots,
    /// The caches.
    pub caches: Caches,
    /// Where the numbers are.
    pub recorder: Recorder,
    /// What records the calls.
    pub audit: Audit,
    /// When the server started.
    pub started: Instant,
    /// Which policy is in force.
    pub policy: Arc<str>,
    /// How the configuration on disk stands to it.
    pub standing: Standing,
}

/// No arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {}

/// Whether all is well, check by check.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Reply {
    /// `healthy` when every check is `ok`.
    status: Overall,
    /// The server's version.
    version: &'static str,
    /// Seconds since the server started.
    uptime_seconds: u64,
    /// The single checks.
    checks: Vec<Check>,
    /// The caches.
    cache_stats: CachesReport,
    /// Outgoing HTTP.
    http_stats: HttpNumbers,
    /// Calls so far.
    metrics: Summary,
}

/// All checks together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overall {
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
pub enum Health {
    /// Well.
    Ok,
    /// Worth a look.
    Warning,
}

/// Calls so far.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Summary {
    /// Calls that ended, of all tools.
    calls: u64,
    /// Those that ended with an error.
    errors: u64,
    /// Calls that the policy refused.
    security_blocks: u64,
}

impl Tool for HealthCheck {
    const SPEC: ToolSpec = ToolSpec {
        name: "health_check",
        title: "Health check",
        summary: "Whether the server and its machine are well: CPU, memory and disk below 95 %, \
                  which sandbox tier is in force, which file roots are configured, which version of \
                  the policy is in force, whether calls are recorded, outgoing HTTP. \
                  `degraded` names what to look at; calls are served either way.",
        effects: Effects::READ,
        caching: Caching::None,
        deadline: Duration::from_secs(5),
    };
    type Args = Args;
    type Plan = ();
    type Reply = Reply;

    async fn vet(&self, _: Args, _: &Call) -> Result<(), ToolError> {
        Ok(())
    }

    async fn run(&self, (): (), _: &Call) -> Result<Reply, ToolError> {
        let cache_stats = self.caches.report();
        let numbers = Exposition::parse(&self.recorder.render());
        let calls = mcp_metrics::calls(&numbers);
        let breakers = numbers.total(EGRESS_BREAKERS);
        let checks = vec![
            self.cpu(),
            self.memory(),
            self.disks().await,
            self.sandbox().await,
            self.files(),
            self.policy(),
            self.audit(),
            check(
                "egress",
                breakers == 0,
                format!("{breakers} hosts are not asked for now"),
            ),
        ];
        let well = checks.iter().all(|check| check.status == Health::Ok);
        Ok(Reply {
            status: if well {
                Overall::Healthy
            } else {
                Overall::Degraded
            },
            version: env!("CARGO_PKG_VERSION"),
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

impl HealthCheck {
    fn cpu(&self) -> Check {
        match self.host.cpu() {
            Ok(cpu) => below("cpu", cpu.cpu_percent, "busy"),
            Err(error) => check("cpu", false, error.to_string()),
        }
    }

    fn memory(&self) -> Check {
        match self.host.memory() {
            Ok(memory) => below("memory", memory.memory.percent, "used"),
            Err(error) => check("memory", false, error.to_string()),
        }
    }

    async fn disks(&self) -> Check {
        match self.host.disks().await {
            Ok(disks) => {
                let fullest = disks
                    .disks
                    .iter()
                    .max_by(|one, other| one.percent.total_cmp(&other.percent));
                let Some(disk) = fullest else {
                    return check("disk", true, "no disk is mounted".to_owned());
                };
                below(
                    "disk",
                    disk.percent,
                    &format!("used on {}", disk.mountpoint),
                )
            }
            Err(error) => check("disk", false, error.to_string()),
        }
    }

    async fn sandbox(&self) -> Check {
        match confinement(&self.runner, &self.enclosure).await {
            Ok(held) => {
                let layers: Vec<String> = held.layers.iter().map(ToString::to_string).collect();
                let detail = format!("tier {} ({})", held.tier, layers.join(", "));
                check("sandbox", true, detail)
            }
            Err(error) => {
                let reason = error
                    .source()
                    .map_or_else(String::new, |source| format!(": {source}"));
                check(
                    "sandbox",
                    false,
                    format!("commands are refused: {error}{reason}"),
                )
            }
        }
    }

    fn audit(&self) -> Check {
        match self.audit.status() {
            Status::Off => check("audit", true, "off by audit.enabled".to_owned()),
            Status::Failing { reason } => check("audit", false, reason.to_string()),
            Status::Writing { file, room_is_kept } => {
                let file = file.map_or_else(String::new, |file| file.display().to_string());
                let room = if room_is_kept {
                    ""
                } else {
                    "; its file system cannot keep room for the next records"
                };
                check("audit", true, format!("written to {file}{room}"))
            }
        }
    }

    fn files(&self) -> Check {
        let roots: Vec<String> = self
            .roots
            .iter()
            .map(|root| root.path().display().to_string())
            .collect();
        if roots.is_empty() {
            let detail = "no file root is configured: file calls are refused; set files.roots";
            return check("files", false, detail.to_owned());
        }
        check("files", true, format!("file roots: {}", roots.join(", ")))
    }

    fn policy(&self) -> Check {
        let version = &self.policy;
        match &*self.standing.now() {
            Freshness::Current => check("policy", true, format!("version {version}")),
            Freshness::NeedsRestart(sections) => {
                let sections = sections.join(", ");
                let detail = format!("version {version}; changed, and needs a restart: {sections}");
                check("policy", false, detail)
            }
            Freshness::Refused => {
                let detail = format!(
                    "version {version}; the configuration was changed and cannot be used, so that \
                     this version stays in force; the log says why"
                );
                check("policy", false, detail)
            }
        }
    }
}

fn below(name: &'static str, percent: f64, what: &str) -> Check {
    check(
        name,
        percent < BUSY_PERCENT,
        format!("{percent:.1} % {what}"),
    )
}

fn check(name: &'static str, well: bool, detail: String) -> Check {
    Check {
        name,
        status: if well { Health::Ok } else { Health::Warning },
        detail,
    }
}
