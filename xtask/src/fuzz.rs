//! Fuzzing of the parsers of hostile text, for as long as one likes.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::workspace::Workspace;

/// How long a target is fuzzed when nothing is said.
const SECONDS: &str = "60";

/// `cargo xtask fuzz TARGET [--seconds N]`: finds go to `tests/fuzz/libfuzzer/artifacts`; what is
/// worth keeping is moved to `tests/fuzz/corpus/TARGET` by hand.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    let (target, seconds) = match args {
        [target] => (target, SECONDS),
        [target, flag, seconds] if flag == "--seconds" => (target, seconds.as_str()),
        _ => bail!("usage: cargo xtask fuzz TARGET [--seconds N]"),
    };
    let seconds: u32 = seconds.parse().context("--seconds takes a number")?;
    // The compiler of the workspace is stable, so rustup is asked for the other one.
    let mut fuzz = Command::new("rustup");
    fuzz.current_dir(&workspace.root);
    fuzz.args(["run", "nightly", "cargo", "fuzz", "run"]);
    fuzz.args(["--fuzz-dir", "tests/fuzz/libfuzzer", target]);
    // New inputs are kept in the first directory, which is not under version control.
    fuzz.arg(format!("tests/fuzz/libfuzzer/corpus/{target}"));
    fuzz.arg(format!("tests/fuzz/corpus/{target}"));
    fuzz.args(["--", &format!("-max_total_time={seconds}")]);
    process::run(&mut fuzz).context("is cargo-fuzz there? `cargo install cargo-fuzz`")
}
