//! Landlock: what the command may do to which files, and whom it may signal (landlock(7)).
//!
//! In the strict tier it is the second wall, behind the private root; in the landlock tier it is
//! the first.

use std::io;
use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, LandlockStatus, PathBeneath, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use rustix::fs::{CWD, FileType, Mode, openat};
use rustix::io::Errno;

use super::mounts::HANDLE;
use super::private_root::kind;
use crate::config::Network;

/// The newest interface that the tests of this crate were run against. Rights that the kernel
/// does not know are left out.
const NEWEST: ABI = ABI::V9;

/// Rights that only make sense on files; the kernel refuses the others on one.
const ON_FILES: BitFlags<AccessFs> = landlock::make_bitflags!(AccessFs::{
    Execute | WriteFile | ReadFile | Truncate | IoctlDev | ResolveUnix
});

/// What is allowed beneath a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowed {
    /// Reading and executing.
    Reading,
    /// Everything but devices and sockets of others.
    Writing,
    /// Everything.
    Owning,
    /// Reading, writing and controlling devices.
    Device,
}

impl Allowed {
    fn rights(self) -> BitFlags<AccessFs> {
        match self {
            Self::Reading => AccessFs::from_read(NEWEST),
            Self::Writing => {
                let devices = AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev;
                AccessFs::from_all(NEWEST) & !(devices | AccessFs::ResolveUnix)
            }
            Self::Owning => {
                let devices = AccessFs::MakeChar | AccessFs::MakeBlock;
                AccessFs::from_all(NEWEST) & !devices
            }
            Self::Device => {
                AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev | AccessFs::ReadDir
            }
        }
    }
}

/// Rights that are being gathered.
pub(super) struct Rights(RulesetCreated);

impl Rights {
    /// No right at all.
    pub(super) fn none(network: Network) -> Result<Self, RulesetError> {
        let rules = Ruleset::default()
            .handle_access(AccessFs::from_all(NEWEST))?
            .scope(Scope::from_all(NEWEST))?;
        let rules = match network {
            Network::None => rules.handle_access(AccessNet::from_all(NEWEST))?,
            Network::Loopback | Network::Proxy => rules,
        };
        rules.create().map(Self)
    }

    /// Allows something at and beneath `path`, if that exists.
    pub(super) fn allow(self, path: impl AsRef<Path>, allowed: Allowed) -> io::Result<Self> {
        let path = path.as_ref();
        let object = match openat(CWD, path, HANDLE, Mode::empty()) {
            Ok(object) => object,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => return Ok(self),
            Err(errno) => return Err(errno.into()),
        };
        let mut rights = allowed.rights();
        if kind(&object)? != FileType::Directory {
            rights &= ON_FILES;
        }
        self.0
            .add_rule(PathBeneath::new(object, rights))
            .map(Self)
            .map_err(io::Error::other)
    }

    /// Puts them in force for the calling thread and what it starts. The version of the kernel's
    /// interface; `None` when it has none.
    pub(super) fn enforce(self) -> Result<Option<u8>, RulesetError> {
        let status = self.0.restrict_self()?;
        let abi = match status.landlock {
            LandlockStatus::Available { effective_abi, .. } => version(effective_abi),
            LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => None,
        };
        Ok(abi.filter(|_| status.ruleset != RulesetStatus::NotEnforced))
    }
}

fn version(abi: ABI) -> Option<u8> {
    abi.to_string().parse().ok()
}
