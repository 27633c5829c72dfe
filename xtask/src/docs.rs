//! The tables of `README.md` that come from the server itself.
//!
//! A block starts at `<!-- generated:NAME -->` and ends at the next `<!-- /generated -->`; what
//! lies between is replaced by what `omnipotent-mcp reference` says.

mod tables;

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::workspace::Workspace;
use crate::{only_flag, process};

const DOCUMENT: &str = "README.md";
const PACKAGE: &str = "omnipotent-mcp";
const CLOSING: &str = "<!-- /generated -->";

/// A block's name and what fills it.
type Block = (&'static str, fn(&Value) -> Result<String>);

const BLOCKS: &[Block] = &[
    ("tools", tables::tools),
    ("config", tables::config),
    ("command-rules", tables::command_rules),
    ("metrics", tables::metrics),
];

/// `cargo xtask docs [--check]`.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    let check = only_flag(args, "--check")?;
    let binary = workspace.build_servers("ci")?.join(PACKAGE);
    let reference = process::output(Command::new(binary).arg("reference"))?;
    let reference: Value = serde_json::from_str(&reference).context("the reference is not JSON")?;

    let path = workspace.root.join(DOCUMENT);
    let old = fs::read_to_string(&path).with_context(|| format!("cannot read {DOCUMENT}"))?;
    let (new, stale) = regenerate(&old, &reference)?;
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
    Ok(())
}

/// The document with every block filled, and the names of the blocks that changed.
fn regenerate(document: &str, reference: &Value) -> Result<(String, Vec<&'static str>)> {
    let mut text = document.to_owned();
    let mut stale = Vec::new();
    for (name, render) in BLOCKS {
        let opening = opening(name);
        let Some((before, rest)) = text.split_once(&opening) else {
            continue;
        };
        let (old, after) = rest
            .split_once(CLOSING)
            .with_context(|| format!("the block `{name}` of {DOCUMENT} is not closed"))?;
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
        if !BLOCKS.iter().any(|(known, _)| *known == name) {
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

    fn reference() -> Value {
        serde_json::json!({ "metrics": [] })
    }

    #[test]
    fn fills_a_block_once_and_leaves_the_rest_alone() {
        let document = "# Title\n<!-- generated:metrics -->old<!-- /generated -->\nThe end\n";
        let (filled, stale) = regenerate(document, &reference()).unwrap();
        let expected = "# Title\n<!-- generated:metrics -->\n\
                        | Metric | Kind | Labels | Meaning |\n| --- | --- | --- | --- |\n\
                        <!-- /generated -->\nThe end\n";
        assert_eq!((filled.as_str(), stale), (expected, vec!["metrics"]));
        assert_eq!(
            regenerate(&filled, &reference()).unwrap(),
            (filled.clone(), vec![])
        );
    }

    #[test]
    fn names_the_block_that_is_at_fault() {
        let check = |document: &str, expected: &str| {
            let error = regenerate(document, &reference()).unwrap_err();
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
