//! Meaning: text as vectors, offline by default.
//!
//! The [`Embedder`] makes them with the model it finds, loaded when it is first needed and let go
//! when it is idle, or at an endpoint that the operator names. The [`Worker`] makes those of entries
//! in the background. Without a model all else works, and [`Embedder::availability`] says why.

mod config;
mod embedder;
mod encoder;
mod endpoint;
mod error;
mod local;
mod model;
mod places;
mod setup;
mod split;
#[cfg(test)]
pub(crate) mod tests;
mod worker;

pub use self::config::{CpuShare, EmbeddingConfig, EndpointConfig, ModelChoice};
pub use self::embedder::{Embedder, Sentence};
pub use self::error::{Availability, EmbedError, Unavailable};
pub use self::setup::{EmbedderSetup, EmbedderStatus, SetupError};
pub use self::worker::Worker;

use crate::knowledge::{Key, Tags, Value};

/// What is embedded of an entry: its key, its value and its tags.
///
/// Keys and tags are words that somebody chose because they say what the value is about ("db-host:
/// 10.0.0.7"), so they are part of the meaning. The category is not: it says where an entry is kept,
/// it is the same for many entries and would draw all of them together. What is searched for is
/// embedded as it is. Only the first chunk of a long text has the key, only the last the tags.
pub fn entry_text(key: &Key, value: &Value, tags: &Tags) -> String {
    let mut text = format!("{}\n{}", key.as_str(), value.as_str());
    let mut separator = "\n";
    for tag in tags.iter() {
        text.push_str(separator);
        text.push_str(tag.as_str());
        separator = ", ";
    }
    text
}
