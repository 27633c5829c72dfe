//! What the operator may set.

use std::num::NonZeroUsize;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How commands are run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SandboxConfig {
    /// Commands that run at once; more wait until their call's deadline. Default 16.
    pub max_concurrent: NonZeroUsize,
    /// Limits of every process that a command starts.
    pub limits: Limits,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            max_concurrent: NonZeroUsize::new(16).unwrap_or(NonZeroUsize::MIN),
            limits: Limits::default(),
        }
    }
}

/// Resource limits (getrlimit(2)), inherited by every process that a command starts.
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
    /// Heap and other private memory per process (`RLIMIT_DATA`). Default 0.
    pub data_bytes: u64,
    /// Processes of the server's user (`RLIMIT_NPROC`). The kernel counts all processes of the
    /// user, not only the command's, and exempts root. Default 0.
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
            data_bytes: 0,
            processes: 0,
            cpu: Duration::ZERO,
        }
    }
}
