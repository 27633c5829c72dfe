//! Reading and writing files that were confined before.
//!
//! Everything here blocks, takes an [`Interrupt`] where it may take long, and is bounded by the
//! limits of the configuration. Callers on an async runtime use a blocking thread for anything but
//! small reads.

mod digest;
mod draft;
mod error;
mod interrupt;
mod read;
mod stream;
#[cfg(test)]
mod tests;
mod write;

pub use self::digest::{Digest, InvalidDigest};
pub use self::error::FileError;
pub use self::interrupt::{Interrupt, InterruptOnDrop};
pub use self::read::{Chunk, OpenedFile};
pub use self::write::Written;
