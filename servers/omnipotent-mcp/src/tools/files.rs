//! Tools that read and write files under the roots.

pub mod batch_read_files;
mod encoding;
mod page;
pub mod read_file_secure;
#[cfg(test)]
mod tests;
pub mod write_file_secure;

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use mcp_security::files::{FileError, Interrupt};
use mcp_security::paths::{Access, Kind, PathError, Roots};
use mcp_toolcall::{Code, ToolError};

use encoding::EncodingError;

/// Up to here a file is read in less time than it takes to hand the work to another thread.
const INLINE_BYTES: u64 = 64 * 1024;

/// Runs `work` on a blocking thread; dropping the future interrupts it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce(&Interrupt) -> Result<T, ToolError> + Send + 'static,
) -> Result<T, ToolError> {
    let interrupt = Interrupt::default();
    let _guard = interrupt.on_drop();
    match tokio::task::spawn_blocking(move || work(&interrupt)).await {
        Ok(outcome) => outcome,
        Err(error) => Err(
            ToolError::new(Code::Internal, "the file was not worked on to the end")
                .with_source(error),
        ),
    }
}

/// Why the file at that absolute path may be used.
fn within(roots: &Roots, path: &str) -> String {
    let above = roots
        .iter()
        .filter(|root| Path::new(path).starts_with(root.path()));
    let Some(root) = above.max_by_key(|root| root.path().components().count()) else {
        return format!("`{path}` lies below an allowed directory");
    };
    let access = match root.access() {
        Access::ReadWrite => "read and written",
        Access::ReadOnly => "read",
    };
    let root: PathBuf = root.path().components().collect();
    let root = root.display();
    format!(
        "`{path}` lies below `{root}`, which may be {access} (files.roots), and no rule protects it"
    )
}

/// Why a path or a file was refused, and what the caller can do instead.
pub(crate) fn explain(error: impl Into<FileError>) -> ToolError {
    let error = error.into();
    let text = error.to_string();
    match error {
        FileError::Path(error) => explain_path("path", error),
        FileError::TooLarge { limit, .. } => ToolError::new(Code::TooLarge, text)
            .with_limit(limit)
            .with_hint("read it in ranges (offset, max_bytes), or write less"),
        FileError::Exists { .. } => ToolError::new(Code::Conflict, text)
            .with_hint("choose another name, or use mode \"overwrite\" or \"append\""),
        FileError::Changed { .. } => ToolError::new(Code::Conflict, text)
            .with_hint("read the file again and build the change on what it holds now"),
        FileError::Interrupted => ToolError::new(Code::Cancelled, text),
        FileError::Io { source, .. } => explain_io(&text, source),
    }
}

/// Why the path in the argument `field` was refused, and what the caller can do instead.
pub(crate) fn explain_path(field: &str, error: PathError) -> ToolError {
    let text = error.to_string();
    let denied = || ToolError::new(Code::PathDenied, text.clone());
    let explained = match &error {
        PathError::NoRoots => denied().with_hint(
            "the operator opens a directory with `files.roots` in the configuration, \
             OMNIPOTENT_FILES__ROOTS in the environment, or `--root PATH`",
        ),
        PathError::Malformed { reason } => ToolError::invalid(field, reason)
            .with_hint("give a path relative to the first allowed directory, or an absolute one"),
        PathError::Outside { allowed, .. } => denied().with_hint(format!(
            "use a path below {allowed}; links count as where they lead, absolute links as outside"
        )),
        PathError::Protected { .. } => {
            denied().with_hint("protected paths are closed to every file tool; work without it")
        }
        PathError::ReadOnly { .. } => denied().with_hint("write to another allowed directory"),
        PathError::NotFound { .. } => ToolError::new(Code::NotFound, text)
            .with_hint("check the spelling; relative paths start at the first allowed directory"),
        PathError::WrongKind {
            found: Kind::Directory | Kind::DeadLink,
            ..
        } => ToolError::invalid(field, text).with_hint("name a regular file"),
        PathError::WrongKind { .. } => denied().with_hint("only regular files are opened"),
        PathError::NotDirectory { .. } => {
            ToolError::invalid(field, text).with_hint("name a path whose parents are directories")
        }
        PathError::Unsettled { .. } => {
            ToolError::new(Code::Conflict, text).with_hint("call again when nothing renames it")
        }
        PathError::Io { source, .. } => advise_io(&text, source),
    };
    explained.with_source(error)
}

fn explain_io(text: &str, source: io::Error) -> ToolError {
    advise_io(text, &source).with_source(source)
}

fn advise_io(text: &str, source: &io::Error) -> ToolError {
    let is = |kinds: &[ErrorKind]| kinds.contains(&source.kind());
    let (code, hint) = if is(&[ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem]) {
        (
            Code::PathDenied,
            "the operating system refuses it; use another file",
        )
    } else if is(&[ErrorKind::StorageFull, ErrorKind::QuotaExceeded]) {
        (Code::Unavailable, "make room on the disk, then call again")
    } else {
        (
            Code::Unavailable,
            "try again; if it stays so, the disk needs a look",
        )
    };
    let reason = source.kind();
    ToolError::new(code, format!("{text}: {reason}")).with_hint(hint)
}

fn explain_encoding(error: EncodingError) -> ToolError {
    let hint = match &error {
        EncodingError::Unknown { .. } => {
            "use \"utf-8\", another label of the WHATWG Encoding Standard such as \"windows-1252\", \
             or \"base64\" for bytes"
        }
        EncodingError::Malformed { .. } => {
            "name the encoding the file has, or use encoding \"base64\" for its bytes"
        }
        EncodingError::ByteOrderMark { .. } => "call again with the encoding that the mark names",
        EncodingError::Unmappable { .. } => "use encoding \"utf-8\", which has every character",
        EncodingError::NotBase64 { .. } => "send standard base64 (RFC 4648, section 4)",
    };
    let code = match &error {
        EncodingError::NotBase64 { .. } => Code::InvalidArgument,
        EncodingError::Unknown { .. }
        | EncodingError::Malformed { .. }
        | EncodingError::ByteOrderMark { .. }
        | EncodingError::Unmappable { .. } => Code::UnsupportedEncoding,
    };
    ToolError::new(code, error.to_string())
        .with_hint(hint)
        .with_source(error)
}
