//! The test suite.
//!
//! Tests of permissions prove nothing as root: the end-to-end crate drops its privileges for
//! them by itself, so the suite is started the same way for every user.

use std::process::Command;

use anyhow::Result;

use crate::process;
use crate::workspace::{FEATURES, Workspace};

/// `cargo xtask test [RUNNER-ARGS]`: with arguments only the runner runs, with them.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    crate::model::ensure_made(workspace)?;
    // The end-to-end tests drive the binaries of the profile that they are built with.
    workspace.build_servers("ci")?;
    let mut tests = workspace.cargo();
    if has_nextest(workspace) {
        tests.args([
            "nextest",
            "run",
            "--locked",
            "--workspace",
            FEATURES,
            "--cargo-profile",
            "ci",
        ]);
    } else {
        tests.args([
            "test",
            "--locked",
            "--workspace",
            FEATURES,
            "--profile",
            "ci",
            "--lib",
            "--bins",
            "--tests",
        ]);
    }
    process::run(tests.args(args))?;
    if args.is_empty() {
        process::run(workspace.cargo().args([
            "test",
            "--locked",
            "--workspace",
            FEATURES,
            "--profile",
            "ci",
            "--doc",
        ]))?;
    }
    Ok(())
}

fn has_nextest(workspace: &Workspace) -> bool {
    let mut probe: Command = workspace.cargo();
    process::succeeds(probe.args(["nextest", "--version"]))
}
