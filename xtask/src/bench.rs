//! Speed and memory of the built server beside two reference servers, as a report.
//!
//! The references are examples of the tests' package: `bare_rmcp` is the least a server on the
//! same SDK can be, `floor` the least a process that answers can be; `fetch` and `open` hold the way
//! out and the roots against what they are made of. Ratios are taken in one run, in rounds where
//! the contenders take turns, so that the machine's moods hit them alike.

mod calls;
mod files;
mod load;
mod machine;
mod memory;
mod one_core;
mod pages;
mod place;
mod report;
pub(crate) mod session;
mod start;
mod turns;
mod web;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::workspace::Workspace;
use place::Place;
use report::{Conditions, Row};

/// A group of rows that share what they set up.
type Group = (&'static str, fn(&Place) -> Result<Vec<Row>>);

const GROUPS: &[Group] = &[
    ("start", start::rows),
    ("calls", calls::rows),
    ("files", files::rows),
    ("machine", machine::rows),
    ("web", web::rows),
];

/// What the user asked for.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    profile: String,
    /// Measure the programs in this directory instead of building them.
    built: Option<PathBuf>,
    json: Option<PathBuf>,
    /// Groups to measure; none for all.
    groups: Vec<String>,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self> {
        let mut options = Self {
            profile: "release".to_owned(),
            built: None,
            json: None,
            groups: Vec::new(),
        };
        let mut args = args.iter();
        while let Some(flag) = args.next() {
            let mut value = || {
                args.next()
                    .cloned()
                    .with_context(|| format!("{flag} needs a value"))
            };
            match flag.as_str() {
                "--profile" => options.profile = value()?,
                "--built" => options.built = Some(value()?.into()),
                "--json" => options.json = Some(value()?.into()),
                group if GROUPS.iter().any(|(name, _)| *name == group) => {
                    options.groups.push(group.to_owned());
                }
                _ => bail!("unexpected argument: {flag}"),
            }
        }
        Ok(options)
    }

    fn wants(&self, group: &str) -> bool {
        self.groups.is_empty() || self.groups.iter().any(|wanted| wanted == group)
    }
}

/// `cargo xtask bench [--profile PROFILE] [--built DIR] [--json FILE] [GROUP]...`. A goal that is missed is
/// reported and no failure; what could not be measured is.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    let options = Options::parse(args)?;
    let binaries = match &options.built {
        Some(directory) => fs::canonicalize(directory)
            .with_context(|| format!("cannot find {}", directory.display()))?,
        None => build(workspace, &options.profile)?,
    };
    let place = Place::prepare(&workspace.target()?.join("bench"), &binaries)?;

    let conditions = Conditions::now(match &options.built {
        Some(directory) => directory.display().to_string(),
        None => format!("profile {}", options.profile),
    })?;

    let mut rows = Vec::new();
    let mut unmeasured = Vec::new();
    for (name, measure) in GROUPS.iter().filter(|(name, _)| options.wants(name)) {
        eprintln!("measuring {name}");
        match measure(&place) {
            Ok(measured) => rows.extend(measured),
            Err(error) => unmeasured.push(format!("{name}: {error:#}")),
        }
    }

    println!("{}", report::markdown(&conditions, &rows));
    if let Some(file) = &options.json {
        let text = format!("{:#}\n", report::json(&conditions, &rows));
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    if unmeasured.is_empty() {
        return Ok(());
    }
    bail!("not measured\n{}", unmeasured.join("\n"))
}

/// Builds the server as it is shipped, and after that the references: built together they would
/// share the features of the tests' dependencies.
fn build(workspace: &Workspace, profile: &str) -> Result<PathBuf> {
    for target in [
        ["--package=omnipotent-mcp", "--bin=omnipotent-mcp"].as_slice(),
        [
            "--package=mcp-tests",
            "--example=floor",
            "--example=bare_rmcp",
            "--example=fetch",
            "--example=open",
        ]
        .as_slice(),
    ] {
        let mut build = workspace.cargo();
        build
            .args(["build", "--locked", "--profile", profile])
            .args(target);
        process::run(&mut build)?;
    }
    let directory = if profile == "dev" { "debug" } else { profile };
    Ok(workspace.target()?.join(directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_its_options_and_names_what_it_does_not_know() {
        let parse = |line: &str| {
            let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            Options::parse(&args).map_err(|error| error.to_string())
        };
        let default = Options {
            profile: "release".to_owned(),
            built: None,
            json: None,
            groups: Vec::new(),
        };
        assert_eq!(parse(""), Ok(default));
        let all = Options {
            profile: "ci".to_owned(),
            built: Some("target/ci".into()),
            json: Some("bench.json".into()),
            groups: vec!["calls".to_owned(), "web".to_owned()],
        };
        assert_eq!(
            parse("--profile ci --built target/ci --json bench.json calls web"),
            Ok(all)
        );
        assert_eq!(parse("--json"), Err("--json needs a value".to_owned()));
        assert_eq!(
            parse("--jsn x"),
            Err("unexpected argument: --jsn".to_owned())
        );
    }
}
