//! Tools that move entries between the store and files.

pub mod export_knowledge;
pub mod import_knowledge;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use mcp_security::files::FileError;
use mcp_security::paths::{
    Access, FilesConfig, PathError, ProtectedPath, Protection, RootConfig, Roots, Surroundings,
    every_name,
};
use mcp_toolcall::{Code, ToolError};

use crate::config::ExportsConfig;

/// The directory that exports are written to and imports are read from, opened on first need. Cheap
/// to clone.
#[derive(Debug, Clone)]
pub struct Exports(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    /// What no call may reach, wherever the root is.
    data_file: PathBuf,
    max_bytes: u64,
    opened: OnceLock<Roots>,
}

impl Exports {
    /// The one that is configured, or the one in the data directory. The file that entries are kept in
    /// and what lies beside it under its name are out of reach.
    pub fn new(config: &ExportsConfig, data: &Path, data_file: &Path) -> Self {
        let root = config.root.clone().unwrap_or_else(|| data.join("exports"));
        Self(Arc::new(Inner {
            root,
            data_file: data_file.to_owned(),
            max_bytes: config.max_bytes,
            opened: OnceLock::new(),
        }))
    }

    fn roots(&self) -> Result<&Roots, ToolError> {
        if let Some(roots) = self.0.opened.get() {
            return Ok(roots);
        }
        let roots = self.open()?;
        Ok(self.0.opened.get_or_init(|| roots))
    }

    /// The file by each of its names, with its log, copies and drafts.
    fn protected(&self) -> Vec<ProtectedPath> {
        let names = every_name(&self.0.data_file).into_iter();
        let names = names.filter_map(|name| Some(name.to_str()?.to_owned()));
        let rule = |path: String| ProtectedPath {
            path,
            access: Protection::ReadWrite,
        };
        names
            .flat_map(|name| [rule(format!("{name}*")), rule(name)])
            .collect()
    }

    fn open(&self) -> Result<Roots, ToolError> {
        let root = &self.0.root;
        let unusable = |reason: String| {
            let text = format!(
                "the directory for exports, `{}`, cannot be used",
                root.display()
            );
            ToolError::new(Code::Unavailable, format!("{text}: {reason}"))
                .with_hint("the operator sets exports.root")
        };
        make_private(root).map_err(|error| unusable(error.to_string()))?;
        let config = FilesConfig {
            roots: vec![RootConfig {
                path: root.clone(),
                access: Access::ReadWrite,
            }],
            protected: self.protected(),
            unprotected_names: Vec::new(),
            max_read_bytes: self.0.max_bytes,
            max_write_bytes: self.0.max_bytes,
            ..FilesConfig::default()
        };
        let around = Surroundings {
            working_directory: Path::new("/"),
            homes: &[],
        };
        config
            .build(&around)
            .map_err(|error| unusable(error.to_string()).with_source(error))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the directory for exports is the operator's choice, never a call's"
)]
fn make_private(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
}

/// Why a file was refused, and what the caller can do instead.
fn explain_file(error: FileError) -> ToolError {
    let text = error.to_string();
    let explained = match &error {
        FileError::Path(PathError::NotFound { .. }) => ToolError::new(Code::NotFound, text)
            .with_hint("paths start at the directory for exports (exports.root)"),
        FileError::Path(PathError::Malformed { .. }) => ToolError::invalid("path", text),
        FileError::Path(PathError::WrongKind { .. } | PathError::NotDirectory { .. }) => {
            ToolError::invalid("path", text).with_hint("name a regular file")
        }
        FileError::Path(_) => ToolError::new(Code::PathDenied, text)
            .with_hint("name a file below the directory for exports (exports.root)"),
        FileError::TooLarge { limit, .. } => ToolError::new(Code::TooLarge, text)
            .with_limit(*limit)
            .with_hint("export less at once, with filters"),
        FileError::Exists { .. } => {
            ToolError::new(Code::Conflict, text).with_hint("choose another name, or set overwrite")
        }
        FileError::Changed { .. } => ToolError::new(Code::Conflict, text),
        FileError::Interrupted => ToolError::new(Code::Cancelled, text),
        FileError::Io { source, .. } => {
            ToolError::new(Code::Unavailable, format!("{text}: {}", source.kind()))
        }
    };
    explained.with_source(error)
}
