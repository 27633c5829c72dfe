//! A Docker engine of the test's own: its data, its socket, its networks, its end.

use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::images;
use crate::process::{self, Grouped};

/// From start to an engine that listens, and from SIGTERM to its end.
const PATIENCE: Duration = Duration::from_mins(1);
/// For one command to the engine; stopping a container takes up to ten seconds.
pub(super) const LIMIT: Duration = Duration::from_mins(2);
/// For packages to be installed or unpacked.
pub(super) const INSTALL_LIMIT: Duration = Duration::from_mins(10);
const POLL: Duration = Duration::from_millis(100);

/// Networks of the test's engine; nobody routes them.
const NETWORKS: &str = "base=10.213.0.0/16,size=24";

/// The programs that are needed, each with the Debian package it is in.
const PROGRAMS: &[(&str, &str)] = &[
    ("dockerd", "docker.io"),
    ("docker", "docker.io"),
    ("docker-compose", "docker-compose"),
    ("runc", "runc"),
    ("mmdebstrap", "mmdebstrap"),
    ("setpriv", "util-linux"),
    ("shellcheck", "shellcheck"),
];

/// A container with the limits and the root of the real ones, which not every machine can start.
const PROBE: [&str; 9] = [
    "run",
    "--rm",
    "--read-only",
    "--memory",
    "64m",
    "--cpus",
    "1",
    images::BASE,
    "true",
];

/// A running engine; dropping it kills it with all its containers.
pub(super) struct Engine {
    process: Option<Grouped>,
    runtime: PathBuf,
    log: PathBuf,
    is_old: bool,
}

impl Engine {
    /// Starts an engine that has the base images and runs containers; an error says what this machine
    /// has not got for it.
    pub(super) fn start(home: &Path) -> Result<Self> {
        ensure!(rustix::process::geteuid().is_root(), "an engine needs root");
        fs::create_dir_all(home).with_context(|| format!("cannot create {}", home.display()))?;
        let log = home.join("engine.log");
        fs::write(&log, "")?;
        install_missing(&log)?;
        let version = process::output_within(Command::new("dockerd").arg("--version"), LIMIT)?;
        // Short, because paths of sockets are.
        let runtime = PathBuf::from(format!("/run/xtask-stack-{}", std::process::id()));
        fs::create_dir_all(&runtime)?;
        let output = File::options().append(true).open(&log)?;
        // It ends, and its containers with it, even when this process is killed.
        let mut dockerd = Command::new("setpriv");
        dockerd.args(["--pdeathsig", "TERM", "dockerd"]);
        dockerd.arg("--data-root").arg(home.join("engine"));
        dockerd.arg("--exec-root").arg(runtime.join("exec"));
        dockerd.arg("--pidfile").arg(runtime.join("pid"));
        dockerd.arg("--host").arg(socket(&runtime));
        dockerd.args(["--bridge", "none", "--default-address-pool", NETWORKS]);
        // The machine's firewall stays as it is: published ports are proxied, nobody needs to leave.
        dockerd.args(["--iptables=false", "--ip-forward=false"]);
        dockerd.stdout(output.try_clone()?).stderr(output);
        let mut engine = Self {
            process: Some(Grouped::spawn(&mut dockerd)?),
            runtime,
            log,
            is_old: version.starts_with("Docker version 20."),
        };
        if !engine.listens()? {
            bail!("the engine does not start: {}", engine.last_words());
        }
        engine.clear()?;
        images::make(&engine, home, &engine.log).context("the base images cannot be made")?;
        engine
            .ask(&PROBE)
            .context("the engine cannot run a container")?;
        Ok(engine)
    }

    fn listens(&mut self) -> Result<bool> {
        let deadline = Instant::now() + PATIENCE;
        let socket = self.runtime.join("socket");
        while Instant::now() < deadline {
            if UnixStream::connect(&socket).is_ok() {
                return Ok(true);
            }
            let Some(process) = &mut self.process else {
                return Ok(false);
            };
            if process.wait(POLL)?.is_some() {
                return Ok(false);
            }
        }
        Ok(false)
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        log.lines().last().unwrap_or("it says nothing").to_owned()
    }

    /// What a client must have in its environment to reach this engine.
    pub(super) fn environment(&self) -> Vec<(&'static str, String)> {
        let mut environment = vec![
            ("DOCKER_HOST", socket(&self.runtime)),
            // The builder that needs no plugin.
            ("DOCKER_BUILDKIT", "0".to_owned()),
        ];
        if self.is_old {
            // Newer clients ask for more than an old engine has.
            environment.push(("DOCKER_API_VERSION", "1.41".to_owned()));
        }
        environment
    }

    /// What `docker compose` is called here.
    pub(super) fn compose(&self) -> &'static str {
        if self.succeeds(&["compose", "version"]) {
            "docker compose"
        } else {
            "docker-compose"
        }
    }

    /// A client of this engine.
    pub(super) fn docker(&self) -> Command {
        let mut docker = Command::new("docker");
        docker.envs(self.environment());
        docker
    }

    /// What a client prints.
    pub(super) fn ask(&self, args: &[&str]) -> Result<String> {
        process::output_within(self.docker().args(args), LIMIT)
    }

    /// Whether a client ends well; what it prints is dropped.
    pub(super) fn succeeds(&self, args: &[&str]) -> bool {
        process::succeeds(self.docker().args(args))
    }

    /// Removes the containers and volumes that a run left, and the images that have lost their names.
    fn clear(&self) -> Result<()> {
        let containers = self.ask(&["ps", "--all", "--quiet"])?;
        for container in containers.split_whitespace() {
            self.ask(&["rm", "--force", container])?;
        }
        for volume in self.ask(&["volume", "ls", "--quiet"])?.split_whitespace() {
            self.ask(&["volume", "rm", volume])?;
        }
        self.ask(&["network", "prune", "--force"])?;
        self.ask(&["image", "prune", "--force"])?;
        Ok(())
    }

    /// Ends it in order.
    pub(super) fn stop(mut self) -> Result<()> {
        self.clear()?;
        if let Some(process) = self.process.take() {
            let status = process.stop(PATIENCE)?;
            ensure!(status.is_some(), "the engine did not end on SIGTERM");
        }
        Ok(())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.process.is_some()
            && let Err(error) = self.clear()
        {
            eprintln!("xtask: containers may be left: {error:#}");
        }
        drop(self.process.take());
        // What it left mounted stays busy for a moment.
        thread::sleep(POLL);
        if let Err(error) = fs::remove_dir_all(&self.runtime) {
            eprintln!("xtask: cannot remove {}: {error}", self.runtime.display());
        }
    }
}

fn socket(runtime: &Path) -> String {
    format!("unix://{}", runtime.join("socket").display())
}

/// Installs the programs that are not there.
fn install_missing(log: &Path) -> Result<()> {
    let missing = || {
        let is_missing = |program| !process::succeeds(Command::new("which").arg(program));
        PROGRAMS
            .iter()
            .filter(move |(program, _)| is_missing(program))
    };
    let mut packages: Vec<&str> = missing().map(|(_, package)| *package).collect();
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    println!("stack: installing {}", packages.join(" "));
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    process::run_logged(apt().args(["update", "-qq"]), INSTALL_LIMIT, log)
        .context("there is no engine, and no package lists to install one from")?;
    let mut install = apt();
    install.args(["install", "-qq", "--yes", "--no-install-recommends"]);
    process::run_logged(install.args(&packages), INSTALL_LIMIT, log)
        .with_context(|| format!("cannot install {}", packages.join(" ")))?;
    // Newer Debians have the client in a package that the engine's only recommends.
    let still: Vec<&str> = missing().map(|(program, _)| *program).collect();
    ensure!(still.is_empty(), "the packages lack {}", still.join(" "));
    Ok(())
}
