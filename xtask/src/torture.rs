//! The memory under torture, for as many rounds as one likes.

use anyhow::{Context, Result, bail};

use crate::process;
use crate::workspace::Workspace;

/// What a search for a rare fault takes; the suite plays 20.
const ROUNDS: u32 = 500;

/// `cargo xtask torture [ROUNDS]`: kills processes that write and read one file, at random moments,
/// and looks for what was lost. `TORTURE_SEED` repeats the calls and moments of a run that failed.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    let rounds = match args {
        [] => ROUNDS,
        [rounds] => rounds.parse().context("ROUNDS is a number")?,
        _ => bail!("usage: cargo xtask torture [ROUNDS]"),
    };
    let mut build = workspace.cargo();
    build.args(["build", "--locked", "--profile", "ci"]);
    build.args(["--package", "a2a-unified-mcp"]);
    process::run(&mut build)?;
    let mut test = workspace.cargo();
    test.args(["test", "--locked", "--profile", "ci"]);
    test.args(["--package", "mcp-tests", "--test", "torture"]);
    test.args(["--", "killed_processes", "--nocapture"]);
    test.env("TORTURE_ROUNDS", rounds.to_string());
    process::run(&mut test)
}
