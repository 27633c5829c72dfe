//! What is shipped.

pub(crate) mod images;
