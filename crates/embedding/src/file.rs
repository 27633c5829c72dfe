//! Reading the model file.
#![expect(
    clippy::disallowed_methods,
    reason = "the operator's configuration names the file, never a call"
)]

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::ModelError;

/// More than the model file has: what is larger is not read whole.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, ModelError> {
    let failed = |source| ModelError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len().min(MAX_BYTES);
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    let mut bounded = file.take(MAX_BYTES + 1);
    bounded.read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|read| read > MAX_BYTES) {
        let reason = format!("larger than {} MiB", MAX_BYTES >> 20);
        return Err(ModelError::format(reason).of(path));
    }
    Ok(bytes)
}
