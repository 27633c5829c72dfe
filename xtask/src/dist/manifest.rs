//! The list of what is in the folder: for programs as JSON, for people as sums that `sha256sum -c` checks.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::process;
use crate::workspace::Workspace;

/// Writes both lists; returns how many files they have.
pub(super) fn write(workspace: &Workspace, profile: &str, out: &Path) -> Result<usize> {
    let mut files = BTreeMap::new();
    gather(out, out, &mut files)?;
    let mut sums = String::new();
    let mut listed = Vec::new();
    for (name, path) in &files {
        let bytes = fs::read(path)?;
        let sha256 = mcp_embedding::sha256(&bytes);
        writeln!(sums, "{sha256}  {name}")?;
        listed.push(json!({ "path": name, "bytes": bytes.len(), "sha256": sha256 }));
    }
    fs::write(out.join("SHA256SUMS"), sums)?;
    let manifest = json!({
        "versions": versions(workspace)?,
        "commit": commit(workspace)?,
        "compiler": process::output(Command::new("rustc").arg("--version"))?.trim(),
        "target": "x86_64-unknown-linux-gnu",
        "profile": profile,
        "files": listed,
    });
    fs::write(out.join("manifest.json"), format!("{manifest:#}\n"))?;
    Ok(files.len())
}

fn versions(workspace: &Workspace) -> Result<Value> {
    let mut versions = serde_json::Map::new();
    for server in workspace.servers()? {
        let version = workspace.version(&server)?;
        versions.insert(server, version.into());
    }
    Ok(versions.into())
}

/// The commit, and whether the work tree differs from it.
fn commit(workspace: &Workspace) -> Result<String> {
    let mut describe = Command::new("git");
    describe.current_dir(&workspace.root);
    describe.args([
        "describe",
        "--always",
        "--dirty",
        "--abbrev=40",
        "--exclude=*",
    ]);
    Ok(process::output(&mut describe)?.trim().to_owned())
}

/// All files below `directory`, by their paths relative to `out`.
fn gather(directory: &Path, out: &Path, files: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    let entries = fs::read_dir(directory);
    for entry in entries.with_context(|| format!("cannot list {}", directory.display()))? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            gather(&path, out, files)?;
        } else {
            let name = path.strip_prefix(out)?.to_string_lossy().into_owned();
            files.insert(name, path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gathers_files_by_their_relative_paths() {
        let home = std::env::temp_dir().join(format!("xtask-manifest-{}", std::process::id()));
        fs::create_dir_all(home.join("b/c")).unwrap();
        fs::write(home.join("a"), "").unwrap();
        fs::write(home.join("b/c/d"), "").unwrap();
        let mut files = BTreeMap::new();
        gather(&home, &home, &mut files).unwrap();
        assert_eq!(files.into_keys().collect::<Vec<_>>(), ["a", "b/c/d"]);
        fs::remove_dir_all(&home).unwrap();
    }
}
