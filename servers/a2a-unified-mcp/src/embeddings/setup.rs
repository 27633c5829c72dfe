//! What an embedder is made of, and what it says of itself.

use std::path::{Path, PathBuf};

use mcp_egress::Egress;
use serde::Serialize;

use super::config::EmbeddingConfig;

/// What an [`super::Embedder`] is made of.
pub struct EmbedderSetup<'a> {
    /// What the operator set.
    pub config: &'a EmbeddingConfig,
    /// Where the store is: a model is looked for there too.
    pub data: &'a Path,
    /// The way to an endpoint.
    pub egress: Egress,
    /// Reads a variable of the environment, for the endpoint's key.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
}

/// The configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// The endpoint's URL may not be requested.
    #[error("embedding.endpoint.url: {reason}")]
    Url {
        /// Why.
        reason: String,
    },
    /// The variable with the endpoint's key is not set, or holds what no header can.
    #[error("embedding.endpoint.key_env: {variable} {reason}")]
    Key {
        /// Its name.
        variable: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// What makes vectors, for those who look after the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EmbedderStatus {
    /// Why meaning cannot be searched now; `None` when it can.
    pub unavailable: Option<String>,
    /// The model's name, once it was used.
    pub model: Option<String>,
    /// Numbers in each of its vectors, once it was used.
    pub dimension: Option<usize>,
    /// The model's file, when there is one.
    pub file: Option<PathBuf>,
    /// The endpoint, when there is one.
    pub endpoint: Option<String>,
    /// Whether a model is in memory now.
    pub loaded: bool,
}
