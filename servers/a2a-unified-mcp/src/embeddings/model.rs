//! The model of the server's own: a file that is found, or bytes in the program.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mcp_embedding::{FILE_NAME, Model, ModelError};
use mcp_serve::with_causes;

use super::config::{EmbeddingConfig, ModelChoice};
use super::encoder::{Encoder, Open};
use super::local::Local;
use super::places;

/// The model file, in the program: what `cargo xtask model` makes.
#[cfg(feature = "embedded-model")]
const BUILT_IN: Option<&[u8]> = Some(include_bytes!(env!(
    "A2A_EMBEDDED_MODEL",
    "the feature embedded-model needs the path of the file that `cargo xtask model` makes"
)));
#[cfg(not(feature = "embedded-model"))]
const BUILT_IN: Option<&[u8]> = None;

impl Encoder for Model {
    fn id(&self) -> &str {
        self.id()
    }

    fn dimension(&self) -> usize {
        self.dimension()
    }

    fn chunks(&self, text: &str) -> Vec<Range<usize>> {
        self.chunks(text)
    }

    fn embed(&self, text: &str) -> Vec<f32> {
        self.embed(text)
    }
}

/// The model to load when one is needed, or the paths where none is.
pub(super) fn find(config: &EmbeddingConfig, data: &Path) -> Result<Local, Vec<PathBuf>> {
    let (file, open): (_, Open) = match (places::find(config, data, FILE_NAME), BUILT_IN) {
        (Ok(file), _) => {
            let path = file.clone();
            (Some(file), Arc::new(move || opened(Model::open(&path))))
        }
        (Err(_), Some(bytes)) if config.model == ModelChoice::Auto => {
            (None, Arc::new(move || opened(Model::from_bytes(bytes))))
        }
        (Err(looked), _) => return Err(looked),
    };
    Ok(Local::new(file, open, config.idle_unload))
}

fn opened(model: Result<Model, ModelError>) -> Result<Arc<dyn Encoder>, String> {
    match model {
        Ok(model) => Ok(Arc::new(model)),
        Err(error) => Err(with_causes(&error)),
    }
}
