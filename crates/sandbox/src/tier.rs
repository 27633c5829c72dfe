//! How strongly a command is held, and by what.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Network;

/// How strongly the kernel confines a command. A greater tier is a stronger one.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// The command has the rights of the server's user.
    None,
    /// Landlock and seccomp: it sees the machine but touches only what is listed.
    Landlock,
    /// Namespaces, Landlock and seccomp: it sees only what is listed.
    Strict,
}

impl Tier {
    /// From the strongest to the weakest.
    pub const ALL: [Self; 3] = [Self::Strict, Self::Landlock, Self::None];

    /// The name in results and in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Landlock => "landlock",
            Self::Strict => "strict",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One measure that holds a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// User, mount, process, network, IPC, host name and cgroup namespaces of its own
    /// (namespaces(7)).
    Namespaces,
    /// A file system of its own: a read-only system, the writable roots, and nothing else.
    PrivateRoot,
    /// No capability, not even for root (capabilities(7)).
    NoCapabilities,
    /// Landlock at this version of its interface (landlock(7)).
    Landlock {
        /// What the kernel offers and this program knows.
        abi: u8,
    },
    /// System calls that no tool needs are refused (seccomp(2)).
    Seccomp,
    /// What it can reach of the network.
    Network {
        /// By configuration.
        mode: Network,
    },
    /// Orphaned descendants fall to the helper, which ends them (`PR_SET_CHILD_SUBREAPER`).
    Subreaper,
    /// It has its own session and process group and no terminal.
    ProcessGroup,
    /// It sees only the variables it was given.
    CleanEnvironment,
    /// [`Limits`](crate::Limits) are in force on each process (getrlimit(2)).
    ResourceLimits,
    /// [`Limits`](crate::Limits) are in force on all processes together (cgroups(7)). In the tier
    /// `none` a command that means to can leave its group.
    Cgroup {
        /// Of the kernel's interface.
        version: u8,
    },
    /// Set-user-id programs gain nothing (`PR_SET_NO_NEW_PRIVS`).
    NoNewPrivileges,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Namespaces => "namespaces",
            Self::PrivateRoot => "private-root",
            Self::NoCapabilities => "no-capabilities",
            Self::Landlock { abi } => return write!(f, "landlock-abi-{abi}"),
            Self::Seccomp => "seccomp",
            Self::Network { mode } => return write!(f, "network-{mode}"),
            Self::Subreaper => "subreaper",
            Self::ProcessGroup => "process-group",
            Self::CleanEnvironment => "clean-env",
            Self::ResourceLimits => "rlimits",
            Self::Cgroup { version } => return write!(f, "cgroup-v{version}"),
            Self::NoNewPrivileges => "no-new-privs",
        })
    }
}

/// What holds a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confinement {
    /// The overall strength.
    pub tier: Tier,
    /// Every layer in force. A layer that cannot be set up fails the command, so this is a
    /// statement of fact.
    pub layers: Vec<Layer>,
    /// Protected paths that this tier could not hold in this call, as rules or absolute paths.
    pub unpinned: Vec<String>,
}
