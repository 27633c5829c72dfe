//! Why a model cannot be loaded or made.

use std::io;
use std::path::{Path, PathBuf};

/// Why a model cannot be loaded or made.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file cannot be read.
    #[error("cannot read the model file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// The file was read and is not the model.
    #[error("{} cannot be used as the model", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<ModelError>,
    },

    /// The bytes are no model file at all, or end early.
    #[error("not a whole safetensors file: {reason}")]
    Format {
        /// What was found instead.
        reason: String,
    },

    /// A model file, but not the one this program was made for, or a damaged one.
    #[error(
        "damaged, or made for another version: its sha256 is {found}, expected {}; `cargo xtask model` makes the right file",
        crate::SHA256
    )]
    Digest {
        /// The sha256 of what was read.
        found: String,
    },

    /// A tensor is missing, or has another type or shape.
    #[error("the tensor {name} {reason}")]
    Tensor {
        /// Its name in the file.
        name: String,
        /// What is wrong with it.
        reason: String,
    },

    /// The vocabulary is not that of the model.
    #[error("the vocabulary {reason}")]
    Vocabulary {
        /// What is wrong with it.
        reason: String,
    },
}

impl ModelError {
    pub(crate) fn format(reason: impl Into<String>) -> Self {
        Self::Format {
            reason: reason.into(),
        }
    }

    pub(crate) fn tensor(name: &str, reason: impl Into<String>) -> Self {
        Self::Tensor {
            name: name.to_owned(),
            reason: reason.into(),
        }
    }

    pub(crate) fn vocabulary(reason: impl Into<String>) -> Self {
        Self::Vocabulary {
            reason: reason.into(),
        }
    }

    /// The same, said of the file at `path`.
    pub(crate) fn of(self, path: &Path) -> Self {
        Self::Unusable {
            path: path.to_owned(),
            source: Box::new(self),
        }
    }
}
