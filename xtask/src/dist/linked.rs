//! The packages that a server is made of.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use toml::{Table, Value};

use crate::process;
use crate::workspace::{FEATURES, Workspace};

/// A package from outside the workspace that is linked into a server, or expands its code.
pub(super) struct Linked {
    pub(super) name: String,
    pub(super) version: String,
    /// SPDX expression.
    pub(super) licence: String,
    /// Where its sources are.
    pub(super) directory: PathBuf,
    /// Of the archive in the registry.
    pub(super) sha256: String,
}

/// Those of one server with the features that it is built with, sorted by name; what only builds or tests it
/// is left out.
pub(super) fn packages(workspace: &Workspace, server: &str) -> Result<Vec<Linked>> {
    let mut tree = workspace.cargo();
    tree.args(["tree", "--locked", "--package", server, "--edges", "normal"]);
    tree.args([FEATURES, "--target", "x86_64-unknown-linux-gnu"]);
    tree.args(["--prefix", "none", "--format", "{p}"]);
    let tree = process::output(&mut tree)?;
    let sums = checksums(workspace)?;
    let mut linked = Vec::new();
    for (name, version) in in_tree(&tree) {
        // Only packages of registries have a sum; the others are the workspace's own.
        let Some(sha256) = sums.get(&(name.clone(), version.clone())) else {
            continue;
        };
        let (licence, directory) = workspace.source(&name, &version)?;
        linked.push(Linked {
            name,
            version,
            licence,
            directory,
            sha256: sha256.clone(),
        });
    }
    Ok(linked)
}

/// Names and versions in the listing of `cargo tree`, each once and sorted.
fn in_tree(listing: &str) -> Vec<(String, String)> {
    let package = |line: &str| {
        let (name, rest) = line.split_once(" v")?;
        let version = rest.split(' ').next()?;
        Some((name.to_owned(), version.to_owned()))
    };
    let mut packages: Vec<_> = listing.lines().filter_map(package).collect();
    packages.sort();
    packages.dedup();
    packages
}

/// The sums of `Cargo.lock` by name and version.
fn checksums(workspace: &Workspace) -> Result<BTreeMap<(String, String), String>> {
    let lock: Table = fs::read_to_string(workspace.root.join("Cargo.lock"))?.parse()?;
    let packages = lock.get("package").and_then(Value::as_array);
    let packages = packages.context("Cargo.lock lists no packages")?.iter();
    let sum = |package: &Value| {
        let field = |name| Some(package.get(name)?.as_str()?.to_owned());
        Some(((field("name")?, field("version")?), field("checksum")?))
    };
    Ok(packages.filter_map(sum).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_listing_of_a_tree() {
        let listing = "a-mcp v0.1.0 (/build/a)\nserde v1.0.2\nserde_derive v1.0.2 (proc-macro)\n\
                       serde v1.0.2 (*)\n\n";
        let pair = |name: &str, version: &str| (name.to_owned(), version.to_owned());
        let expected = [
            pair("a-mcp", "0.1.0"),
            pair("serde", "1.0.2"),
            pair("serde_derive", "1.0.2"),
        ];
        assert_eq!(in_tree(listing), expected);
    }
}
