//! Where the model file is.
#![expect(
    clippy::disallowed_methods,
    reason = "looks for the operator's model file, never at a caller's path"
)]

use std::path::{Path, PathBuf};

use super::config::{EmbeddingConfig, ModelChoice};

/// Which file to load, or the paths where none is.
pub(super) fn find(
    config: &EmbeddingConfig,
    data: &Path,
    name: &str,
) -> Result<PathBuf, Vec<PathBuf>> {
    let directories = match &config.model {
        ModelChoice::At(path) if path.is_dir() => vec![path.clone()],
        ModelChoice::At(path) if path.is_file() => return Ok(path.clone()),
        ModelChoice::At(path) => return Err(vec![path.clone()]),
        ModelChoice::Off => Vec::new(),
        ModelChoice::Auto => {
            let program = std::env::current_exe().ok();
            let beside = program.as_deref().and_then(Path::parent);
            let configured = config.directory.as_deref();
            let directories = configured.into_iter().chain(beside).chain([data]);
            directories.map(Path::to_owned).collect()
        }
    };
    let files: Vec<PathBuf> = directories.iter().map(|place| place.join(name)).collect();
    match files.iter().find(|file| file.is_file()) {
        Some(file) => Ok(file.clone()),
        None => Err(files),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_configured_directory_comes_first() {
        let directory = tempfile::tempdir().unwrap();
        let [configured, data] = ["models", "data"].map(|name| directory.path().join(name));
        let mut config = EmbeddingConfig {
            directory: Some(configured.clone()),
            ..EmbeddingConfig::default()
        };
        let found = |config: &_| find(config, &data, "m.bin");
        let looked = found(&config).unwrap_err();
        assert_eq!(looked.len(), 3);
        for place in [&data, &configured] {
            fs::create_dir(place).unwrap();
            fs::write(place.join("m.bin"), "x").unwrap();
            assert_eq!(found(&config).unwrap(), place.join("m.bin"));
        }

        fs::write(data.join("other.bin"), "x").unwrap();
        config.model = ModelChoice::At(data.join("other.bin"));
        assert_eq!(found(&config).unwrap(), data.join("other.bin"));
        config.model = ModelChoice::At(data.clone());
        assert_eq!(found(&config).unwrap(), data.join("m.bin"));
        config.model = ModelChoice::At(data.join("none"));
        assert_eq!(found(&config).unwrap_err(), [data.join("none")]);
    }
}
