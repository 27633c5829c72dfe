//! Why a path was refused.

use std::io;
use std::sync::Arc;

use rustix::io::Errno;

use super::Kind;

/// A path that may not, or cannot, be used.
///
/// The texts are for the caller. [`PathError::Outside`] reads the same whether or not the path
/// exists, so that asking tells nothing about the rest of the machine.
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    /// The configuration names no directory, and the working directory is not a safe default.
    #[error("no directory is open to file access")]
    NoRoots,
    /// The text is no usable path.
    #[error("the path {reason}")]
    Malformed {
        /// What is wrong with it, as the end of a sentence.
        reason: &'static str,
    },
    /// The path, or a link on its way, leads out of every root.
    #[error("`{path}` is outside the allowed directories, or leads out of them")]
    Outside {
        /// The path as it was given.
        path: String,
        /// The roots, ready to be shown.
        allowed: Arc<str>,
    },
    /// A rule protects the path, wherever it lies.
    #[error("`{path}` is protected by the rule `{rule}`")]
    Protected {
        /// The path as it was given.
        path: String,
        /// The rule as it is configured.
        rule: String,
    },
    /// The path lies in a root that may only be read.
    #[error("`{path}` is in a read-only directory")]
    ReadOnly {
        /// The path as it was given.
        path: String,
    },
    /// Nothing is there, inside a root.
    #[error("`{path}` does not exist")]
    NotFound {
        /// The path as it was given.
        path: String,
    },
    /// Something is there that the call cannot use.
    #[error("`{path}` is {found}, not a regular file")]
    WrongKind {
        /// The path as it was given.
        path: String,
        /// What it is.
        found: Kind,
    },
    /// A directory is needed where something else is.
    #[error("`{path}` is not a directory, or goes through something that is not")]
    NotDirectory {
        /// The path as it was given.
        path: String,
    },
    /// Renames around the path never left it alone long enough to be judged.
    #[error("`{path}` changed while it was being looked up")]
    Unsettled {
        /// The path as it was given.
        path: String,
    },
    /// The operating system refused.
    #[error("`{path}` cannot be opened")]
    Io {
        /// The path as it was given.
        path: String,
        /// Its reason.
        #[source]
        source: io::Error,
    },
}

impl PathError {
    /// What a failed `openat2` beneath a root means, after openat2(2).
    pub(super) fn from_lookup(errno: Errno, path: &str, allowed: &Arc<str>) -> Self {
        let path = path.to_owned();
        match errno {
            // XDEV: beyond the root. LOOP: a magic link, or links without end.
            Errno::XDEV | Errno::LOOP => Self::Outside {
                path,
                allowed: Arc::clone(allowed),
            },
            Errno::NOENT => Self::NotFound { path },
            Errno::NOTDIR => Self::NotDirectory { path },
            Errno::AGAIN => Self::Unsettled { path },
            Errno::NAMETOOLONG => Self::Malformed {
                reason: "is too long",
            },
            other => Self::Io {
                path,
                source: other.into(),
            },
        }
    }
}
