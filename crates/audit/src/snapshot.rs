//! The files of an audit as they are at one moment, to be read.
#![expect(
    clippy::disallowed_methods,
    reason = "reads the audit that the operator names on the command line"
)]

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::AuditError;
use crate::place::rotated_number;

/// How long servers may hold the lock. Each holds it for one write; there may be many.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks at a lock that is held.
const LOCK_PAUSE: Duration = Duration::from_millis(1);

/// The name of the current file in a directory of which only the name is known.
const USUAL_NAME: &str = "audit.jsonl";

/// One file of an audit.
#[derive(Debug)]
pub(crate) struct Part {
    /// Its name.
    pub(crate) name: String,
    /// Its number if it was rotated.
    pub(crate) number: Option<u64>,
    /// The file, at its beginning.
    pub(crate) file: File,
    /// Bytes that it held at that moment.
    pub(crate) bytes: u64,
}

/// The current file of the audit that a file or directory stands for.
pub(crate) fn current_path(path: &Path) -> PathBuf {
    if path.is_dir() {
        path.join(USUAL_NAME)
    } else {
        path.to_owned()
    }
}

/// The files of the audit whose current file is `path`, oldest first. No server writes meanwhile.
pub(crate) fn open(path: &Path) -> Result<Vec<Part>, AuditError> {
    let _lock = lock(path, LOCK_PATIENCE)?;
    let mut found = rotated(path)?;
    found.sort_unstable_by_key(|(number, _)| *number);
    let rotated = found.into_iter().map(|(number, path)| (Some(number), path));
    let mut parts = Vec::new();
    for (number, path) in rotated.chain([(None, path.to_owned())]) {
        let file = match File::open(&path) {
            // A server that was ended while it rotated leaves no current file.
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    && number.is_none()
                    && !parts.is_empty() =>
            {
                continue;
            }
            opened => opened.map_err(failed("open", &path))?,
        };
        let bytes = file.metadata().map_err(failed("look at", &path))?.len();
        let name = path.file_name().unwrap_or(path.as_os_str());
        parts.push(Part {
            name: name.to_string_lossy().into_owned(),
            number,
            file,
            bytes,
        });
    }
    Ok(parts)
}

fn rotated(path: &Path) -> Result<Vec<(u64, PathBuf)>, AuditError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let Some(name) = path.file_name() else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed("list", directory))? {
        let entry = entry.map_err(failed("list", directory))?;
        if let Some(number) = rotated_number(name, entry.file_name().as_bytes()) {
            found.push((number, entry.path()));
        }
    }
    Ok(found)
}

/// Keeps servers from writing until it is dropped. A copy of an audit has no lock and needs none.
fn lock(path: &Path, patience: Duration) -> Result<Option<File>, AuditError> {
    let mut name = OsString::from(path);
    name.push(".lock");
    let Ok(file) = File::open(&name) else {
        return Ok(None);
    };
    let deadline = Instant::now() + patience;
    loop {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => return Ok(Some(file)),
            Err(Errno::WOULDBLOCK) if Instant::now() < deadline => {
                std::thread::sleep(LOCK_PAUSE);
            }
            Err(Errno::WOULDBLOCK) => return Err(AuditError::Locked { path: name.into() }),
            Err(Errno::INTR) => {}
            // A file system without locks: nobody can write under one either.
            Err(_) => return Ok(None),
        }
    }
}

/// Wraps a failure of `action`.
pub(crate) fn failed(action: &'static str, path: &Path) -> impl Fn(io::Error) -> AuditError {
    let path = path.to_owned();
    move |source| AuditError::Io {
        action,
        path: path.clone(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_not_given_up_is_not_waited_for_without_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(USUAL_NAME);
        let patience = Duration::from_millis(50);
        assert!(lock(&path, patience).unwrap().is_none());
        let held = File::create(directory.path().join("audit.jsonl.lock")).unwrap();
        held.lock().unwrap();
        let error = lock(&path, patience).unwrap_err().to_string();
        assert!(error.starts_with("another process keeps `"), "{error}");
        drop(held);
        assert!(lock(&path, patience).unwrap().is_some());
    }
}
