//! What is shipped, in one folder: programs, model, what their containers need, what packagers ask for, and a
//! list of it all.
//!
//! Programs are built with the same paths in them wherever they are built, so that two builds of one
//! commit with one compiler can be compared byte by byte.

pub(crate) mod archives;
pub(crate) mod bundles;
pub(crate) mod images;
mod licences;
mod linked;
mod manifest;
mod sbom;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::process;
use crate::workspace::{FEATURES, Workspace};

/// Separates flags in `CARGO_ENCODED_RUSTFLAGS`.
const SEPARATOR: &str = "\u{1f}";
/// The shells that have completion scripts.
const SHELLS: &[&str] = &["bash", "zsh", "fish"];
/// What the guide makes its reader put into `deploy/compose`.
const OPERATORS: &[&str] = &["secrets", ".env", "backup.db"];
/// Files of the repository that are shipped as they are.
const DOCUMENTS: &[&str] = &["LICENSE", "README.md", "CHANGELOG.md", "SECURITY.md"];

/// `cargo xtask dist [--profile PROFILE] [--repository OWNER/NAME] [--images]`: with a repository on
/// GitHub, also what the MCP registry is told of its release; with a container engine, also the images.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    let (mut profile, mut repository, mut with_images) = ("release", None, false);
    let mut args = args;
    while let [flag, rest @ ..] = args {
        args = match (flag.as_str(), rest) {
            ("--images", rest) => {
                with_images = true;
                rest
            }
            ("--profile", [name, rest @ ..]) => {
                profile = name;
                rest
            }
            ("--repository", [name, rest @ ..]) => {
                repository = Some(name.as_str());
                rest
            }
            _ => bail!(
                "usage: cargo xtask dist [--profile PROFILE] [--repository OWNER/NAME] [--images]"
            ),
        };
    }
    let out = workspace.target()?.join("dist");
    is_not_operated(&out)?;
    let built = build(workspace, profile)?;
    if out.exists() {
        fs::remove_dir_all(&out).with_context(|| format!("cannot empty {}", out.display()))?;
    }
    lay_out(workspace, &built, &out)?;
    bundle(workspace, &out, repository)?;
    if with_images {
        for server in workspace.servers()? {
            let docker = || Command::new("docker");
            archives::save(&docker, &server, &out.join("images"), &out.join("archives"))?;
        }
    }
    let files = manifest::write(workspace, profile, &out)?;
    println!("dist: {files} files in {}", out.display());
    Ok(())
}

/// Refuses a folder whose containers are operated: emptying it would delete what they were given.
fn is_not_operated(out: &Path) -> Result<()> {
    for own in OPERATORS {
        let own = out.join("deploy/compose").join(own);
        ensure!(
            fs::symlink_metadata(&own).is_err(),
            "{} would be deleted: operate the containers from a copy of this folder, and move it there",
            own.display()
        );
    }
    Ok(())
}

/// Builds the servers so that nothing in them says where; returns the directory they land in.
fn build(workspace: &Workspace, profile: &str) -> Result<PathBuf> {
    let target = workspace.target()?.join("ship");
    let cargo_home = cargo_home()?;
    let places = [
        (workspace.root.as_path(), "/build"),
        (&cargo_home, "/cargo"),
    ];
    let remap = |option: &str, separator: &str| {
        let flags = places.map(|(from, to)| format!("{option}={}={to}", from.display()));
        flags.join(separator)
    };
    let mut build = workspace.cargo();
    build.args(["build", "--locked", "--profile", profile, FEATURES]);
    for server in workspace.servers()? {
        build.args(["--package", &server]);
    }
    build.env("CARGO_TARGET_DIR", &target);
    build.env(
        "CARGO_ENCODED_RUSTFLAGS",
        remap("--remap-path-prefix", SEPARATOR),
    );
    build.env("CFLAGS", remap("-ffile-prefix-map", " "));
    process::run(&mut build)?;
    Ok(target.join(profile))
}

/// Where the sources of dependencies are.
fn cargo_home() -> Result<PathBuf> {
    if let Some(home) = std::env::var_os("CARGO_HOME") {
        return Ok(PathBuf::from(home));
    }
    let home = std::env::var_os("HOME").context("there is no home directory")?;
    Ok(Path::new(&home).join(".cargo"))
}

fn lay_out(workspace: &Workspace, built: &Path, out: &Path) -> Result<()> {
    let directory = |name: &str| -> Result<PathBuf> {
        let path = out.join(name);
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(path)
    };
    let (bin, man, completions) = (
        directory("bin")?,
        directory("man")?,
        directory("completions")?,
    );
    let (model, licences) = (directory("model")?, directory("licences")?);
    for server in workspace.servers()? {
        let program = bin.join(&server);
        images::copy(&built.join(&server), &program)?;
        process::run(Command::new(&program).arg("manual").arg(&man))?;
        for shell in SHELLS {
            let script = process::output(Command::new(&program).args(["completions", shell]))?;
            fs::write(completions.join(format!("{server}.{shell}")), script)?;
        }
        let linked = linked::packages(workspace, &server)?;
        let name = format!("{server}.cdx.json");
        fs::write(out.join(name), sbom::of(workspace, &server, &linked)?)?;
        let texts = licences::texts(&linked)?;
        fs::write(licences.join(format!("{server}.txt")), texts)?;
    }
    images::model(workspace, &model, "")?;
    images::deploy(workspace, &out.join("deploy"))?;
    images::lay_out(workspace, built, &out.join("images"))?;
    for server in workspace.servers()? {
        let share = out.join("images").join(&server).join("share");
        let texts = licences.join(format!("{server}.txt"));
        images::copy(&texts, &share.join("LICENSES-OF-PARTS.txt"))?;
    }
    for document in DOCUMENTS {
        images::copy(&workspace.root.join(document), &out.join(document))?;
    }
    Ok(())
}

/// Makes the bundles of the programs that are laid out, and what the registry is told of them.
fn bundle(workspace: &Workspace, out: &Path, repository: Option<&str>) -> Result<()> {
    let bundles = out.join("bundles");
    for server in workspace.servers()? {
        let program = out.join("bin").join(&server);
        let model = out.join("model").join(mcp_embedding::FILE_NAME);
        let model = images::has_model(&server).then_some(model.as_path());
        let licences = out.join("licences").join(format!("{server}.txt"));
        let bundle = bundles::pack(&program, model, Some(&licences), &bundles)?;
        if let Some(repository) = repository {
            let told = bundles::registered(&program, &bundle, repository)?;
            let name = bundles.join(format!("{server}.server.json"));
            fs::write(name, format!("{told:#}\n"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_secrets_is_kept() {
        let home = std::env::temp_dir().join(format!("xtask-dist-{}", std::process::id()));
        let compose = home.join("deploy/compose");
        fs::create_dir_all(&compose).unwrap();
        fs::write(compose.join("compose.yml"), "").unwrap();
        is_not_operated(&home).unwrap();
        let ignored = include_str!("../../.gitignore");
        for own in OPERATORS {
            let path = compose.join(own);
            fs::write(&path, "").unwrap();
            let refusal = is_not_operated(&home).unwrap_err().to_string();
            assert!(refusal.starts_with(path.to_str().unwrap()), "{refusal}");
            fs::remove_file(&path).unwrap();
            let line = format!("/deploy/compose/{own}");
            assert!(ignored.lines().any(|ignored| ignored == line), "{line}");
        }
        fs::remove_dir_all(&home).unwrap();
    }
}
