//! What the operator may set.

use std::ffi::OsString;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::record::MAX_LINE_BYTES;

/// What is recorded of calls, where, and what happens when it cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuditConfig {
    /// Whether calls are recorded. Default true.
    pub enabled: bool,
    /// File that is appended to; rotated files stand beside it. No tool can reach its directory, so
    /// give it one of its own. Default: `audit.jsonl` in the server's folder under the user's state
    /// directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Size past which a new file is begun, in bytes; at least 1 MiB is used. Default 64 MiB.
    pub max_file_bytes: NonZeroU64,
    /// Files that are kept, the current one included; the oldest is removed. The one before the
    /// current file always stays, so at least 2 are used. Default 8.
    pub max_files: NonZeroU32,
    /// When records are forced to the disk: `never`, `changes` or `always`. Default `never`: what an
    /// answered call changed is recorded whatever ends the server (`kill -9`; of reading calls the
    /// last 10 ms may be lost), but not when the machine itself fails.
    pub sync: Sync,
    /// What becomes of calls that cannot be recorded.
    pub on_failure: OnFailure,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            path: None,
            max_file_bytes: NonZeroU64::MIN.saturating_add((64 << 20) - 1),
            max_files: NonZeroU32::MIN.saturating_add(7),
            sync: Sync::Never,
            on_failure: OnFailure::default(),
        }
    }
}

impl AuditConfig {
    /// Where the audit is kept: as configured, or in the directory of `server` below the user's
    /// state directory (XDG Base Directory Specification) as `environment` tells it.
    pub fn place(&self, server: &str, environment: &[(OsString, OsString)]) -> Option<PathBuf> {
        let directory = |name: &str| {
            let (_, value) = environment.iter().find(|(key, _)| key == name)?;
            Some(PathBuf::from(value)).filter(|path| path.is_absolute())
        };
        let state = || {
            directory("XDG_STATE_HOME")
                .or_else(|| directory("HOME").map(|home| home.join(".local/state")))
        };
        self.path
            .clone()
            .or_else(|| Some(state()?.join(server).join("audit.jsonl")))
    }

    /// Size past which a new file is begun: a file holds some lines, whatever is configured.
    pub(crate) fn file_bytes(&self) -> u64 {
        const LEAST: u64 = 256 * MAX_LINE_BYTES;
        self.max_file_bytes.get().max(LEAST)
    }
}

/// When records are forced to the disk (fdatasync(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sync {
    /// When the kernel sees fit.
    #[default]
    Never,
    /// Before a call that changes something is answered.
    Changes,
    /// With every write; a reading call does not wait for it.
    Always,
}

/// What becomes of calls that cannot be recorded, by what they do: `closed` refuses them, `open`
/// lets them run and counts the records that are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OnFailure {
    /// Calls that may change something. Default `closed`.
    pub changes: Failure,
    /// Calls that only read. Default `open`.
    pub reads: Failure,
}

impl Default for OnFailure {
    fn default() -> Self {
        Self {
            changes: Failure::Closed,
            reads: Failure::Open,
        }
    }
}

/// Whether calls go on without a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// They do.
    Open,
    /// They are refused.
    Closed,
}
