//! Describes the machine the server runs on.

use std::time::Duration;

use mcp_sandbox::{Confinement, RunError, Runner};
use mcp_toolcall::{Caching, Call, Effects, Tool, ToolError, ToolSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SYSTEM, explain};
use crate::enclosure::Enclosure;
use crate::host::{Cpu, Disk, Host, Limits, Load, Memory, Platform, Swap};
use crate::server::confinement;

/// Describes the machine the server runs on.
#[derive(Debug)]
pub struct SystemInfo {
    /// The machine.
    pub host: Host,
    /// What runs commands.
    pub runner: Runner,
    /// What they are confined to.
    pub enclosure: Enclosure,
}

/// How commands that callers start are confined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Sandbox {
    /// The tier in force: `strict`, `landlock` or `none`; `unavailable` when commands are refused
    /// because this host does not allow what the configuration demands.
    pub tier: String,
    /// The mechanisms that make it up, such as `namespaces`, `landlock` and `seccomp`.
    pub layers: Vec<String>,
}

impl From<Result<Confinement, RunError>> for Sandbox {
    fn from(held: Result<Confinement, RunError>) -> Self {
        match held {
            Ok(held) => Self {
                tier: held.tier.to_string(),
                layers: held.layers.iter().map(ToString::to_string).collect(),
            },
            Err(_) => Self {
                tier: "unavailable".to_owned(),
                layers: Vec::new(),
            },
        }
    }
}

/// No arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {}

/// What the machine is and how loaded it is. Sizes are bytes.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Reply {
    /// Operating system and hardware.
    platform: Platform,
    /// Processors.
    cpu: Cpu,
    /// Memory.
    memory: Memory,
    /// Swap space.
    swap: Swap,
    /// Real disks, each once, at most 64.
    disk: Vec<Disk>,
    /// Disks that did not answer within a second; their figures are the last known ones.
    disks_unavailable: u32,
    /// Mean number of processes that ran or waited to run.
    load: Load,
    /// Seconds since boot.
    uptime_seconds: u64,
    /// What the control groups of the server allow it, as in a container.
    limits: Limits,
    /// How commands are confined.
    sandbox: Sandbox,
}

impl Tool for SystemInfo {
    const SPEC: ToolSpec = ToolSpec {
        name: "system_info",
        title: "System information",
        summary: "Describes this machine: platform, CPU, memory, swap, disks, load, uptime, \
                  container limits and sandbox tier. Sizes are bytes. cpu_window says what \
                  cpu_percent is an average over; up to 30 s old.",
        effects: Effects::READ,
        caching: Caching::Reads {
            topic: SYSTEM,
            ttl: Duration::from_secs(30),
        },
        deadline: Duration::from_secs(5),
    };
    type Args = Args;
    type Plan = ();
    type Reply = Reply;

    async fn vet(&self, Args {}: Args, _: &Call) -> Result<(), ToolError> {
        Ok(())
    }

    async fn run(&self, (): (), _: &Call) -> Result<Reply, ToolError> {
        let disks = self.host.disks().await.map_err(explain)?;
        let space = self.host.memory().map_err(explain)?;
        Ok(Reply {
            platform: self.host.platform(),
            cpu: self.host.cpu().map_err(explain)?,
            memory: space.memory,
            swap: space.swap,
            disk: disks.disks,
            disks_unavailable: disks.unavailable,
            load: self.host.load().map_err(explain)?,
            uptime_seconds: self.host.uptime_seconds().map_err(explain)?,
            limits: self.host.limits(),
            sandbox: confinement(&self.runner, &self.enclosure).await.into(),
        })
    }
}
