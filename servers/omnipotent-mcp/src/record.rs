//! `omnipotent-mcp audit`: reading the record of what was done.

use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use mcp_audit::{follow, last, readable, verify};

use crate::cli::AuditCommand;

/// Reads the audit that the command names, or else that at `usual`. Fails with exit code 1 when a
/// verified audit is not whole.
pub(crate) fn run(command: &AuditCommand, usual: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let at = |named: &Option<PathBuf>| {
        let path = named.clone().or(usual);
        path.context("no home or state directory is known; name the audit's file")
    };
    let mut out = std::io::stdout().lock();
    match command {
        AuditCommand::Verify { path, expect_hash } => {
            let path = at(path)?;
            let report = verify(&path, *expect_hash)?;
            write!(out, "{}: {report}", path.display())?;
            Ok(if report.findings.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
        AuditCommand::Tail {
            path,
            lines,
            follow: goes_on,
            json,
        } => {
            let path = at(path)?;
            let mut show = |line: &str| {
                if *json {
                    writeln!(out, "{line}")
                } else {
                    writeln!(out, "{}", readable(line))
                }
            };
            let shown = last(&path, *lines)?.iter().try_for_each(|line| show(line));
            match shown {
                // A reader may stop early, as `head` does.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
                shown => {
                    shown?;
                    if *goes_on {
                        follow(&path, show)?;
                    }
                }
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}
