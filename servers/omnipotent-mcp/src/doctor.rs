//! What this host can enforce, what it cannot and why, and the change that would help.

mod advice;

use std::fmt::Write;
use std::path::Path;

use mcp_sandbox::{Boundary, Confinement, NoCgroups, RunError, Runner, Tier};
use mcp_serve::with_causes;
use serde::Serialize;

use crate::host::{Host, kernel_text};

/// What was found.
#[derive(Debug, Serialize)]
pub struct Diagnosis {
    /// The least tier that the configuration demands.
    pub required: &'static str,
    /// The tier that commands run in; none when they are refused.
    pub in_force: Option<&'static str>,
    /// Why commands are refused, if they are.
    pub refused_because: Option<String>,
    /// Each tier.
    pub tiers: Vec<TierFound>,
    /// What was looked at besides.
    pub checks: Vec<Finding>,
}

/// Whether one tier can be had.
#[derive(Debug, Serialize)]
pub struct TierFound {
    tier: &'static str,
    available: bool,
    /// What holds a command there, as it was tried out.
    layers: Vec<String>,
    /// What failed.
    reason: Option<String>,
}

/// One fact about the host.
#[derive(Debug, Serialize)]
pub struct Finding {
    what: &'static str,
    is_well: bool,
    detail: String,
    /// The change that would help.
    fix: Option<String>,
}

/// Tries every tier out and looks for what stands in the way.
pub async fn diagnose(runner: &Runner, boundary: &Boundary) -> Diagnosis {
    let strict = runner.try_out(Tier::Strict, boundary).await;
    let landlock = runner.try_out(Tier::Landlock, boundary).await;
    let confinement = runner.confinement(boundary).await;
    let mut checks = vec![kernel()];
    checks.extend(match &strict {
        Ok(_) => vec![Finding::well("user namespaces", "allowed".to_owned())],
        Err(error) => advice::for_strict(error, &kernel_facts()),
    });
    checks.push(match &landlock {
        Ok(held) => Finding::well("landlock", version(held)),
        Err(error) => advice::for_landlock(error, &kernel_facts()),
    });
    checks.push(groups(runner.lacks_cgroups().as_ref()));
    Diagnosis {
        required: boundary.require.as_str(),
        in_force: confinement.as_ref().ok().map(|held| held.tier.as_str()),
        refused_because: confinement.err().map(|error| with_causes(&error)),
        tiers: vec![
            tier(Tier::Strict, strict.as_ref().map_err(AsRef::as_ref)),
            tier(Tier::Landlock, landlock.as_ref().map_err(AsRef::as_ref)),
        ],
        checks,
    }
}

impl Finding {
    fn well(what: &'static str, detail: String) -> Self {
        Self {
            what,
            is_well: true,
            detail,
            fix: None,
        }
    }

    fn missing(what: &'static str, detail: String, fix: impl Into<Option<String>>) -> Self {
        Self {
            what,
            is_well: false,
            detail,
            fix: fix.into(),
        }
    }
}

impl Diagnosis {
    /// Whether commands run.
    pub fn is_met(&self) -> bool {
        self.in_force.is_some()
    }

    /// As a table for people.
    pub fn to_text(&self) -> String {
        let mut text = format!("demanded: {} or stronger\n", self.required);
        // Writing to a string cannot fail.
        match (&self.in_force, &self.refused_because) {
            (Some(tier), _) => writeln!(text, "in force: {tier}").ok(),
            (None, reason) => {
                let reason = reason.as_deref().unwrap_or_default();
                writeln!(text, "in force: nothing, commands are refused: {reason}").ok()
            }
        };
        text.push_str("\ntiers\n");
        for it in &self.tiers {
            let (mark, detail) = match &it.reason {
                None => ("yes", it.layers.join(", ")),
                Some(reason) => ("NO", reason.clone()),
            };
            writeln!(text, "  {:<10} {mark:<4} {detail}", it.tier).ok();
        }
        text.push_str("\nhost\n");
        for it in &self.checks {
            let mark = if it.is_well { "ok" } else { "NO" };
            writeln!(text, "  {:<16} {mark:<4} {}", it.what, it.detail).ok();
            if let Some(fix) = &it.fix {
                for line in fix.lines() {
                    writeln!(text, "  {:<16}      {line}", "").ok();
                }
            }
        }
        text
    }
}

fn tier(tier: Tier, tried: Result<&Confinement, &RunError>) -> TierFound {
    TierFound {
        tier: tier.as_str(),
        available: tried.is_ok(),
        layers: tried
            .map(|held| held.layers.iter().map(ToString::to_string).collect())
            .unwrap_or_default(),
        reason: tried.err().map(|error| with_causes(error)),
    }
}

fn kernel() -> Finding {
    let release = Host::new().platform().release;
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|n| n.parse().ok());
    let version: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let is_well = version >= (5, 13);
    Finding {
        what: "kernel",
        is_well,
        detail: release,
        fix: (!is_well).then(|| "Landlock needs Linux 5.13 or newer".to_owned()),
    }
}

/// The version of Landlock in force.
fn version(held: &Confinement) -> String {
    let layers = held.layers.iter().map(ToString::to_string);
    let mut versions = layers.filter(|it| it.starts_with("landlock"));
    versions.next().unwrap_or_default()
}

/// Whether a command can be limited as a whole. Nothing is refused for want of it.
fn groups(lacking: Option<&NoCgroups>) -> Finding {
    let what = "control group";
    let Some(reason) = lacking else {
        return Finding::well(what, "limits hold for a command as a whole".to_owned());
    };
    let fix = match reason {
        NoCgroups::Refused { version: 1, .. } => Some(
            "let the host use control groups of the second version (kernel command line\n\
             systemd.unified_cgroup_hierarchy=1), which can be delegated to a user"
                .to_owned(),
        ),
        NoCgroups::Shared(_) | NoCgroups::Refused { .. } => Some(
            "start the server in a group of its own that is delegated to it:\n\
             systemd-run --user --scope -p Delegate=yes omnipotent-mcp"
                .to_owned(),
        ),
        // The host has the controllers elsewhere or keeps them.
        NoCgroups::Unmounted | NoCgroups::Controllers(_) => None,
    };
    let detail = format!("limits hold for each process only: started from here, {reason}");
    Finding::missing(what, detail, fix)
}

/// Reads a file of the kernel's.
fn kernel_facts() -> impl Fn(&str) -> Option<String> {
    |path| kernel_text(Path::new(path)).map(|text| text.trim().to_owned())
}
