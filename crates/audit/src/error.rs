//! Why the audit cannot be written or read.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// The audit cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// No directory is known to keep it in.
    #[error("no home or state directory is known to keep the audit in; set audit.path")]
    NoPlace,
    /// The directory or a file in it is not what it must be.
    #[error("`{}` {reason}", path.display())]
    Unfit {
        /// The directory or file.
        path: PathBuf,
        /// What is wrong with it, and how to put it right.
        reason: &'static str,
    },
    /// The disk is full, or the user's share of it.
    #[error("there is no room for `{}`: free some space on its disk", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// Another process holds the lock for longer than a write takes.
    #[error("another process keeps `{}` locked", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// A write has not come back.
    #[error("the disk of the audit has not answered for {} s", waited.as_secs())]
    Hung {
        /// How long it was waited for.
        waited: Duration,
    },
    /// The operating system refused.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The directory or file.
        path: PathBuf,
        /// Its reason.
        #[source]
        source: io::Error,
    },
}

impl AuditError {
    /// What is wrong and why, in one line.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Io { source, .. } => format!("{self}: {source}"),
            Self::NoPlace
            | Self::Unfit { .. }
            | Self::Full { .. }
            | Self::Locked { .. }
            | Self::Hung { .. } => self.to_string(),
        }
    }
}
