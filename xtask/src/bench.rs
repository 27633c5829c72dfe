//! Speed and memory of the built servers beside reference programs, as a report.
//!
//! The references are examples of the tests' package: `bare_rmcp` is the least a server on the
//! same SDK can be, `floor` the least a process that answers can be; `fetch` and `open` hold the way
//! out and the roots against what they are made of, `raw_sqlite` holds the store against its library.
//! Ratios are taken in one run, in rounds where
//! the contenders take turns, so that the machine's moods hit them alike.

mod calls;
mod files;
mod knowledge;
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
use crate::workspace::{FEATURES, Workspace};
use place::Place;
use report::{Conditions, Row};

/// Rows that share what they set up.
struct Group {
    name: &'static str,
    measure: fn(&Place) -> Result<Vec<Row>>,
    /// What it needs to have built.
    programs: &'static [Package],
}

/// Arguments of `cargo build`. What is built together shares the features of its dependencies, so what
/// is shipped is built alone.
type Package = &'static [&'static str];

const SERVER: Package = &["--package=omnipotent-mcp", "--bin=omnipotent-mcp", FEATURES];
const REFERENCES: Package = &[
    "--package=mcp-tests",
    "--example=floor",
    "--example=bare_rmcp",
    "--example=fetch",
    "--example=open",
];
const MEMORY: Package = &[
    "--package=a2a-unified-mcp",
    "--bin=a2a-unified-mcp",
    FEATURES,
];
const STORES: Package = &[
    "--package=a2a-unified-mcp",
    "--example=raw_sqlite",
    "--example=corpus",
];
const MODEL: Package = &["--package=mcp-embedding", "--example=embed"];

const FIRST: &[Package] = &[SERVER, REFERENCES];
const SECOND: &[Package] = &[SERVER, MEMORY, STORES];

const GROUPS: &[Group] = &[
    Group::new("start", start::rows, FIRST),
    Group::new("calls", calls::rows, FIRST),
    Group::new("files", files::rows, FIRST),
    Group::new("machine", machine::rows, FIRST),
    Group::new("web", web::rows, FIRST),
    Group::new("rest", knowledge::rest, SECOND),
    Group::new("writes", knowledge::writes, SECOND),
    Group::new("searches", knowledge::searches, SECOND),
    Group::new("meaning", knowledge::meaning, &[MEMORY, STORES, MODEL]),
];

impl Group {
    const fn new(
        name: &'static str,
        measure: fn(&Place) -> Result<Vec<Row>>,
        programs: &'static [Package],
    ) -> Self {
        Self {
            name,
            measure,
            programs,
        }
    }
}

/// What the user asked for.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    profile: String,
    /// Measure the programs in this directory instead of building them.
    built: Option<PathBuf>,
    json: Option<PathBuf>,
    /// The embedding model, where `cargo xtask model` does not put it.
    model: Option<PathBuf>,
    /// Search a million entries too, which takes minutes to prepare.
    million: bool,
    /// Groups to measure; none for all.
    groups: Vec<String>,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self> {
        let mut options = Self {
            profile: "release".to_owned(),
            built: None,
            json: None,
            model: None,
            million: false,
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
                "--model" => options.model = Some(value()?.into()),
                "--million" => options.million = true,
                name if GROUPS.iter().any(|group| group.name == name) => {
                    options.groups.push(name.to_owned());
                }
                _ => bail!("unexpected argument: {flag}"),
            }
        }
        Ok(options)
    }

    fn wanted(&self) -> impl Iterator<Item = &'static Group> {
        GROUPS.iter().filter(|group| {
            self.groups.is_empty() || self.groups.iter().any(|wanted| wanted == group.name)
        })
    }
}

/// `cargo xtask bench [--profile PROFILE] [--built DIR] [--json FILE] [--model FILE] [--million]
/// [GROUP]...`. A goal that is missed is
/// reported and no failure; what could not be measured is.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    let options = Options::parse(args)?;
    let binaries = match &options.built {
        Some(directory) => fs::canonicalize(directory)
            .with_context(|| format!("cannot find {}", directory.display()))?,
        None => build(workspace, &options)?,
    };
    let target = workspace.target()?;
    let mut place = Place::prepare(&target.join("bench"), &binaries)?;
    let made = target.join("model").join(mcp_embedding::FILE_NAME);
    place.model = match &options.model {
        Some(model) => Some(fs::canonicalize(model).context("cannot find the model")?),
        None => Some(made).filter(|model| model.is_file()),
    };
    place.million = options.million;

    let conditions = Conditions::now(match &options.built {
        Some(directory) => directory.display().to_string(),
        None => format!("profile {}", options.profile),
    })?;

    let mut rows = Vec::new();
    let mut unmeasured = Vec::new();
    for group in options.wanted() {
        eprintln!("measuring {}", group.name);
        match (group.measure)(&place) {
            Ok(measured) => rows.extend(measured),
            Err(error) => unmeasured.push(format!("{}: {error:#}", group.name)),
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

/// Builds what the groups need, the servers as they are shipped.
fn build(workspace: &Workspace, options: &Options) -> Result<PathBuf> {
    let mut packages: Vec<Package> = Vec::new();
    for package in options.wanted().flat_map(|group| group.programs) {
        if !packages.contains(package) {
            packages.push(package);
        }
    }
    let profile = options.profile.as_str();
    for package in packages {
        let mut build = workspace.cargo();
        build
            .args(["build", "--locked", "--profile", profile])
            .args(package);
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
            model: None,
            million: false,
            groups: Vec::new(),
        };
        assert_eq!(parse(""), Ok(default));
        let all = Options {
            profile: "ci".to_owned(),
            built: Some("target/ci".into()),
            json: Some("bench.json".into()),
            model: Some("m.safetensors".into()),
            million: true,
            groups: vec!["calls".to_owned(), "web".to_owned()],
        };
        assert_eq!(
            parse(
                "--profile ci --built target/ci --json bench.json --model m.safetensors --million calls web"
            ),
            Ok(all)
        );
        assert_eq!(parse("--json"), Err("--json needs a value".to_owned()));
        assert_eq!(
            parse("--jsn x"),
            Err("unexpected argument: --jsn".to_owned())
        );
    }
}
