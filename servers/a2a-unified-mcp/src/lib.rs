//! What is known, kept: named, versioned, searchable entries in one SQLite file that several
//! processes may use at once.
//!
//! [`knowledge`] is what an entry is and which bounds it has; [`store`] keeps entries, [`embeddings`]
//! turns text into vectors, [`vectors`] finds the nearest. A write that
//! was acknowledged is on the disk; a read never sees an entry past its time.

pub mod embeddings;
pub mod knowledge;
pub mod store;
pub mod vectors;
