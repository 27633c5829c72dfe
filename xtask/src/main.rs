//! The workspace's chores: `cargo xtask` lists them.
//!
//! It compiles in seconds, so it depends on little: no argument parser, no async runtime.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command for people: its answer goes to the terminal"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "builds, runs and inspects the workspace; no call of a client ever reaches it"
)]

mod bench;
mod dist;
mod docs;
mod eval;
mod fuzz;
mod http;
mod judge;
mod licences;
mod lint;
mod model;
mod process;
mod server;
mod stack;
mod suite;
mod tidy;
mod torture;
mod up;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::workspace::Workspace;

/// One sub-command: what the user types, what help says, and what it runs.
struct Chore {
    name: &'static str,
    options: &'static str,
    summary: &'static str,
    run: fn(&Workspace, &[String]) -> Result<()>,
}

const CHORES: &[Chore] = &[
    Chore {
        name: "up",
        options: "[--release]",
        summary: "build every server, start it on loopback, say how to connect; Ctrl-C stops all",
        run: up::run,
    },
    Chore {
        name: "ci",
        options: "",
        summary: "lint, test and judge; a change must pass stack test too",
        run: ci,
    },
    Chore {
        name: "lint",
        options: "",
        summary: "format, clippy, tidy, rustdoc, licences, generated docs",
        run: lint::run,
    },
    Chore {
        name: "tidy",
        options: "[--notes]",
        summary: "the house rules no compiler knows: layers, manifests, words, file sizes",
        run: tidy::run,
    },
    Chore {
        name: "test",
        options: "[RUNNER-ARGS]",
        summary: "the test suite (nextest when installed), then the documentation examples",
        run: suite::run,
    },
    Chore {
        name: "model",
        options: "",
        summary: "the embedding model, made from the published weights: 24 MB in target/model",
        run: model::run,
    },
    Chore {
        name: "fuzz",
        options: "TARGET [--seconds N]",
        summary: "fuzz a parser of hostile text (needs a C++ compiler)",
        run: fuzz::run,
    },
    Chore {
        name: "torture",
        options: "[ROUNDS]",
        summary: "kill processes that share one memory, for 500 rounds or as many as are named",
        run: torture::run,
    },
    Chore {
        name: "judge",
        options: "[--list] [--binaries DIR] [NAME]...",
        summary: "outside clients and conformance suites against the built servers",
        run: judge::run,
    },
    Chore {
        name: "dist",
        options: "[--profile P] [--repository OWNER/NAME] [--images]",
        summary: "what is shipped, in target/dist: programs, model, bundles, images' contexts, sums, SBOM",
        run: dist::run,
    },
    Chore {
        name: "stack",
        options: "test [--built DIR]",
        summary: "the containers of deploy/ on a container engine of their own (needs root)",
        run: stack::run,
    },
    Chore {
        name: "bench",
        options: "[--profile P | --built DIR] [--json FILE] [GROUP]...",
        summary: "speed and memory of the server beside reference servers, as a table",
        run: bench::run,
    },
    Chore {
        name: "eval",
        options: "--data DIR [--mode MODE]...",
        summary: "how well search_knowledge finds what people judged relevant, by mode",
        run: eval::run,
    },
    Chore {
        name: "docs",
        options: "[--check]",
        summary: "rewrite the generated tables of README.md and the dashboards, or fail when one is stale",
        run: docs::run,
    },
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: &[String]) -> Result<()> {
    let Some((name, rest)) = args.split_first() else {
        help();
        return Ok(());
    };
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        help();
        return Ok(());
    }
    let Some(chore) = CHORES.iter().find(|chore| chore.name == name) else {
        bail!("no such chore: {name}; `cargo xtask` lists them");
    };
    (chore.run)(&Workspace::locate()?, rest)
}

fn help() {
    println!("Usage: cargo xtask CHORE [OPTIONS]\n");
    for chore in CHORES {
        let usage = format!("{} {}", chore.name, chore.options);
        println!("  {usage:<42} {}", chore.summary);
    }
}

fn ci(workspace: &Workspace, args: &[String]) -> Result<()> {
    refuse_arguments(args)?;
    lint::run(workspace, &[])?;
    suite::run(workspace, &[])?;
    judge::run(workspace, &[])
}

/// For chores that take no argument.
fn refuse_arguments(args: &[String]) -> Result<()> {
    match args.first() {
        None => Ok(()),
        Some(arg) => bail!("unexpected argument: {arg}"),
    }
}

/// For chores with one optional flag: whether it was given.
fn only_flag(args: &[String], flag: &str) -> Result<bool> {
    match args {
        [] => Ok(false),
        [arg] if arg == flag => Ok(true),
        [arg, ..] => bail!("unexpected argument: {arg}; the one option is {flag}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_its_one_flag_and_nothing_else() {
        let check = |args: &[&str]| {
            let args: Vec<String> = args.iter().map(ToString::to_string).collect();
            only_flag(&args, "--check").ok()
        };
        assert_eq!(check(&[]), Some(false));
        assert_eq!(check(&["--check"]), Some(true));
        assert_eq!(check(&["--chekc"]), None);
        assert_eq!(check(&["--check", "more"]), None);
    }

    #[test]
    fn names_an_unknown_chore() {
        let error = dispatch(&["tidyy".to_owned()]).unwrap_err();
        assert!(error.to_string().contains("tidyy"));
    }
}
