//! The model that the server brings or finds.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::config::EmbeddingConfig;
use super::encoder::{Encoder, Open};
use super::local::Local;
use super::places;

const FILE_NAME: &str = "all-MiniLM-L6-v2.int8.safetensors";

/// The model to load when one is needed, or where there is none.
pub(super) fn find(config: &EmbeddingConfig, data: &Path) -> Result<Local, Vec<PathBuf>> {
    let file = places::find(config, data, FILE_NAME)?;
    let path = file.clone();
    let open: Open = Arc::new(move || open(&path));
    Ok(Local::new(Some(file), open, config.idle_unload))
}

fn open(path: &Path) -> Result<Arc<dyn Encoder>, String> {
    Err(format!("{}", path.display()))
}
