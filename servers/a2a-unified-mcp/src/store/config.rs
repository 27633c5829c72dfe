//! What the operator may set.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteSynchronous;

/// How the file is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// What an acknowledged write survives. Default `full`.
    pub synchronous: Synchronous,
    /// Connections that read, each with a thread of its own. Default 4.
    pub readers: NonZeroU32,
    /// How long other processes may keep the file locked before an operation fails. Default 30 s.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub patience: Duration,
    /// Writes that may wait; callers of more wait for a place. Default 1024.
    pub queue: NonZeroUsize,
    /// Writes that share a transaction at most, and so one wait for the disk. Default 256.
    pub group: NonZeroUsize,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            synchronous: Synchronous::Full,
            readers: NonZeroU32::MIN.saturating_add(3),
            patience: Duration::from_secs(30),
            queue: NonZeroUsize::MIN.saturating_add(1023),
            group: NonZeroUsize::MIN.saturating_add(255),
        }
    }
}

/// What an acknowledged write survives (`PRAGMA synchronous`, in WAL mode).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Synchronous {
    /// The end of the process, not that of the machine: the disk is waited for at checkpoints only.
    Normal,
    /// Loss of power too: each transaction waits for the disk.
    Full,
}

impl From<Synchronous> for SqliteSynchronous {
    fn from(synchronous: Synchronous) -> Self {
        match synchronous {
            Synchronous::Normal => Self::Normal,
            Synchronous::Full => Self::Full,
        }
    }
}
