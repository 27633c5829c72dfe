//! `omnipotent-mcp audit`: reading the record of what was done.

use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use mcp_audit::{AuditError, follow, last, readable, verify};

use crate::cli::AuditCommand;

/// The audit cannot be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    /// It cannot be read.
    #[error("audit")]
    Unread(#[from] AuditError),
    /// What was read cannot be printed.
    #[error("cannot print")]
    Unprinted(#[from] io::Error),
}

/// Reads the audit that the command names, or else that at `usual`. Fails with exit code 1 when a
/// verified audit is not whole.
pub(crate) fn run(command: &AuditCommand, usual: Option<PathBuf>) -> Result<ExitCode, RecordError> {
    let at = |named: &Option<PathBuf>| named.clone().or(usual).ok_or(AuditError::NoPlace);
    let mut out = io::stdout().lock();
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
