//! Why a command may have failed: what its proxy refused, or what is read from its output.
//!
//! The kernel does not tell an unprivileged server which path or address a process was refused, so
//! the latter is inference, and the hint says so.

use std::path::{Path, PathBuf};

use mcp_sandbox::{Access, Boundary, Confinement, Network, Tier};

/// How much of the end of a stream is looked at, in bytes; the last error is the likely one.
const LOOKED_AT: usize = 16 * 1024;

/// Refusals that are told; the first are the likely reason.
const MOST_REFUSALS: usize = 4;

/// How far a command reached.
#[derive(Debug)]
pub(super) struct Reach {
    network: Network,
    /// Directories that it could write.
    writable: Vec<PathBuf>,
    /// Directories that it could read.
    readable: Vec<PathBuf>,
}

impl Reach {
    pub(super) fn of(boundary: &Boundary) -> Self {
        let roots = |access| {
            let roots = boundary
                .roots
                .iter()
                .filter(move |root| root.access == access);
            roots.map(|root| root.place.path.clone())
        };
        let readable = boundary.ground.readable.iter().cloned();
        Self {
            network: boundary.ground.network,
            writable: roots(Access::ReadWrite).collect(),
            readable: readable.chain(roots(Access::ReadOnly)).collect(),
        }
    }
}

/// What a refusal looks like, and what it means here.
enum Sign {
    Network,
    Write,
    Read,
    Call,
    Memory,
    Processes,
    FileSize,
    Space,
}

/// Texts of programs and of the C library, as they are without a locale.
const SIGNS: [(&str, Sign); 26] = [
    ("Could not resolve host", Sign::Network),
    ("Temporary failure in name resolution", Sign::Network),
    ("Temporary failure resolving", Sign::Network),
    ("Name or service not known", Sign::Network),
    ("Address family not supported", Sign::Network),
    ("EAFNOSUPPORT", Sign::Network),
    ("ENOTFOUND", Sign::Network),
    ("EAI_AGAIN", Sign::Network),
    ("Network is unreachable", Sign::Network),
    ("ENETUNREACH", Sign::Network),
    ("failed to lookup address", Sign::Network),
    ("UnknownHostException", Sign::Network),
    ("Read-only file system", Sign::Write),
    ("EROFS", Sign::Write),
    ("Device or resource busy", Sign::Write),
    ("Permission denied", Sign::Read),
    ("EACCES", Sign::Read),
    ("No such file or directory", Sign::Read),
    ("ENOENT", Sign::Read),
    ("Operation not permitted", Sign::Call),
    ("Bad system call", Sign::Call),
    ("Cannot allocate memory", Sign::Memory),
    ("MemoryError", Sign::Memory),
    ("Resource temporarily unavailable", Sign::Processes),
    ("File too large", Sign::FileSize),
    ("No space left on device", Sign::Space),
];

/// What the command's proxy refused, with the setting for each: fact, also of a command that did
/// not mind; `None` when it refused nothing.
pub(super) fn refused(refusals: &[String]) -> Option<String> {
    let told = refusals
        .get(..refusals.len().min(MOST_REFUSALS))?
        .join("; ");
    let more = match refusals.len().saturating_sub(MOST_REFUSALS) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    (!told.is_empty()).then(|| {
        format!("the network proxy refused: {told}{more}. Only the operator can change that")
    })
}

/// The likely reason, and the setting that would allow it; `None` when nothing points at the
/// sandbox.
pub(super) fn infer(
    stdout: &str,
    stderr: &str,
    held: &Confinement,
    reach: &Reach,
) -> Option<String> {
    if held.tier == Tier::None {
        return None;
    }
    let reason = [stderr, stdout].into_iter().find_map(|text| {
        let from = text.ceil_char_boundary(text.len().saturating_sub(LOOKED_AT));
        let mut lines = text.get(from..).unwrap_or_default().lines().rev();
        lines.find_map(|line| explain(line, reach))
    })?;
    Some(format!("inferred from the output: {reason}"))
}

fn explain(line: &str, reach: &Reach) -> Option<String> {
    let (_, sign) = SIGNS.iter().find(|(text, _)| line.contains(text))?;
    match sign {
        Sign::Network if reach.network == Network::None => Some(
            "commands have no network; fetch with http_request_secure and pass the content on, or \
             the operator sets sandbox.network = \"proxy\""
                .to_owned(),
        ),
        Sign::Network if reach.network == Network::Proxy => Some(
            "commands reach the network only through the HTTP proxy in HTTPS_PROXY, which resolves \
             names itself; use a program that takes it, or set it in the program's own settings"
                .to_owned(),
        ),
        Sign::Network => Some(
            "commands have only their own loopback interface; fetch with http_request_secure, or \
             the operator sets sandbox.network = \"proxy\""
                .to_owned(),
        ),
        Sign::Write => Some(about_path(line, reach, "written").unwrap_or_else(|| {
            "only the allowed directories, /tmp and the private home directory can be written, and \
             protected paths in them cannot; the operator opens others by files.roots"
                .to_owned()
        })),
        Sign::Read => about_path(line, reach, "used"),
        Sign::Call => Some(
            "the sandbox refuses this system call (mounts, namespaces, tracing, raw devices and \
             the like); no setting allows it short of a weaker sandbox.prefer"
                .to_owned(),
        ),
        Sign::Memory => Some(
            "the memory limits sandbox.limits.memory_bytes and total_memory_bytes".to_owned(),
        ),
        Sign::Processes => Some("the process limit sandbox.limits.processes".to_owned()),
        Sign::FileSize => Some("the file size limit sandbox.limits.file_size_bytes".to_owned()),
        Sign::Space => Some(
            "private files such as /tmp are bounded by sandbox.scratch_bytes; work in an allowed \
             directory instead"
                .to_owned(),
        ),
    }
}

/// What the first absolute path of the line is to the sandbox; `None` when it is nothing to it.
fn about_path(line: &str, reach: &Reach, what: &str) -> Option<String> {
    let path = first_path(line)?;
    let shown = path.display();
    let lies_in = |tops: &[PathBuf]| tops.iter().any(|top| path.starts_with(top));
    let is_refusal = !line.contains("No such file") && !line.contains("ENOENT");
    if lies_in(&reach.writable) {
        return is_refusal.then(|| {
            format!("`{shown}` may be a protected path (files.protected), which stays closed")
        });
    }
    if lies_in(&reach.readable) {
        return is_refusal.then(|| {
            format!("`{shown}` is read-only to commands; the operator opens it by files.roots")
        });
    }
    let is_home = ["/home", "/root"].iter().any(|home| path.starts_with(home));
    Some(if is_home {
        format!(
            "`{shown}` lies in a home directory, which is hidden; the operator opens it by \
             sandbox.tool_directories (to read) or files.roots"
        )
    } else {
        format!(
            "`{shown}` cannot be {what} by commands; the operator opens it by \
             sandbox.system_directories (to read) or files.roots"
        )
    })
}

fn first_path(line: &str) -> Option<&Path> {
    let is_border = |c: char| c.is_whitespace() || "'\"`‘’“”:,;()[]{}<>=".contains(c);
    let word = line
        .split(is_border)
        .find(|word| word.starts_with('/') && word.len() > 1)?;
    Some(Path::new(word.trim_end_matches('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_was_refused_but_not_without_end() {
        let refusal = |number| format!("{number}.example: not allowed (egress.allow_hosts)");
        let all: Vec<_> = (0..6).map(refusal).collect();
        assert_eq!(refused(&[]), None);
        let one = refused(&all[..1]).unwrap();
        let told = "refused: 0.example: not allowed (egress.allow_hosts). Only";
        assert!(one.contains(told), "{one}");
        let six = refused(&all).unwrap();
        assert!(
            six.contains("3.example") && !six.contains("4.example"),
            "{six}"
        );
        assert!(six.contains("; and 2 more."), "{six}");
    }

    #[test]
    fn names_the_proxy_to_programs_that_do_not_use_it() {
        let held = Confinement {
            tier: Tier::Strict,
            layers: Vec::new(),
            unpinned: Vec::new(),
        };
        let hint = |network| {
            let reach = Reach {
                network,
                writable: Vec::new(),
                readable: Vec::new(),
            };
            infer("", "connect: Network is unreachable", &held, &reach).unwrap()
        };
        assert!(hint(Network::Proxy).contains("HTTPS_PROXY"));
        for network in [Network::None, Network::Loopback] {
            assert!(hint(network).contains("sandbox.network = \"proxy\""));
        }
    }

    #[track_caller]
    fn check(stderr: &str, expect: Option<&str>) {
        let held = Confinement {
            tier: Tier::Strict,
            layers: Vec::new(),
            unpinned: Vec::new(),
        };
        let reach = Reach {
            network: Network::None,
            writable: vec!["/w".into()],
            readable: vec!["/usr".into()],
        };
        let hint = infer("", stderr, &held, &reach);
        match expect {
            None => assert_eq!(hint, None, "{stderr}"),
            Some(part) => {
                let hint = hint.unwrap();
                assert!(hint.starts_with("inferred from the output: "), "{hint}");
                assert!(hint.contains(part), "{stderr}: {hint}");
            }
        }
    }

    #[test]
    fn names_the_likely_setting() {
        for (stderr, part) in [
            (
                "curl: (6) Could not resolve host: example.com",
                "sandbox.network",
            ),
            (
                "OSError: [Errno 97] Address family not supported by protocol",
                "sandbox.network",
            ),
            (
                "touch: cannot touch '/usr/x': Read-only file system",
                "`/usr/x` is read-only",
            ),
            (
                "sh: 1: cannot create /w/.bashrc: Permission denied",
                "`/w/.bashrc` may be a protected",
            ),
            (
                "ls: cannot access '/home/ann/x': No such file or directory",
                "tool_directories",
            ),
            (
                "cat: /srv/data: No such file or directory",
                "sandbox.system_directories",
            ),
            (
                "Error: EACCES: permission denied, open '/srv/data'",
                "`/srv/data` cannot",
            ),
            (
                "mount: only root can do that: Operation not permitted",
                "system call",
            ),
            (
                "error: could not write config file .git/config: Device or resource busy",
                "files.roots",
            ),
            (
                "sh: 0: Cannot fork: Resource temporarily unavailable",
                "limits.processes",
            ),
        ] {
            check(stderr, Some(part));
        }
    }

    #[test]
    fn says_nothing_when_nothing_points_at_the_sandbox() {
        for stderr in [
            "",
            "error[E0308]: mismatched types",
            "cat: /w/missing: No such file or directory",
            "cat: missing: No such file or directory",
            "sh: 1: foo: not found",
        ] {
            check(stderr, None);
        }
    }
}
