//! The images that cannot be pulled without a registry, made from Debian's packages.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::engine::{Engine, INSTALL_LIMIT, LIMIT};
use crate::process;

/// The base that `deploy/docker/Dockerfile` names.
pub(super) const BASE: &str = "debian:bookworm-slim";
/// What watches: Prometheus and Alertmanager in one image.
pub(super) const WATCHERS: &str = "local/watchers";
/// What stands before replicas: `HAProxy`.
pub(super) const PROXY: &str = "local/proxy";

/// Says that nothing is missing beside it.
const UNPACKED: &str = "unpacked";

/// An image of programs that are packaged.
struct Packaged {
    image: &'static str,
    /// Where its packages are unpacked.
    directory: &'static str,
    /// The packages that the base lacks.
    packages: &'static [&'static str],
    dockerfile: &'static str,
}

const PACKAGED: [Packaged; 2] = [
    Packaged {
        image: WATCHERS,
        directory: "watchers",
        packages: &["prometheus", "prometheus-alertmanager"],
        dockerfile: "FROM debian:bookworm-slim
COPY usr/bin/ /usr/bin/
COPY usr/share/prometheus/ /usr/share/prometheus/
RUN ln -s prometheus-alertmanager /usr/bin/alertmanager \\
    && install -d -o 65534 -g 65534 /prometheus /alertmanager
",
    },
    Packaged {
        image: PROXY,
        directory: "proxy",
        packages: &[
            "haproxy",
            "liblua5.3-0",
            "libopentracing-c-wrapper0",
            "libopentracing1",
            "libstdc++6",
        ],
        dockerfile: "FROM debian:bookworm-slim
COPY usr/lib/ /usr/lib/
COPY usr/sbin/ /usr/sbin/
RUN haproxy -v
",
    },
];

/// Makes the base and what stands on it.
pub(super) fn make(engine: &Engine, home: &Path, log: &Path) -> Result<()> {
    let archive = home.join("base.tar");
    if !archive.is_file() {
        println!("stack: making {BASE} from Debian's packages");
        let draft = home.join("draft.tar");
        let mut make = Command::new("mmdebstrap");
        make.args([
            "--variant=essential",
            "--include=ca-certificates",
            "bookworm",
        ]);
        process::run_logged(make.arg(&draft), INSTALL_LIMIT, log)?;
        fs::rename(&draft, &archive)?;
    }
    let mut import = engine.docker();
    import.arg("import").arg(&archive).arg(BASE);
    process::run_logged(&mut import, LIMIT, log)?;
    for packaged in &PACKAGED {
        let directory = home.join(packaged.directory);
        if !directory.join(UNPACKED).is_file() {
            packaged.fetch(&directory, log)?;
        }
        fs::write(directory.join("Dockerfile"), packaged.dockerfile)?;
        let mut build = engine.docker();
        build.args(["build", "--quiet", "--tag", packaged.image]);
        process::run_logged(build.arg(&directory), INSTALL_LIMIT, log)?;
    }
    Ok(())
}

impl Packaged {
    /// Unpacks the packages without installing them, which would start what is in them.
    fn fetch(&self, to: &Path, log: &Path) -> Result<()> {
        println!("stack: fetching {}", self.packages.join(" "));
        let packages = to.join("packages");
        fs::create_dir_all(&packages)?;
        let mut update = Command::new("apt-get");
        process::run_logged(update.args(["update", "-qq"]), INSTALL_LIMIT, log)?;
        let mut download = Command::new("apt-get");
        download.arg("download").args(self.packages);
        process::run_logged(download.current_dir(&packages), INSTALL_LIMIT, log)?;
        for package in fs::read_dir(&packages)? {
            let mut unpack = Command::new("dpkg-deb");
            unpack.arg("--extract").arg(package?.path()).arg(to);
            process::run_logged(&mut unpack, INSTALL_LIMIT, log)?;
        }
        fs::write(to.join(UNPACKED), "")?;
        Ok(())
    }
}
