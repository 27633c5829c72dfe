//! Why a confined file could not be read or written.

use std::io;

use crate::paths::PathError;

/// Reading or writing failed.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The path itself was refused.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The file is, or would become, larger than the configuration allows.
    #[error("`{path}` has {size} bytes, more than the {limit} allowed")]
    TooLarge {
        /// The absolute path.
        path: String,
        /// The size that was met, in bytes.
        size: u64,
        /// The largest size allowed, in bytes.
        limit: u64,
    },
    /// A file that was to be created is there already.
    #[error("`{path}` exists already")]
    Exists {
        /// The absolute path.
        path: String,
    },
    /// The file is not what the caller took it for.
    #[error("`{path}` is not what it was: {what}")]
    Changed {
        /// The absolute path.
        path: String,
        /// What differs.
        what: &'static str,
    },
    /// The caller went away.
    #[error("the work was interrupted")]
    Interrupted,
    /// The operating system refused.
    #[error("cannot {action} `{path}`")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The absolute path.
        path: String,
        /// Its reason.
        #[source]
        source: io::Error,
    },
}

impl FileError {
    /// Wraps a failure of `action` on `path`.
    pub(super) fn io<E: Into<io::Error>>(
        action: &'static str,
        path: &str,
    ) -> impl Fn(E) -> Self + Copy {
        move |source| Self::Io {
            action,
            path: path.to_owned(),
            source: source.into(),
        }
    }
}
