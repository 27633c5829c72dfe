//! Reading: ranges of any file, digests of files within the limit.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};

use super::{Digest, FileError, Interrupt};
use crate::paths::ConfinedPath;
use crate::paths::resolve::reopen;

/// Bytes read between two looks at the interrupt.
const PIECE: usize = 256 * 1024;

/// A confined file, open for reading.
#[derive(Debug)]
pub struct OpenedFile {
    file: File,
    size: u64,
    path: String,
    limit: u64,
}

/// A range of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether the file ended behind them when they were read.
    pub reaches_end: bool,
}

impl ConfinedPath {
    /// Opens the file that was judged.
    pub fn open_read(&self) -> Result<OpenedFile, FileError> {
        OpenedFile::of(&self.handle, &self.shown, self.limits.read)
    }
}

impl OpenedFile {
    /// Opens the object of `handle`, which must be a regular file.
    pub(super) fn of(handle: impl AsFd, path: &str, limit: u64) -> Result<Self, FileError> {
        let failed = FileError::io("open", path);
        let file = File::from(reopen(handle, OFlags::RDONLY).map_err(failed)?);
        let stat = rustix::fs::fstat(&file).map_err(failed)?;
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        Ok(Self {
            file,
            size,
            path: path.to_owned(),
            limit,
        })
    }

    /// Size when the file was opened, in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// At most `max_bytes` bytes from `offset` on. Beyond the end there are none.
    pub fn read_range(
        &self,
        offset: u64,
        max_bytes: usize,
        interrupt: &Interrupt,
    ) -> Result<Chunk, FileError> {
        let mut bytes = Vec::new();
        // One byte more than wanted, which shows whether the file goes on.
        let most = max_bytes.saturating_add(1);
        let mut at = offset;
        while bytes.len() < most {
            interrupt.check()?;
            let expected = usize::try_from(self.size.saturating_sub(at)).unwrap_or(PIECE);
            let piece = expected
                .saturating_add(1)
                .min(PIECE)
                .min(most - bytes.len());
            let start = bytes.len();
            bytes.resize(start + piece, 0);
            let got = self.read_at(bytes.get_mut(start..).unwrap_or_default(), at)?;
            bytes.truncate(start + got);
            at = at.saturating_add(u64::try_from(got).unwrap_or(u64::MAX));
            // A short read in the middle proves nothing; one that reaches the known size does.
            if got == 0 || (got < piece && at >= self.size) {
                return Ok(Chunk {
                    bytes,
                    reaches_end: true,
                });
            }
        }
        bytes.truncate(max_bytes);
        Ok(Chunk {
            bytes,
            reaches_end: false,
        })
    }

    /// SHA-256 of the whole file, unless it is larger than `max_read_bytes` of the configuration.
    pub fn digest(&self, interrupt: &Interrupt) -> Result<Digest, FileError> {
        let mut state = Sha256::new();
        let mut piece = vec![0; PIECE];
        let mut at = 0;
        loop {
            interrupt.check()?;
            let got = self.read_at(&mut piece, at)?;
            if got == 0 {
                return Ok(state.into());
            }
            state.update(piece.get(..got).unwrap_or_default());
            at += u64::try_from(got).unwrap_or(u64::MAX);
            if at > self.limit {
                let (path, size) = (self.path.clone(), self.size.max(at));
                return Err(FileError::TooLarge {
                    path,
                    size,
                    limit: self.limit,
                });
            }
        }
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, FileError> {
        // pread(2) takes a signed offset; no file reaches beyond it.
        if i64::try_from(offset).is_err() {
            return Ok(0);
        }
        loop {
            match self.file.read_at(buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other.map_err(FileError::io("read", &self.path)),
            }
        }
    }
}
