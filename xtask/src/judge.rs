//! Outside judges: clients and conformance suites that others wrote, against the real binaries.
//!
//! Everything they need is installed at exact versions below `target/judge`; the servers and
//! their callers talk over pipes and loopback only. Each judge gets a server of its own, so none
//! spends another's rate limit, and leaves its output in `target/judge/logs`.

mod bench;
mod bundle;
mod clients;
mod conformance;
pub(crate) mod tools;
mod workflows;

use std::time::Instant;

use anyhow::{Result, bail};

use crate::workspace::Workspace;

use self::bench::{Bench, Subject};
use self::tools::Tools;

/// A judge's name and the trial it holds. What begins with `memory-` judges the server that remembers.
type Judge = (&'static str, fn(&Bench<'_>) -> Result<()>);

/// How the name of a judge of `a2a-unified-mcp` begins.
const OF_MEMORY: &str = "memory-";

const JUDGES: &[Judge] = &[
    ("inspector-stdio-legacy", clients::inspector_stdio_legacy),
    ("inspector-stdio-modern", clients::inspector_stdio_modern),
    ("inspector-http-legacy", clients::inspector_http_legacy),
    ("inspector-http-modern", clients::inspector_http_modern),
    ("mcp-stdio-legacy", clients::mcp_stdio_legacy),
    ("mcp-stdio-modern", clients::mcp_stdio_modern),
    ("mcp-http-legacy", clients::mcp_http_legacy),
    ("mcp-http-modern", clients::mcp_http_modern),
    ("fastmcp-stdio", clients::fastmcp_stdio),
    ("fastmcp-http", clients::fastmcp_http),
    ("bundle", bundle::installs),
    ("claude-stdio", clients::claude_stdio),
    ("claude-http", clients::claude_http),
    (
        "conformance-frozen-2025-11-25",
        conformance::frozen_2025_11_25,
    ),
    ("conformance-next-2025-11-25", conformance::next_2025_11_25),
    ("conformance-next-2026-07-28", conformance::next_2026_07_28),
    ("workflows", workflows::are_sound),
    (
        "memory-inspector-stdio-modern",
        clients::inspector_stdio_modern,
    ),
    (
        "memory-inspector-http-legacy",
        clients::inspector_http_legacy,
    ),
    ("memory-mcp-stdio-legacy", clients::mcp_stdio_legacy),
    ("memory-mcp-http-modern", clients::mcp_http_modern),
    ("memory-fastmcp-stdio", clients::fastmcp_stdio),
    ("memory-bundle", bundle::installs),
    ("memory-claude-stdio", clients::claude_stdio),
    ("memory-two-clients", clients::two_clients),
    (
        "memory-conformance-next-2025-11-25",
        conformance::next_2025_11_25,
    ),
    (
        "memory-conformance-next-2026-07-28",
        conformance::next_2026_07_28,
    ),
];

/// `cargo xtask judge [--list] [--binaries DIR] [NAME]...`: a name selects every judge that starts
/// with it; the servers are built first unless a directory has them, such as those about to be shipped.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    if args.iter().any(|arg| arg == "--list") {
        for (name, _) in JUDGES {
            println!("{name}");
        }
        return Ok(());
    }
    let (binaries, names) = match args {
        [flag, path, names @ ..] if flag == "--binaries" => {
            (Some(std::path::absolute(path)?), names)
        }
        names => (None, names),
    };
    let judges = select(names)?;
    let home = workspace.target()?.join("judge");
    let tools = Tools::install(&workspace.root.join("xtask/judges"), &home)?;
    let binaries = match binaries {
        Some(binaries) => binaries,
        None => workspace.build_servers("ci")?,
    };
    let model = crate::model::ensure_made(workspace)?;

    let mut failed = Vec::new();
    for (name, trial) in judges {
        let start = Instant::now();
        let subject = if name.starts_with(OF_MEMORY) {
            Subject::memory(&model)
        } else {
            Subject::omnipotent()
        };
        let bench = Bench::prepare(&tools, subject, &binaries, name)?;
        let verdict = trial(&bench);
        let seconds = start.elapsed().as_secs_f64();
        match verdict {
            Ok(()) => println!("judge {name:<30} ok ({seconds:.1} s)"),
            Err(error) => {
                println!(
                    "judge {name:<30} FAILED ({seconds:.1} s)\n{error:#}\n{}",
                    bench.log_tail()
                );
                failed.push(*name);
            }
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    bail!(
        "{} failed; their logs are in {}",
        failed.join(", "),
        home.join("logs").display()
    )
}

fn select(names: &[String]) -> Result<Vec<&'static Judge>> {
    if let Some(name) = names
        .iter()
        .find(|name| matching(std::slice::from_ref(name)).is_empty())
    {
        bail!("no judge is called {name}; `cargo xtask judge --list` names them");
    }
    Ok(if names.is_empty() {
        JUDGES.iter().collect()
    } else {
        matching(names)
    })
}

fn matching(names: &[String]) -> Vec<&'static Judge> {
    let wanted = |judge: &&Judge| names.iter().any(|name| judge.0.starts_with(name.as_str()));
    JUDGES.iter().filter(wanted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selects_by_the_start_of_a_name() {
        let check = |names: &[&str]| -> Option<Vec<&str>> {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            Some(select(&names).ok()?.iter().map(|(name, _)| *name).collect())
        };
        assert_eq!(check(&[]).map(|all| all.len()), Some(JUDGES.len()));
        assert_eq!(
            check(&["claude"]),
            Some(vec!["claude-stdio", "claude-http"])
        );
        assert_eq!(check(&["mcp-http-m"]), Some(vec!["mcp-http-modern"]));
        assert_eq!(check(&["claude", "nobody"]), None);
    }
}
