//! What the operator may set.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::tier::Tier;

/// What commands are confined to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SandboxConfig {
    /// The least tier that commands may run in: `strict`, `landlock` or `none`. Where the host
    /// does not allow it, commands are refused. Default `landlock`.
    pub require: Tier,
    /// The strongest tier to use; the strongest one from there down to `require` that the host
    /// allows is taken. Default `strict`.
    pub prefer: Tier,
    /// What commands may go without where it cannot be held: `protected_paths`, `hidden_paths`
    /// and `signals` in the `landlock` tier, `unscanned` with `require = "strict"`. Named in each
    /// result. Default none: such commands are refused.
    pub waive: Vec<Waiver>,
    /// What commands reach of the network: `none`; `loopback`, their own loopback interface; or
    /// `proxy`, that and an HTTP proxy on it, named by `HTTPS_PROXY` and the like, which judges as
    /// `egress` says. Other than `none` needs the `strict` tier. Default `none`.
    pub network: Network,
    /// Directories of the system that commands may read and execute from; missing ones are left
    /// out. Default: `/usr`, `/etc`, `/opt`, `/nix`, `/snap` and the usual links into `/usr`.
    pub system_directories: Vec<PathBuf>,
    /// What commands may read and execute of the home directory, which is hidden otherwise:
    /// paths that start with `~/`. Default: toolchains such as `~/.cargo`, `~/.nvm` and `~/go`.
    pub tool_directories: Vec<PathBuf>,
    /// Size of a command's private temporary files, its home directory included, in bytes.
    /// Default 1 GiB.
    pub scratch_bytes: u64,
    /// Directories that commands may create directly beneath a root although protected names lie
    /// in them, as `.git/hooks` does in `.git`; what they put there is protected from the next
    /// command on. Others of that kind, such as `.vscode`, cannot be created by commands. Default
    /// `.git`, so that repositories can be made.
    pub creatable: Vec<String>,
    /// Entries of each root that are looked at before a command, nearest first, for protected
    /// paths to cover; 10 000 take about 15 ms. Commands in a larger tree are refused with
    /// `require = "strict"` unless `unscanned` is waived; otherwise the root is named in the
    /// result. Default 100 000.
    pub scan_entries: usize,
    /// Commands that run at once; more wait until their call's deadline. Default 16.
    pub max_concurrent: NonZeroUsize,
    /// Limits of every process that a command starts.
    pub limits: Limits,
}

/// Where programs, libraries and their data are, as the file hierarchy standard has it.
const SYSTEM: [&str; 11] = [
    "/bin", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/nix", "/opt", "/sbin", "/snap", "/usr",
];

/// Where toolchains are installed for one user. Nothing here holds credentials by itself: those
/// of `~/.cargo` and `~/.m2` are single files, which are hidden.
const TOOLS: [&str; 18] = [
    "~/.bun",
    "~/.cargo",
    "~/.deno",
    "~/.gem",
    "~/.ghcup",
    "~/.juliaup",
    "~/.local/bin",
    "~/.local/lib",
    "~/.local/pipx",
    "~/.local/share/uv",
    "~/.nvm",
    "~/.pyenv",
    "~/.rbenv",
    "~/.rustup",
    "~/.sdkman",
    "~/.volta",
    "~/bin",
    "~/go",
];

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            require: Tier::Landlock,
            prefer: Tier::Strict,
            waive: Vec::new(),
            network: Network::None,
            system_directories: SYSTEM.map(PathBuf::from).into(),
            tool_directories: TOOLS.map(PathBuf::from).into(),
            scratch_bytes: 1 << 30,
            creatable: vec![".git".to_owned()],
            scan_entries: 100_000,
            max_concurrent: NonZeroUsize::new(16).unwrap_or(NonZeroUsize::MIN),
            limits: Limits::default(),
        }
    }
}

/// What a command reaches of the network.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Nothing: no sockets but connected pairs.
    None,
    /// A loopback interface that only the command's own processes share.
    Loopback,
    /// That, and what the server's [`Gateway`](crate::Gateway) serves on it.
    Proxy,
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Loopback => "loopback",
            Self::Proxy => "proxy",
        })
    }
}

/// A promise that cannot be kept in some circumstances and the operator may do without.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Waiver {
    /// Protected paths inside a root that commands may write.
    ProtectedPaths,
    /// Secrets beneath a directory that commands may read.
    HiddenPaths,
    /// Other processes of the server's user: without Landlock's version 6 commands may signal
    /// them.
    Signals,
    /// Protected paths beyond the first [`SandboxConfig::scan_entries`] entries of a root.
    Unscanned,
}

impl fmt::Display for Waiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ProtectedPaths => "protected_paths",
            Self::HiddenPaths => "hidden_paths",
            Self::Signals => "signals",
            Self::Unscanned => "unscanned",
        })
    }
}

/// Resource limits, inherited by every process that a command starts (getrlimit(2)).
///
/// 0 leaves the server's own limit in force; a value above the server's hard limit is lowered to
/// it. Core dumps are always off. There is no limit on address space on purpose: runtimes such as
/// Node reserve far more than they use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Open descriptors per process (`RLIMIT_NOFILE`). Default 4096.
    pub open_files: u64,
    /// Largest file a process may write (`RLIMIT_FSIZE`). Default 16 GiB.
    pub file_size_bytes: u64,
    /// Private writable memory per process (`RLIMIT_DATA`). Default 8 GiB.
    pub memory_bytes: u64,
    /// Memory of a whole command, its page cache, private files and, where the kernel accounts for it, swap included. In force only where
    /// the server's control group is delegated to it (cgroups(7); the layer `cgroup-v2` or `cgroup-v1`
    /// of a result, `doctor` says why not). Default 8 GiB: as much as one process may have, so that no
    /// command gets more by starting several.
    pub total_memory_bytes: u64,
    /// Processes and threads of a command at once. A control group counts the command's own where
    /// there is one. Elsewhere, in the `strict` tier, the kernel counts the command's own (`RLIMIT_NPROC` in a user namespace), unless the server runs as root, which
    /// it exempts. Before Linux 5.14 it counts all processes of the user there, so that a command
    /// may have fewer. The other tiers count all of the user's and leave this out. Default 1024.
    pub processes: u64,
    /// Processor time per process (`RLIMIT_CPU`), in whole seconds. Default 0 s: the wall clock
    /// bounds a command.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub cpu: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            open_files: 4096,
            file_size_bytes: 16 << 30,
            memory_bytes: 8 << 30,
            total_memory_bytes: 8 << 30,
            processes: 1024,
            cpu: Duration::ZERO,
        }
    }
}
