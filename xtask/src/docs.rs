//! The tables of `README.md` and the dashboards that come from the servers themselves.
//!
//! A block starts at `<!-- generated:NAME -->` and ends at the next `<!-- /generated -->`; what
//! lies between is replaced by what `reference`, a sub-command of each server, says.

mod dashboards;
mod tables;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::workspace::Workspace;
use crate::{only_flag, process};

const DOCUMENT: &str = "README.md";
const OMNIPOTENT: &str = "omnipotent-mcp";
const A2A: &str = "a2a-unified-mcp";
const CLOSING: &str = "<!-- /generated -->";

/// A block's name, the server that knows, and what fills it from what the server says.
type Block = (&'static str, &'static str, fn(&Value) -> Result<String>);

const BLOCKS: &[Block] = &[
    ("tools", OMNIPOTENT, tables::tools),
    ("config", OMNIPOTENT, tables::config),
    ("command-rules", OMNIPOTENT, tables::command_rules),
    ("metrics", OMNIPOTENT, tables::metrics),
    ("memory-tools", A2A, tables::tools),
    ("memory-config", A2A, tables::config),
    ("memory-prompts", A2A, tables::prompts),
];

/// What each server says of itself, by its package.
type References = BTreeMap<&'static str, Value>;

/// `cargo xtask docs [--check]`.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    let check = only_flag(args, "--check")?;
    let binaries = workspace.build_servers("ci")?;
    let mut references = References::new();
    for package in [OMNIPOTENT, A2A] {
        let printed = process::output(Command::new(binaries.join(package)).arg("reference"))?;
        let reference = serde_json::from_str(&printed);
        references.insert(package, reference.context("the reference is not JSON")?);
    }

    let path = workspace.root.join(DOCUMENT);
    let old = fs::read_to_string(&path).with_context(|| format!("cannot read {DOCUMENT}"))?;
    let (new, stale) = regenerate(&old, &references)?;
    if check && !stale.is_empty() {
        bail!(
            "{DOCUMENT} is stale ({}): run `cargo xtask docs`",
            stale.join(", ")
        );
    }
    if !stale.is_empty() {
        fs::write(&path, new).with_context(|| format!("cannot write {DOCUMENT}"))?;
        println!("{DOCUMENT}: rewrote {}", stale.join(", "));
    }
    let reference = references
        .get(OMNIPOTENT)
        .context("a server says nothing")?;
    let directory = workspace.root.join(dashboards::DIRECTORY);
    keep_dashboards(&directory, dashboards::render(reference)?, check)
}

/// Writes the dashboards that are not as they should be, or fails for one that is not.
fn keep_dashboards(directory: &Path, rendered: Vec<(String, String)>, check: bool) -> Result<()> {
    for (name, text) in rendered {
        let path = directory.join(&name);
        if fs::read_to_string(&path).is_ok_and(|old| old == text) {
            continue;
        }
        if check {
            bail!("{} is stale: run `cargo xtask docs`", path.display());
        }
        fs::create_dir_all(directory)?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}: rewrote {name}", dashboards::DIRECTORY);
    }
    Ok(())
}

/// The document with every block filled, and the names of the blocks that changed.
fn regenerate(document: &str, references: &References) -> Result<(String, Vec<&'static str>)> {
    let mut text = document.to_owned();
    let mut stale = Vec::new();
    for (name, package, render) in BLOCKS {
        let opening = opening(name);
        let Some((before, rest)) = text.split_once(&opening) else {
            continue;
        };
        let (old, after) = rest
            .split_once(CLOSING)
            .with_context(|| format!("the block `{name}` of {DOCUMENT} is not closed"))?;
        let reference = references.get(package).context("a server says nothing")?;
        let new = render(reference).with_context(|| format!("block `{name}`"))?;
        let new = format!("\n{}\n", new.trim_end());
        if old != new {
            stale.push(*name);
            text = [before, &opening, &new, CLOSING, after].concat();
        }
    }
    refuse_unknown_blocks(&text)?;
    Ok((text, stale))
}

/// A misspelt name would otherwise stay as it is for ever.
fn refuse_unknown_blocks(text: &str) -> Result<()> {
    for rest in text.split("<!-- generated:").skip(1) {
        let name = rest.split(" -->").next().unwrap_or_default();
        if !BLOCKS.iter().any(|(known, ..)| *known == name) {
            bail!("{DOCUMENT} has an unknown block `{name}`");
        }
    }
    Ok(())
}

fn opening(name: &str) -> String {
    format!("<!-- generated:{name} -->")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references() -> References {
        References::from([(OMNIPOTENT, serde_json::json!({ "metrics": [] }))])
    }

    #[test]
    fn fills_a_block_once_and_leaves_the_rest_alone() {
        let document = "# Title\n<!-- generated:metrics -->old<!-- /generated -->\nThe end\n";
        let (filled, stale) = regenerate(document, &references()).unwrap();
        let expected = "# Title\n<!-- generated:metrics -->\n\
                        | Metric | Kind | Labels | Meaning |\n| --- | --- | --- | --- |\n\
                        <!-- /generated -->\nThe end\n";
        assert_eq!((filled.as_str(), stale), (expected, vec!["metrics"]));
        assert_eq!(
            regenerate(&filled, &references()).unwrap(),
            (filled.clone(), vec![])
        );
    }

    #[test]
    fn names_the_block_that_is_at_fault() {
        let check = |document: &str, expected: &str| {
            let error = regenerate(document, &references()).unwrap_err();
            assert_eq!(format!("{error:#}"), expected);
        };
        check(
            "<!-- generated:metrics -->",
            "the block `metrics` of README.md is not closed",
        );
        check(
            "<!-- generated:tool --><!-- /generated -->",
            "README.md has an unknown block `tool`",
        );
        check(
            "<!-- generated:tools --><!-- /generated -->",
            "block `tools`: the reference lacks `tools`",
        );
    }
}
