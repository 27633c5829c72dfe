//! What is looked at to tell whether the server and its machine are well.

use std::error::Error;
use std::sync::Arc;

use mcp_audit::Audit;
use mcp_sandbox::Runner;
use mcp_security::paths::Roots;
use mcp_serve::Standing;
use mcp_toolcall::operations::{Check, Checks};

use crate::enclosure::Enclosure;
use crate::host::Host;
use crate::server::confinement;

/// A share above this, in percent, is a reason to look.
const BUSY_PERCENT: f64 = 95.0;

/// Whether the server and its machine are well.
#[derive(Debug)]
pub struct MachineChecks {
    /// The machine.
    pub host: Host,
    /// What runs commands.
    pub runner: Runner,
    /// What they are confined to.
    pub enclosure: Enclosure,
    /// Where files may be touched.
    pub roots: Roots,
    /// What records the calls.
    pub audit: Audit,
    /// Which policy is in force.
    pub policy: Arc<str>,
    /// How the configuration on disk stands to it.
    pub standing: Standing,
}

impl Checks for MachineChecks {
    const SUMMARY: &'static str = "Whether the server and its machine are well: CPU, memory and disk \
        below 95 %, which sandbox tier is in force, which file roots are configured, which version \
        of the policy is in force, whether calls are recorded, outgoing HTTP. `degraded` names what \
        to look at; calls are served either way.";

    async fn look(&self) -> Vec<Check> {
        vec![
            self.cpu(),
            self.memory(),
            self.disks().await,
            self.sandbox().await,
            self.files(),
            self.standing.check(&self.policy),
            Check::of_audit(&self.audit),
        ]
    }
}

impl MachineChecks {
    fn cpu(&self) -> Check {
        match self.host.cpu() {
            Ok(cpu) => below("cpu", cpu.cpu_percent, "busy"),
            Err(error) => Check::new("cpu", false, error.to_string()),
        }
    }

    fn memory(&self) -> Check {
        match self.host.memory() {
            Ok(memory) => below("memory", memory.memory.percent, "used"),
            Err(error) => Check::new("memory", false, error.to_string()),
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
                    return Check::new("disk", true, "no disk is mounted".to_owned());
                };
                below(
                    "disk",
                    disk.percent,
                    &format!("used on {}", disk.mountpoint),
                )
            }
            Err(error) => Check::new("disk", false, error.to_string()),
        }
    }

    async fn sandbox(&self) -> Check {
        match confinement(&self.runner, &self.enclosure).await {
            Ok(held) => {
                let layers: Vec<String> = held.layers.iter().map(ToString::to_string).collect();
                let detail = format!("tier {} ({})", held.tier, layers.join(", "));
                Check::new("sandbox", true, detail)
            }
            Err(error) => {
                let reason = error
                    .source()
                    .map_or_else(String::new, |source| format!(": {source}"));
                Check::new(
                    "sandbox",
                    false,
                    format!("commands are refused: {error}{reason}"),
                )
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
            return Check::new("files", false, detail.to_owned());
        }
        Check::new("files", true, format!("file roots: {}", roots.join(", ")))
    }
}

fn below(name: &'static str, percent: f64, what: &str) -> Check {
    Check::new(
        name,
        percent < BUSY_PERCENT,
        format!("{percent:.1} % {what}"),
    )
}
