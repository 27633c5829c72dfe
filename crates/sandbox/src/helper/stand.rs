//! Where a command stands: what is ready before it is known, what it adds, and the walls that go
//! up around it last.
#![expect(
    clippy::disallowed_methods,
    reason = "removes the command's own temporary directory"
)]

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, mkdirat};
use rustix::io::Errno;

use super::filter::{Filter, Ipc};
use super::guards::Guards;
use super::private_root::PrivateRoot;
use super::rights::{Allowed, Rights};
use super::{Failure, capabilities, loopback};
use crate::boundary::{Access, Ground, Guarded, Root};
use crate::config::Network;
use crate::tier::{Layer, Tier};
use crate::wire::Stage;

/// What every tier has.
const ALWAYS: [Layer; 5] = [
    Layer::Subreaper,
    Layer::ProcessGroup,
    Layer::CleanEnvironment,
    Layer::ResourceLimits,
    Layer::NoNewPrivileges,
];
/// Private places of the strict tier that a command may do everything in.
const PRIVATE: [&str; 5] = ["/tmp", "/var/tmp", "/run", "/dev/shm", "/dev/pts"];
const DEVICES: [&str; 6] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
];
/// Where programs look for a proxy. No standard says so; some read one spelling only, such as
/// curl(1) `http_proxy`.
const PROXY: [&str; 6] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
];
/// Where they look for hosts to reach without one.
const NO_PROXY: [&str; 2] = ["NO_PROXY", "no_proxy"];
/// The command's own servers.
const DIRECT: &str = "localhost,127.0.0.1,::1";
/// How often a name for a temporary directory is tried.
const NAME_ATTEMPTS: u32 = 64;

/// What is ready before the command is known.
pub(super) struct Stand {
    tier: Tier,
    root: Option<PrivateRoot>,
    filter: Option<Filter>,
    /// Where the server's proxy listens.
    proxy: Option<u16>,
}

/// What is held while the command runs, let go when it is dropped.
pub(super) struct Held {
    guards: Option<Guards>,
    temporary: PathBuf,
    variables: Vec<(&'static str, OsString)>,
    is_own: bool,
}

/// What the thread that starts the command puts up around itself.
pub(super) struct Walls(Option<(Rights, Filter, Vec<Layer>)>);

impl Stand {
    pub(super) fn prepare(
        tier: Tier,
        ground: &Ground,
        control: impl AsFd,
    ) -> Result<Self, Failure> {
        let ipc = match tier {
            Tier::None => {
                return Ok(Self {
                    tier,
                    root: None,
                    filter: None,
                    proxy: None,
                });
            }
            Tier::Landlock => Ipc::Shared,
            Tier::Strict => Ipc::Private,
        };
        let filter = Filter::compile(ground.network, ipc)
            .map_err(|error| Stage::Seccomp.failed(io::Error::other(error)))?;
        let root = (tier == Tier::Strict)
            .then(|| PrivateRoot::lay(ground).map_err(|error| Stage::Ground.failed(error)))
            .transpose()?;
        // Last, so that the server hears of a failure or of a listener, never of both.
        let proxy = (tier == Tier::Strict)
            .then(|| connect(ground.network, control))
            .transpose()
            .map_err(|error| Stage::Network.failed(error))?;
        Ok(Self {
            tier,
            root,
            filter: Some(filter),
            proxy: proxy.flatten(),
        })
    }

    /// Opens the roots and protects what is protected in them.
    pub(super) fn open(
        self,
        ground: &Ground,
        roots: &[Root],
        guarded: Vec<Guarded>,
    ) -> Result<(Held, Walls), Failure> {
        let Some(filter) = self.filter else {
            return Ok((Held::shared(), Walls(None)));
        };
        let mut layers = Vec::new();
        let held = match self.root {
            Some(root) => {
                layers.extend([Layer::Namespaces, Layer::PrivateRoot]);
                root.open(roots)
                    .map_err(|error| Stage::Root.failed(error))?;
                let guards = Guards::hold(&root, ground, roots, guarded)?;
                root.close().map_err(|error| Stage::Ground.failed(error))?;
                Held {
                    guards: Some(guards),
                    temporary: PathBuf::from("/tmp"),
                    variables: inside_variables(self.proxy),
                    is_own: false,
                }
            }
            None => Held::own().map_err(|error| Stage::Ground.failed(error))?,
        };
        layers.push(Layer::NoCapabilities);
        layers.push(Layer::Network {
            mode: ground.network,
        });
        let rights = match self.tier {
            Tier::Strict => inside(ground, roots),
            Tier::Landlock | Tier::None => outside(ground, roots, &held.temporary),
        };
        let rights = rights.map_err(|error| Stage::Landlock.failed(error))?;
        Ok((held, Walls(Some((rights, filter, layers)))))
    }
}

/// Prepares the namespace's network; the port of the proxy if there is one.
fn connect(network: Network, control: impl AsFd) -> io::Result<Option<u16>> {
    match network {
        Network::None => Ok(None),
        Network::Loopback => loopback::bring_up().map(|()| None),
        Network::Proxy => {
            loopback::bring_up()?;
            loopback::hand_over(control).map(Some)
        }
    }
}

fn inside_variables(proxy: Option<u16>) -> Vec<(&'static str, OsString)> {
    let mut variables = vec![("TMPDIR", "/tmp".into())];
    if let Some(port) = proxy {
        let url = OsString::from(format!("http://127.0.0.1:{port}"));
        variables.extend(PROXY.map(|name| (name, url.clone())));
        variables.extend(NO_PROXY.map(|name| (name, DIRECT.into())));
    }
    variables
}

/// The rights that mirror the private root.
fn inside(ground: &Ground, roots: &[Root]) -> io::Result<Rights> {
    let rights = Rights::none(ground.network).map_err(io::Error::other)?;
    let mut rights = with_roots(rights.allow("/", Allowed::Reading)?, roots)?;
    for path in PRIVATE.iter().map(Path::new).chain(ground.home.as_deref()) {
        rights = rights.allow(path, Allowed::Owning)?;
    }
    with_devices(rights)
}

/// The rights that stand for a private root where there is none.
fn outside(ground: &Ground, roots: &[Root], temporary: &Path) -> io::Result<Rights> {
    let mut rights = Rights::none(ground.network).map_err(io::Error::other)?;
    for path in ground
        .readable
        .iter()
        .map(PathBuf::as_path)
        .chain([Path::new("/proc")])
    {
        rights = rights.allow(path, Allowed::Reading)?;
    }
    with_devices(with_roots(rights, roots)?.allow(temporary, Allowed::Owning)?)
}

fn with_roots(mut rights: Rights, roots: &[Root]) -> io::Result<Rights> {
    for root in roots {
        let allowed = match root.access {
            Access::ReadWrite => Allowed::Writing,
            Access::ReadOnly => Allowed::Reading,
        };
        rights = rights.allow(&root.place.path, allowed)?;
    }
    Ok(rights)
}

fn with_devices(mut rights: Rights) -> io::Result<Rights> {
    for path in DEVICES {
        rights = rights.allow(path, Allowed::Device)?;
    }
    Ok(rights)
}

impl Held {
    fn shared() -> Self {
        Self {
            guards: None,
            temporary: PathBuf::from("/tmp"),
            variables: Vec::new(),
            is_own: false,
        }
    }

    /// A temporary directory of the command's own, its home directory too.
    fn own() -> io::Result<Self> {
        for attempt in 0..NAME_ATTEMPTS {
            let pid = rustix::process::getpid().as_raw_nonzero();
            let temporary = PathBuf::from(format!("/tmp/.command-{pid}-{attempt}"));
            // Fails on whatever is there already, a link included.
            match mkdirat(CWD, &temporary, Mode::RWXU) {
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
                Ok(()) => {
                    return Ok(Self {
                        guards: None,
                        variables: ["TMPDIR", "HOME"]
                            .map(|name| (name, temporary.clone().into()))
                            .into(),
                        temporary,
                        is_own: true,
                    });
                }
            }
        }
        Err(Errno::EXIST.into())
    }

    pub(super) fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Variables that name places which are elsewhere here, and the proxy.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        let variables = self.variables.iter();
        variables.map(|(name, value)| (OsStr::new(*name), value.as_os_str()))
    }

    pub(super) fn unpinned(&mut self) -> Vec<String> {
        self.guards
            .as_mut()
            .map(Guards::unpinned)
            .unwrap_or_default()
    }
}

/// Removes what was made for the command; the guards do it themselves. Its processes are gone.
impl Drop for Held {
    fn drop(&mut self) {
        if self.is_own {
            // Left over at worst, in a directory that is cleared at boot.
            std::fs::remove_dir_all(&self.temporary).ok();
        }
    }
}

impl Walls {
    /// Puts them up; what holds the calling thread and all that it starts.
    pub(super) fn put_up(self) -> Result<Vec<Layer>, Failure> {
        let Some((rights, filter, mut layers)) = self.0 else {
            return Ok(ALWAYS.to_vec());
        };
        let landlock = |error| Stage::Landlock.failed(io::Error::other(error));
        capabilities::drop_all().map_err(|error| Stage::Capabilities.failed(error))?;
        match rights.enforce().map_err(landlock)? {
            Some(abi) => layers.push(Layer::Landlock { abi }),
            // The namespaces are the wall there.
            None if layers.contains(&Layer::Namespaces) => {}
            None => return Err(Stage::Landlock.failed(Errno::OPNOTSUPP)),
        }
        filter
            .enforce()
            .map_err(|error| Stage::Seccomp.failed(io::Error::other(error)))?;
        layers.push(Layer::Seccomp);
        layers.extend(ALWAYS);
        Ok(layers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_directory_goes_with_the_command() {
        let held = Held::own().unwrap();
        let path = held.temporary().to_owned();
        std::fs::write(path.join("file"), "x").unwrap();
        drop(held);
        assert!(!path.exists(), "{}", path.display());
    }
}
