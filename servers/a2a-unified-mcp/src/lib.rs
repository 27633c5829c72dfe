//! What is known, kept: named, versioned, searchable entries in one SQLite file that several
//! processes may use at once.
//!
//! [`knowledge`] is what an entry is and which bounds it has; [`store`] keeps entries. A write that
//! was acknowledged is on the disk; a read never sees an entry past its time. [`library`] offers the
//! entries as resources and prompts.

pub mod knowledge;
pub mod library;
pub mod store;
