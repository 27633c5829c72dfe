//! What this host can enforce, what it cannot and why, and the change that would help.

use std::error::Error;
use std::fmt::Write;
use std::path::Path;

use mcp_sandbox::{Boundary, Confinement, NoCgroups, RunError, Runner, Stage, Tier};
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
    let mut checks = vec![
        kernel(),
        namespaces(strict.as_ref().err().map(AsRef::as_ref)),
    ];
    checks.extend(strict.as_ref().err().and_then(|error| container(error)));
    checks.push(rights(landlock.as_ref().ok()));
    checks.push(groups(runner.lacks_cgroups().as_ref()));
    Diagnosis {
        required: boundary.require.as_str(),
        in_force: confinement.as_ref().ok().map(|held| held.tier.as_str()),
        refused_because: confinement.err().map(|error| whole(&error)),
        tiers: vec![
            tier(Tier::Strict, strict.as_ref().map_err(AsRef::as_ref)),
            tier(Tier::Landlock, landlock.as_ref().map_err(AsRef::as_ref)),
        ],
        checks,
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
        reason: tried.err().map(whole),
    }
}

/// An error with its causes.
fn whole(error: &RunError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        write!(text, ": {source}").ok();
        cause = source.source();
    }
    text
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

/// Switches that turn user namespaces off, the value that does, and what turns them on.
const SWITCHES: [(&str, &str, &str); 3] = [
    (
        "/proc/sys/user/max_user_namespaces",
        "0",
        "sysctl -w user.max_user_namespaces=15000 (and the same in /etc/sysctl.d)",
    ),
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "sysctl -w kernel.unprivileged_userns_clone=1 (and the same in /etc/sysctl.d)",
    ),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "allow them for this program in /etc/apparmor.d/omnipotent-mcp, then \
         `apparmor_parser -r /etc/apparmor.d/omnipotent-mcp`:\n\
         abi <abi/4.0>,\n\
         include <tunables/global>\n\
         profile omnipotent-mcp /path/to/omnipotent-mcp flags=(unconfined) { userns, }",
    ),
];

fn namespaces(failure: Option<&RunError>) -> Finding {
    let what = "user namespaces";
    let Some(failure) = failure else {
        return Finding {
            what,
            is_well: true,
            detail: "allowed".to_owned(),
            fix: None,
        };
    };
    let off = SWITCHES.iter().find(|(path, value, _)| {
        kernel_text(Path::new(path)).is_some_and(|text| text.trim() == *value)
    });
    match (off, failure) {
        (Some((path, value, fix)), _) => Finding {
            what,
            is_well: false,
            detail: format!("switched off: {path} is {value}"),
            fix: Some((*fix).to_owned()),
        },
        (
            None,
            RunError::Helper {
                stage: Stage::Namespaces,
                source,
            },
        ) => Finding {
            what,
            is_well: false,
            detail: format!("refused by no switch that is known: {source}"),
            fix: Some(
                "a container's seccomp profile, a security module or a chroot may forbid them"
                    .to_owned(),
            ),
        },
        (None, _) => Finding {
            what,
            is_well: true,
            detail: "allowed; something else is missing".to_owned(),
            fix: None,
        },
    }
}

/// What a container takes away, when one is likely to be the cause.
fn container(failure: &RunError) -> Option<Finding> {
    let status = kernel_text(Path::new("/proc/self/status")).unwrap_or_default();
    let is_filtered = status
        .lines()
        .filter_map(|line| line.strip_prefix("Seccomp:"))
        .any(|mode| mode.trim() == "2");
    let RunError::Helper { stage, .. } = failure else {
        return None;
    };
    let (detail, fix) = if *stage == Stage::Namespaces && is_filtered {
        (
            "a seccomp filter is in force, as container engines set one",
            "run the container with a profile that allows unshare, mount and pivot_root \
             (--security-opt seccomp=PROFILE)",
        )
    } else if *stage == Stage::Ground {
        (
            "a fresh /proc or a mount was refused, as in containers that mask parts of /proc",
            "run the container with --security-opt systempaths=unconfined, or outside of one",
        )
    } else {
        return None;
    };
    Some(Finding {
        what: "container",
        is_well: false,
        detail: detail.to_owned(),
        fix: Some(fix.to_owned()),
    })
}

/// Whether a command can be limited as a whole. Nothing is refused for want of it.
fn groups(lacking: Option<&NoCgroups>) -> Finding {
    let (detail, fix) = match lacking {
        None => ("limits hold for a command as a whole".to_owned(), None),
        Some(reason) => (
            format!("limits hold for each process only: {reason}"),
            Some(
                "start the server in a group of its own that is delegated to it:\n\
                 systemd-run --user --scope -p Delegate=yes omnipotent-mcp"
                    .to_owned(),
            ),
        ),
    };
    Finding {
        what: "control group",
        is_well: lacking.is_none(),
        detail,
        fix,
    }
}

fn rights(held: Option<&Confinement>) -> Finding {
    let what = "landlock";
    if let Some(held) = held {
        let version = held
            .layers
            .iter()
            .map(ToString::to_string)
            .find(|it| it.starts_with(what));
        return Finding {
            what,
            is_well: true,
            detail: version.unwrap_or_default(),
            fix: None,
        };
    }
    let modules = kernel_text(Path::new("/sys/kernel/security/lsm")).unwrap_or_default();
    let modules = modules.trim();
    Finding {
        what,
        is_well: false,
        detail: if modules.is_empty() {
            "not available".to_owned()
        } else {
            format!("not available; security modules in force: {modules}")
        },
        fix: Some(format!(
            "boot a kernel with CONFIG_SECURITY_LANDLOCK and lsm=landlock,{modules}"
        )),
    }
}
