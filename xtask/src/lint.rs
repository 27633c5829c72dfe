//! Everything that is checked without running the servers' tests.

use std::time::Instant;

use anyhow::{Context, Result};

use crate::workspace::{FEATURES, Workspace};
use crate::{docs, licences, process, refuse_arguments, tidy};

/// One check: what is printed, and what runs.
type Check = (&'static str, fn(&Workspace) -> Result<()>);

/// The quick ones first, so that a slip is reported within seconds.
const CHECKS: &[Check] = &[
    ("format", format),
    ("tidy", |workspace| tidy::run(workspace, &[])),
    ("licences", licences::check),
    ("clippy", clippy),
    ("rustdoc", rustdoc),
    ("docs", |workspace| {
        docs::run(workspace, &["--check".to_owned()])
    }),
];

/// `cargo xtask lint`.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    refuse_arguments(args)?;
    for (name, check) in CHECKS {
        let start = Instant::now();
        check(workspace).with_context(|| format!("lint: {name}"))?;
        println!("lint {name:<9} ok ({:.1} s)", start.elapsed().as_secs_f64());
    }
    Ok(())
}

fn format(workspace: &Workspace) -> Result<()> {
    process::run(workspace.cargo().args(["fmt", "--all", "--check"]))
}

/// As it is shipped, and as `cargo build` makes it.
fn clippy(workspace: &Workspace) -> Result<()> {
    for features in [Some(FEATURES), None] {
        let mut clippy = workspace.cargo();
        clippy.args([
            "clippy",
            "--quiet",
            "--locked",
            "--workspace",
            "--all-targets",
        ]);
        process::run(clippy.args(features).args(["--", "--deny=warnings"]))?;
    }
    Ok(())
}

fn rustdoc(workspace: &Workspace) -> Result<()> {
    let mut doc = workspace.cargo();
    doc.args([
        "doc",
        "--quiet",
        "--locked",
        "--workspace",
        FEATURES,
        "--no-deps",
        "--document-private-items",
    ]);
    process::run(doc.env("RUSTDOCFLAGS", "--deny=warnings"))
}
