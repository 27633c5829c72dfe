//! What is known, kept: named, versioned, searchable entries in one SQLite file that several
//! processes may use at once.
//!
//! [`knowledge`] is what an entry is and which bounds it has; [`store`] keeps entries; [`search`]
//! finds them. A write that was acknowledged is on the disk; a read never sees an entry past its
//! time.

pub mod knowledge;
pub mod search;
pub mod store;
mod vectors;
mod words;
