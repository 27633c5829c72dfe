//! A copy of `deploy/` beside the images' contexts, laid out as `cargo xtask dist` does, with windows that are
//! short enough for a test, ports that are free, and room for more calls than one person makes.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::images::{PROXY, WATCHERS};
use crate::dist::images;
use crate::server::Addresses;
use crate::workspace::Workspace;

/// What is made shorter: the file, what it says and what it says in the test.
const SHORTER: &[(&str, &str, &str)] = &[
    ("prometheus/prometheus.yml", "interval: 15s", "interval: 1s"),
    (
        "prometheus/prometheus.scaled.yml",
        "interval: 15s",
        "interval: 1s",
    ),
    // How full the disk of the machine is that runs the test says nothing about the change.
    ("prometheus/alerts.yml", "_bytes) < 0.1", "_bytes) < 0"),
    ("prometheus/alerts.yml", "for: 1m", "for: 2s"),
    ("prometheus/alerts.yml", "for: 5m", "for: 5s"),
    (
        "alertmanager/alertmanager.yml",
        "group_wait: 10s",
        "group_wait: 1s",
    ),
    (
        "alertmanager/alertmanager.yml",
        "group_interval: 1m",
        "group_interval: 2s",
    ),
];

/// The load asks for more than the 100 calls a minute that a caller has by default.
const BUSY: &str = "[rate]\nrequests = 100_000\n";

/// Of `.env`.
const PRIVATE: u32 = 0o600;

/// Where the stack is operated.
pub(super) struct Place {
    /// The copy of `deploy/`.
    pub(super) deploy: PathBuf,
    /// Where `omnipotent-mcp` is published, and `a2a-unified-mcp`.
    pub(super) servers: [Addresses; 2],
    /// What all commands print.
    pub(super) log: PathBuf,
    /// What is set in `.env`.
    settings: String,
}

impl Place {
    /// Lays everything out anew.
    pub(super) fn lay_out(workspace: &Workspace, built: &Path, home: &Path) -> Result<Self> {
        let root = home.join("place");
        if root.exists() {
            fs::remove_dir_all(&root)
                .with_context(|| format!("cannot empty {}", root.display()))?;
        }
        let deploy = root.join("deploy");
        images::deploy(workspace, &deploy)?;
        images::lay_out(workspace, built, &root.join("images"))?;
        let images = root.join("images");
        for server in workspace.servers()? {
            configure(&images.join(server), BUSY)?;
        }
        for (file, long, short) in SHORTER {
            let path = deploy.join(file);
            let text = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            ensure!(
                text.contains(long),
                "{file} has no `{long}` to be made shorter"
            );
            fs::write(&path, text.replace(long, short))?;
        }
        let log = home.join("commands.log");
        fs::write(&log, "")?;
        let servers = [Addresses::any()?, Addresses::any()?];
        let [omnipotent, memory] = servers;
        let settings = format!(
            "OMNIPOTENT_PORT={}\nA2A_PORT={}\nPROMETHEUS_PORT={}\nALERTMANAGER_PORT={}\n\
             PROMETHEUS_IMAGE={WATCHERS}\nALERTMANAGER_IMAGE={WATCHERS}\nPROXY_IMAGE={PROXY}",
            omnipotent.http.port(),
            memory.http.port(),
            omnipotent.ops.port(),
            memory.ops.port(),
        );
        // As some editors leave it, without a newline at the end, and with what others need not read.
        let path = deploy.join("compose/.env");
        fs::write(&path, &settings)?;
        fs::set_permissions(&path, Permissions::from_mode(PRIVATE))?;
        Ok(Self {
            deploy,
            servers,
            log,
            settings,
        })
    }
}

impl Place {
    /// Makes the image of `omnipotent-mcp` that is built next another one.
    pub(super) fn change_image(&self) -> Result<()> {
        let changed = self.context().join("share/CHANGED");
        fs::write(changed, "a newer one\n")?;
        Ok(())
    }

    /// Makes it one whose program refuses its configuration.
    pub(super) fn spoil_image(&self) -> Result<()> {
        configure(&self.context(), "[no_such_section]\n")
    }

    /// Fails when `.env` is not what it was, with the colour of `omnipotent-mcp` that is in force.
    pub(super) fn colour_is_kept(&self, colour: &str) -> Result<()> {
        let path = self.deploy.join("compose/.env");
        let text = fs::read_to_string(&path)?;
        let expected = format!("{}\nOMNIPOTENT_COLOUR={colour}\n", self.settings);
        ensure!(text == expected, "`.env` has become `{text}`");
        let mode = fs::metadata(&path)?.permissions().mode() & 0o777;
        ensure!(mode == PRIVATE, "the mode of `.env` has become {mode:o}");
        Ok(())
    }

    fn context(&self) -> PathBuf {
        self.deploy.with_file_name("images/omnipotent-mcp")
    }
}

/// Adds to the configuration in an image's context.
fn configure(context: &Path, lines: &str) -> Result<()> {
    let path = context.join("etc/config.toml");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    fs::write(&path, format!("{text}\n{lines}"))?;
    Ok(())
}

/// The token of `omnipotent-mcp`.
pub(super) fn token(place: &Place) -> Result<String> {
    let path = place.deploy.join("compose/secrets/omnipotent-token");
    let token =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(token.trim().to_owned())
}
