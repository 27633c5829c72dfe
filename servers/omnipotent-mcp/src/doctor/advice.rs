//! What would help against a failure: it follows from the step that failed and from what the
//! kernel said there, and is left out where these do not tell.

use std::io;

use mcp_sandbox::{RunError, Stage};
use mcp_serve::with_causes;

use rustix::io::Errno;

use super::Finding;

/// Reads a file of the kernel's, by its path.
type Facts<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What the kernel says of a step (errno(3)), as far as it tells causes apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// EPERM or EACCES.
    NotPermitted,
    /// ENOSPC: a limit is reached.
    NoRoom,
    /// EINVAL or ENOSYS: it does not know this.
    Unknown,
    /// EOPNOTSUPP: it knows this, and it is switched off.
    SwitchedOff,
    Other,
}

impl Said {
    fn of(error: &io::Error) -> Self {
        match Errno::from_io_error(error) {
            Some(Errno::PERM | Errno::ACCESS) => Self::NotPermitted,
            Some(Errno::NOSPC) => Self::NoRoom,
            Some(Errno::INVAL | Errno::NOSYS) => Self::Unknown,
            Some(Errno::OPNOTSUPP) => Self::SwitchedOff,
            Some(_) | None => Self::Other,
        }
    }
}

/// A switch of the kernel that keeps user namespaces from being made or used.
struct Switch {
    path: &'static str,
    off: &'static str,
    /// How it shows.
    stages: &'static [Stage],
    said: Said,
    fix: &'static str,
}

const SWITCHES: [Switch; 3] = [
    Switch {
        path: "/proc/sys/user/max_user_namespaces",
        off: "0",
        stages: &[Stage::Namespaces],
        said: Said::NoRoom,
        fix: "sysctl -w user.max_user_namespaces=15000 (and the same in /etc/sysctl.d)",
    },
    Switch {
        path: "/proc/sys/kernel/unprivileged_userns_clone",
        off: "0",
        stages: &[Stage::Namespaces],
        said: Said::NotPermitted,
        fix: "sysctl -w kernel.unprivileged_userns_clone=1 (and the same in /etc/sysctl.d)",
    },
    // The namespace is made, but nothing in it is allowed.
    Switch {
        path: "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        off: "1",
        stages: &[Stage::Namespaces, Stage::Network, Stage::Ground],
        said: Said::NotPermitted,
        fix: "allow them for this program in /etc/apparmor.d/omnipotent-mcp, then \
              `apparmor_parser -r /etc/apparmor.d/omnipotent-mcp`:\n\
              abi <abi/4.0>,\n\
              include <tunables/global>\n\
              profile omnipotent-mcp /path/to/omnipotent-mcp flags=(unconfined) { userns, }",
    },
];

/// Why the strict tier is not to be had.
pub(super) fn for_strict(failure: &RunError, facts: Facts<'_>) -> Vec<Finding> {
    let what = "user namespaces";
    let Some((stage, source)) = step(failure) else {
        return vec![unknown("strict", failure)];
    };
    let said = Said::of(source);
    let off = SWITCHES.iter().find(|switch| {
        switch.stages.contains(&stage)
            && switch.said == said
            && facts(switch.path).as_deref() == Some(switch.off)
    });
    if let Some(Switch { path, off, fix, .. }) = off {
        let detail = format!("switched off: {path} is {off}");
        return vec![Finding::missing(what, detail, (*fix).to_owned())];
    }
    let made = || Finding::well(what, "allowed".to_owned());
    match (stage, said) {
        (Stage::Namespaces, Said::NoRoom) => vec![Finding::missing(
            what,
            format!("a limit on namespaces is reached: {source}"),
            "raise the limit in /proc/sys/user that is used up (namespaces(7))".to_owned(),
        )],
        (Stage::Namespaces, Said::Unknown) => vec![Finding::missing(
            what,
            format!("the kernel lacks a kind of namespace: {source}"),
            "boot a kernel with CONFIG_USER_NS, CONFIG_PID_NS, CONFIG_NET_NS, CONFIG_IPC_NS and \
             CONFIG_UTS_NS"
                .to_owned(),
        )],
        (Stage::Namespaces, Said::NotPermitted) => {
            let refused = format!("refused by no switch that is known: {source}");
            let fix =
                "a container's seccomp profile, a security module or a chroot may forbid them";
            let mut found = vec![Finding::missing(what, refused, fix.to_owned())];
            found.extend(filtered(facts));
            found
        }
        (Stage::Ground, Said::NotPermitted) => vec![
            made(),
            Finding::missing(
                "container",
                format!(
                    "a fresh /proc or a mount was refused ({source}), as in containers that mask \
                     parts of /proc"
                ),
                "run the container with --security-opt systempaths=unconfined, or outside of one"
                    .to_owned(),
            ),
        ],
        (Stage::Landlock, _) => vec![made(), for_landlock(failure, facts)],
        (Stage::Namespaces, _) => vec![unknown(what, failure)],
        _ => vec![made(), unknown("strict", failure)],
    }
}

/// A filter that the server itself is under, which may be the cause.
fn filtered(facts: Facts<'_>) -> Option<Finding> {
    let status = facts("/proc/self/status")?;
    let mut modes = status
        .lines()
        .filter_map(|line| line.strip_prefix("Seccomp:"));
    modes.any(|mode| mode.trim() == "2").then(|| {
        Finding::missing(
            "container",
            "a seccomp filter is in force, as container engines set one".to_owned(),
            "run the container with a profile that allows unshare, mount and pivot_root \
             (--security-opt seccomp=PROFILE)"
                .to_owned(),
        )
    })
}

/// Why Landlock is not to be had.
pub(super) fn for_landlock(failure: &RunError, facts: Facts<'_>) -> Finding {
    let what = "landlock";
    let off = step(failure).filter(|(stage, source)| {
        *stage == Stage::Landlock && Said::of(source) == Said::SwitchedOff
    });
    if off.is_none() {
        return unknown(what, failure);
    }
    let modules = facts("/sys/kernel/security/lsm").unwrap_or_default();
    let is_listed = modules.split(',').any(|module| module == what);
    if modules.is_empty() || is_listed {
        return Finding::missing(
            what,
            "the kernel does not offer it".to_owned(),
            "boot a kernel with CONFIG_SECURITY_LANDLOCK, and landlock among the modules of its \
             lsm= parameter; a container's seccomp profile may hide it too"
                .to_owned(),
        );
    }
    Finding::missing(
        what,
        format!("not among the security modules in force: {modules}"),
        format!("boot a kernel with CONFIG_SECURITY_LANDLOCK and lsm=landlock,{modules}"),
    )
}

fn step(failure: &RunError) -> Option<(Stage, &io::Error)> {
    let RunError::Helper { stage, source } = failure else {
        return None;
    };
    Some((*stage, source))
}

fn unknown(what: &'static str, failure: &RunError) -> Finding {
    let detail = format!("the cause is unknown: {}", with_causes(failure));
    Finding::missing(what, detail, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(stage: Stage, errno: Errno) -> RunError {
        RunError::Helper {
            stage,
            source: errno.into(),
        }
    }

    fn text(findings: &[Finding]) -> String {
        let lines = findings.iter().map(|found| {
            let fix = found.fix.as_deref().unwrap_or("no advice");
            format!("{}: {}: {fix}\n", found.what, found.detail)
        });
        lines.collect()
    }

    #[track_caller]
    fn check(failure: &RunError, facts: &[(&str, &str)], expect: &[&str], never: &[&str]) {
        let facts = |path: &str| {
            let found = facts.iter().find(|(name, _)| path.ends_with(name));
            found.map(|(_, text)| (*text).to_owned())
        };
        let said = text(&for_strict(failure, &facts)) + &text(&[for_landlock(failure, &facts)]);
        for part in expect {
            assert!(said.contains(part), "{part} in {said}");
        }
        for part in never {
            assert!(!said.contains(part), "{part} not in {said}");
        }
    }

    #[test]
    fn a_switch_is_blamed_for_what_it_causes_only() {
        let [eperm, enospc] = [Errno::PERM, Errno::NOSPC];
        let off = [("max_user_namespaces", "0")];
        check(
            &failed(Stage::Namespaces, enospc),
            &off,
            &["sysctl -w user.max_user_namespaces"],
            &["lsm="],
        );
        check(
            &failed(Stage::Namespaces, eperm),
            &off,
            &["no switch that is known"],
            &["sysctl"],
        );
        check(
            &failed(Stage::Guard, eperm),
            &off,
            &["unknown"],
            &["sysctl", "lsm="],
        );
        check(
            &failed(Stage::Ground, eperm),
            &[("apparmor_restrict_unprivileged_userns", "1")],
            &["apparmor_parser"],
            &["systempaths", "lsm="],
        );
        check(
            &failed(Stage::Ground, eperm),
            &[],
            &["systempaths"],
            &["sysctl"],
        );
        check(
            &failed(Stage::Ground, enospc),
            &[],
            &["unknown"],
            &["systempaths"],
        );
    }

    #[test]
    fn landlock_is_blamed_on_the_modules_where_the_kernel_says_so() {
        let eopnotsupp = failed(Stage::Landlock, Errno::OPNOTSUPP);
        let modules = [("lsm", "capability,yama")];
        check(
            &eopnotsupp,
            &modules,
            &["lsm=landlock,capability,yama"],
            &["sysctl"],
        );
        check(
            &eopnotsupp,
            &[("lsm", "landlock,yama")],
            &["does not offer it"],
            &["lsm=landlock"],
        );
        check(
            &failed(Stage::Seccomp, Errno::INVAL),
            &modules,
            &["unknown"],
            &["lsm="],
        );
        check(
            &RunError::NoReport,
            &modules,
            &["unknown", "no report"],
            &["lsm=", "sysctl"],
        );
    }

    #[test]
    fn a_filter_is_named_where_namespaces_are_refused() {
        let status = [("status", "Name:\tx\nSeccomp:\t2\n")];
        check(
            &failed(Stage::Namespaces, Errno::PERM),
            &status,
            &["--security-opt seccomp"],
            &["lsm="],
        );
        check(
            &failed(Stage::Limits, Errno::PERM),
            &status,
            &["unknown"],
            &["--security-opt"],
        );
    }
}
