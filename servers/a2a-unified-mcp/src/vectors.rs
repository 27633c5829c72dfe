//! The nearest by meaning, found exactly.

mod matrix;
mod scan;
