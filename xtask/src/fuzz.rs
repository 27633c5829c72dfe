//! Fuzzing of the parsers of hostile text, for as long as one likes.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::workspace::Workspace;

/// How long a target is fuzzed when nothing is said.
const SECONDS: &str = "60";

/// The only platform of the servers. Named, so that build scripts are not instrumented too.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// Edge coverage with counters, and the values that are compared (`SanitizerCoverage` in Clang's
/// documentation): what libFuzzer is guided by. Stable compilers have it.
const INSTRUMENTED: &str = "--cfg fuzzing -Cdebug-assertions -Ccodegen-units=1 \
    -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// `cargo xtask fuzz TARGET [--seconds N]`: builds the target with libFuzzer (a C++ compiler is
/// needed) and runs it on the committed corpus and on what it found before. Finds and new inputs
/// are below `target/fuzz`; what is worth keeping is moved to `tests/fuzz/corpus/TARGET` by hand.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    let (target, seconds) = match args {
        [target] => (target, SECONDS),
        [target, flag, seconds] if flag == "--seconds" => (target, seconds.as_str()),
        _ => bail!("usage: cargo xtask fuzz TARGET [--seconds N]"),
    };
    let seconds: u32 = seconds.parse().context("--seconds takes a number")?;
    let build = workspace.target()?.join("fuzz");
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--release", "--bin", target]);
    cargo.args(["--target", PLATFORM]);
    cargo.args(["--manifest-path", "tests/fuzz/libfuzzer/Cargo.toml"]);
    cargo.env("CARGO_TARGET_DIR", &build);
    cargo.env("RUSTFLAGS", INSTRUMENTED);
    process::run(&mut cargo)?;

    let (found, corpus) = (build.join("finds"), build.join("corpus").join(target));
    fs::create_dir_all(&found)?;
    fs::create_dir_all(&corpus)?;
    let mut fuzzer = Command::new(build.join(PLATFORM).join("release").join(target));
    fuzzer.current_dir(&workspace.root);
    fuzzer.arg(format!("-max_total_time={seconds}"));
    fuzzer.arg(format!("-artifact_prefix={}/", found.display()));
    // New inputs are kept in the first directory.
    fuzzer
        .arg(corpus)
        .arg(format!("tests/fuzz/corpus/{target}"));
    process::run(&mut fuzzer)
}
