//! Shared, durable memory for agents, as MCP tools: named, versioned, searchable entries in one SQLite
//! file that several processes may use at once.
//!
//! [`knowledge`] is what an entry is and which bounds it has; [`store`] keeps entries; [`embeddings`]
//! turns text into vectors, [`vectors`] finds the nearest, [`search`] finds by words and meaning. A
//! write that was acknowledged is on the disk; a read never sees an entry past its time.
//! [`Server::build`] turns a [`Config`] into a pipeline of [`tools`]; `main` serves it.
//! [`import`] takes over what other memory servers kept. [`library`] offers the entries as resources and prompts.

pub mod caches;
pub mod config;
pub mod embeddings;
pub mod import;
pub mod knowledge;
pub mod library;
mod policy;
pub mod search;
pub mod server;
pub mod store;
pub mod tools;
mod upkeep;
pub mod vectors;
mod words;

pub use config::Config;
pub use server::{IDENTITY, Server};
