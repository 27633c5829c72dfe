//! Why there are no vectors.

use std::path::PathBuf;
use std::sync::Arc;

use crate::store::StoreError;

/// Whether meaning can be searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Availability {
    /// It can.
    Ready,
    /// It cannot, for this reason.
    Not(Unavailable),
}

/// Why meaning cannot be searched now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The operator does not want it.
    #[error("it is switched off (`embedding.model`)")]
    Off,
    /// There is no model.
    #[error("there is no model at {}", paths(looked))]
    NoModel {
        /// Where it was looked for.
        looked: Vec<PathBuf>,
    },
    /// There is one that cannot be used.
    #[error("the model cannot be used: {reason}")]
    Model {
        /// Why.
        reason: String,
    },
    /// The endpoint brought no usable answer.
    #[error("the embeddings endpoint failed: {reason}")]
    Endpoint {
        /// Why.
        reason: String,
    },
    /// Another process brought another model, whose vectors the file has now.
    #[error("another process uses another model on the same file; start this one again with that")]
    Superseded,
}

fn paths(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    paths.join(", ")
}

/// A vector could not be made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EmbedError {
    /// Not of any text, now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// Not of this text.
    #[error("this text cannot be embedded: {reason}")]
    Text {
        /// Why.
        reason: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(Arc<StoreError>),
}

impl From<StoreError> for EmbedError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}
