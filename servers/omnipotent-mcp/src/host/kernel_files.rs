//! Reads files that the system itself writes: `/proc`, `/sys` and `/etc`. Their paths are never
//! taken from a caller.
#![expect(
    clippy::disallowed_methods,
    reason = "fixed paths of the system, none from a caller"
)]

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// `/proc/stat` of a machine with 1000 processors is about a tenth of this.
const LONGEST_BYTES: u64 = 1024 * 1024;

/// The file's first mebibyte; bytes that are not UTF-8 become U+FFFD.
pub(super) fn read(path: &Path) -> io::Result<String> {
    let mut content = Vec::with_capacity(4096);
    File::open(path)?
        .take(LONGEST_BYTES)
        .read_to_end(&mut content)?;
    Ok(String::from_utf8(content)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}
