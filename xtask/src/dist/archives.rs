//! The images as archives, which `docker load` takes on a host that reaches no registry.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// Builds the image of a server from what was laid out in `contexts` and saves it in `to`, under its name and
/// `latest`. `docker` begins a command to the engine. Returns the archive.
pub(crate) fn save(
    docker: &dyn Fn() -> Command,
    server: &str,
    contexts: &Path,
    to: &Path,
) -> Result<PathBuf> {
    fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    let dockerfile = contexts.join("../deploy/docker/Dockerfile");
    let mut build = docker();
    build.args(["build", "--quiet", "--tag", server, "--build-arg"]);
    build.arg(format!("SERVER={server}"));
    build.arg("--file").arg(dockerfile);
    process::output(build.arg(contexts.join(server)))?;
    let archive = to.join(format!("{server}-image.tar"));
    let mut save = docker();
    save.arg("save").arg("--output").arg(&archive);
    process::output(save.arg(server))?;
    Ok(archive)
}
