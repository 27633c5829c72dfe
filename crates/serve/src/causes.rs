//! What is told of an error whose causes matter.

use std::error::Error;
use std::fmt::Write;

/// An error and what caused it, on one line.
#[must_use]
pub fn with_causes(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a string does not fail.
        write!(line, ": {error}").ok();
        cause = error.source();
    }
    line
}
