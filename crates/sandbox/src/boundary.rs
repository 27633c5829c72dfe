//! What a command may touch: the value in which a policy comes to this crate.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, Stat};
use serde::{Deserialize, Serialize};

use crate::config::{Limits, Network, SandboxConfig, Waiver};
use crate::tier::Tier;

/// Everything that one command may touch, and how strongly it must be held.
#[derive(Debug, Clone)]
pub struct Boundary {
    /// The least tier that will do.
    pub require: Tier,
    /// The strongest tier to use.
    pub prefer: Tier,
    /// What the `landlock` tier may go without.
    pub waived: Vec<Waiver>,
    /// What is the same for all commands under one policy.
    pub ground: Arc<Ground>,
    /// Directories open to the command.
    pub roots: Vec<Root>,
    /// Protected paths that exist beneath the roots.
    pub guarded: Vec<Guarded>,
    /// What is known not to be protected, in words for the result.
    pub loose: Vec<String>,
    /// Limits of every process.
    pub limits: Limits,
}

impl Boundary {
    /// The boundary around nothing but the system and the tools in `home`.
    pub fn closed(config: &SandboxConfig, home: Option<&Path>) -> Self {
        let home = home.filter(|home| home.is_absolute() && home.parent().is_some());
        let tools = config.tool_directories.iter().filter_map(|path| {
            match (path.strip_prefix("~"), home) {
                (Ok(rest), Some(home)) => Some(home.join(rest)),
                (Ok(_), None) => None,
                (Err(_), _) => Some(path.clone()),
            }
        });
        let ground = Ground {
            readable: config
                .system_directories
                .iter()
                .cloned()
                .chain(tools)
                .collect(),
            home: home.map(Path::to_owned),
            hidden: Vec::new(),
            names: Vec::new(),
            creatable: config.creatable.clone(),
            patterns: Vec::new(),
            scratch_bytes: config.scratch_bytes,
            network: config.network,
        };
        Self {
            require: config.require,
            prefer: config.prefer,
            waived: config.waive.clone(),
            ground: Arc::new(ground),
            roots: Vec::new(),
            guarded: Vec::new(),
            loose: Vec::new(),
            limits: config.limits,
        }
    }
}

/// What can be laid before the command is known: a helper that waits has it ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ground {
    /// Absolute paths to read and execute from; missing ones are left out.
    pub readable: Vec<PathBuf>,
    /// Where the private home directory is, absolute.
    pub home: Option<PathBuf>,
    /// Absolute paths that stay unreadable beneath `readable` and beneath the roots.
    pub hidden: Vec<PathBuf>,
    /// Protected names directly beneath each writable root, whether or not they exist.
    pub names: Vec<GuardedName>,
    /// Directories directly beneath a root that may be created although `names` lie in them.
    pub creatable: Vec<String>,
    /// Protected names that are patterns and cannot be held before they exist, as configured.
    pub patterns: Vec<String>,
    /// Size of all private temporary files, in bytes.
    pub scratch_bytes: u64,
    /// What is reached of the network.
    pub network: Network,
}

/// A directory open to a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// Which one.
    pub place: Place,
    /// What may be done in it.
    pub access: Access,
}

/// What a command may do in a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Read and write.
    ReadWrite,
    /// Read.
    ReadOnly,
}

/// A directory by path and identity: the path says where to look, the identity that it is still
/// the directory that was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Absolute, without links.
    pub path: PathBuf,
    file: FileId,
}

impl Place {
    /// Where the directory behind `handle` is now. Needs `/proc`.
    pub fn of(handle: impl AsFd) -> io::Result<Self> {
        let link = format!("/proc/self/fd/{}", handle.as_fd().as_raw_fd());
        let path = rustix::fs::readlinkat(CWD, link, Vec::new())?;
        let stat = rustix::fs::fstat(handle)?;
        Ok(Self {
            path: std::ffi::OsStr::from_bytes(path.as_bytes()).into(),
            file: FileId::of(&stat),
        })
    }

    pub(crate) fn is(&self, stat: &Stat) -> bool {
        self.file == FileId::of(stat)
    }
}

/// A protected path that exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guarded {
    /// Absolute, without links.
    pub path: PathBuf,
    /// How many names at its end the rule is about: 2 for `.git/hooks`.
    pub depth: usize,
    /// What is kept from the command.
    pub guard: Guard,
    /// Which file was found there. When it is another by the time it is to be held, the command
    /// does not run: see [`RunError::is_stale`](crate::RunError::is_stale).
    pub file: Option<FileId>,
}

/// A file, whatever its name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// What is at `path` now, a link itself. When that is nothing, it equals no file.
    pub fn at(path: &Path) -> Self {
        let nothing = Self {
            device: 0,
            inode: 0,
        };
        rustix::fs::lstat(path).map_or(nothing, |stat| Self::of(&stat))
    }

    pub(crate) fn of(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
        }
    }
}

/// A protected name directly beneath a root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardedName {
    /// Relative to a root: `.ssh`, `.git/hooks`.
    pub name: PathBuf,
    /// What is kept from the command.
    pub guard: Guard,
}

/// What a protection keeps from a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    /// Reading and writing.
    Hidden,
    /// Writing.
    ReadOnly,
}
