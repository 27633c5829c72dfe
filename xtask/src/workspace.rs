//! Where the workspace is and what cargo and git know about it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process;

/// What the servers are shipped with, and so what is tested and measured.
pub(crate) const FEATURES: &str = "--features=otlp";

/// The checkout this xtask was built from.
pub(crate) struct Workspace {
    /// Directory of the root `Cargo.toml`.
    pub(crate) root: PathBuf,
    metadata: Value,
}

/// A package of the workspace, as its manifest declares it.
pub(crate) struct Member {
    pub(crate) name: String,
    /// Directory of its manifest, relative to the root, with `/` between components.
    pub(crate) directory: String,
    /// Names of the packages it depends on, of every kind (normal, dev, build).
    pub(crate) dependencies: Vec<String>,
}

/// A package of the locked dependency graph, as it matters for licences and duplicates.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Locked {
    pub(crate) name: String,
    pub(crate) version: String,
    /// SPDX expression, when the package states one.
    pub(crate) licence: Option<String>,
}

impl Workspace {
    /// Asks cargo for the graph that is locked for Linux x86-64.
    pub(crate) fn locate() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask lives in a directory of the workspace")?
            .to_owned();
        let mut metadata = cargo(&root);
        metadata.args(["metadata", "--format-version=1", "--locked"]);
        metadata.args([FEATURES, "--filter-platform=x86_64-unknown-linux-gnu"]);
        let metadata = process::output(&mut metadata)?;
        let metadata = serde_json::from_str(&metadata).context("cargo metadata is not JSON")?;
        Ok(Self { root, metadata })
    }

    /// A cargo command that runs in the root with the toolchain xtask was started by.
    pub(crate) fn cargo(&self) -> Command {
        cargo(&self.root)
    }

    /// Where cargo builds; `CARGO_TARGET_DIR` and configuration are honoured.
    pub(crate) fn target(&self) -> Result<PathBuf> {
        let target = self
            .metadata
            .get("target_directory")
            .and_then(Value::as_str);
        Ok(PathBuf::from(
            target.context("cargo metadata names no target directory")?,
        ))
    }

    /// The packages of the workspace, sorted by name.
    pub(crate) fn members(&self) -> Result<Vec<Member>> {
        let mut members = Vec::new();
        for package in self.packages()?.iter().filter(|package| is_member(package)) {
            members.push(self.member(package)?);
        }
        members.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(members)
    }

    /// The packages under `servers/` that build a binary of their own name: one that is only a
    /// library yet cannot be run.
    pub(crate) fn servers(&self) -> Result<Vec<String>> {
        let packages = self.packages()?;
        let runs = |member: &Member| {
            let package = packages
                .iter()
                .find(|package| text(package, "name").is_ok_and(|name| name == member.name));
            package.is_some_and(builds_own_binary)
        };
        let members = self.members()?.into_iter();
        let servers = members.filter(|member| member.directory.starts_with("servers/"));
        Ok(servers.filter(runs).map(|member| member.name).collect())
    }

    /// Every package from outside the workspace that is compiled for the target, sorted by name.
    pub(crate) fn locked(&self) -> Result<Vec<Locked>> {
        let mut locked = Vec::new();
        for package in self
            .packages()?
            .iter()
            .filter(|package| !is_member(package))
        {
            locked.push(Locked {
                name: text(package, "name")?,
                version: text(package, "version")?,
                licence: text(package, "license").ok(),
            });
        }
        locked.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        Ok(locked)
    }

    /// The licence of a locked package, and where its sources are.
    pub(crate) fn source(&self, name: &str, version: &str) -> Result<(String, PathBuf)> {
        let is_it = |package: &&Value| {
            let says = |key, value| text(package, key).is_ok_and(|text| text == value);
            says("name", name) && says("version", version)
        };
        let package = self.packages()?.iter().find(is_it);
        let package = package.with_context(|| format!("{name} {version} is not locked"))?;
        let manifest = PathBuf::from(text(package, "manifest_path")?);
        let directory = manifest
            .parent()
            .context("a manifest lies in a directory")?;
        Ok((text(package, "license")?, directory.to_owned()))
    }

    /// The version of a package of the workspace.
    pub(crate) fn version(&self, name: &str) -> Result<String> {
        let is_it = |package: &&Value| {
            is_member(package) && text(package, "name").is_ok_and(|text| text == name)
        };
        let package = self.packages()?.iter().find(is_it);
        text(
            package.with_context(|| format!("there is no {name}"))?,
            "version",
        )
    }

    /// Files that are committed or would be: git's index and what `.gitignore` lets through.
    /// Relative to the root and sorted; files deleted from the work tree are left out.
    pub(crate) fn files(&self) -> Result<Vec<String>> {
        let mut git = Command::new("git");
        git.current_dir(&self.root);
        git.args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]);
        let listing = process::output(&mut git)?;
        let mut files: Vec<String> = listing
            .split_terminator('\0')
            .filter(|path| self.root.join(path).is_file())
            .map(str::to_owned)
            .collect();
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// Builds the servers' binaries in `profile` and returns the directory they land in.
    pub(crate) fn build_servers(&self, profile: &str) -> Result<PathBuf> {
        let mut build = self.cargo();
        build.args(["build", "--locked", "--profile", profile, FEATURES]);
        for server in self.servers()? {
            build.args(["--package", &server]);
        }
        process::run(&mut build)?;
        Ok(self.target()?.join(profile))
    }

    fn packages(&self) -> Result<&Vec<Value>> {
        let packages = self.metadata.get("packages").and_then(Value::as_array);
        packages.context("cargo metadata lists no packages")
    }

    fn member(&self, package: &Value) -> Result<Member> {
        let manifest = PathBuf::from(text(package, "manifest_path")?);
        let directory = manifest
            .parent()
            .context("a manifest lies in a directory")?;
        let directory = directory.strip_prefix(&self.root).unwrap_or(directory);
        let dependencies = package.get("dependencies").and_then(Value::as_array);
        let mut dependencies: Vec<String> = dependencies
            .into_iter()
            .flatten()
            .filter_map(|dependency| text(dependency, "name").ok())
            .collect();
        dependencies.sort();
        dependencies.dedup();
        Ok(Member {
            name: text(package, "name")?,
            directory: directory.to_string_lossy().into_owned(),
            dependencies,
        })
    }
}

fn cargo(root: &Path) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(root);
    command
}

/// Packages of the workspace come from a path, so they have no source.
fn is_member(package: &Value) -> bool {
    package.get("source").is_none_or(Value::is_null)
}

fn builds_own_binary(package: &Value) -> bool {
    let targets = package.get("targets").and_then(Value::as_array);
    targets.into_iter().flatten().any(|target| {
        let kinds = target.get("kind").and_then(Value::as_array);
        let is_binary = kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind == "bin"));
        is_binary && target.get("name") == package.get("name")
    })
}

fn text(package: &Value, key: &str) -> Result<String> {
    let value = package.get(key).and_then(Value::as_str);
    Ok(value
        .with_context(|| format!("cargo metadata lacks `{key}` of a package"))?
        .to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_server_builds_a_binary_of_its_own_name() {
        let package = |targets: Value| json!({"name": "a-mcp", "targets": targets});
        let library = json!({"kind": ["lib"], "name": "a_mcp"});
        let helper = json!({"kind": ["bin"], "name": "helper"});
        let server = json!({"kind": ["bin"], "name": "a-mcp"});
        assert!(builds_own_binary(&package(json!([library, server]))));
        assert!(!builds_own_binary(&package(json!([library, helper]))));
        assert!(!builds_own_binary(&package(json!([]))));
    }
}
