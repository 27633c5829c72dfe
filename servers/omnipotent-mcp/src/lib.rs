//! An agent's hands on the machine it runs on, as MCP tools.
//!
//! [`Server::build`] turns a [`Config`] into a pipeline of fourteen tools; `main` serves it.
//! What a tool promises is in its own file under [`tools`]; the list of them is
//! `tools::catalog`.

mod announcer;
pub mod config;
pub mod doctor;
pub mod enclosure;
pub mod explain;
pub mod host;
pub mod own;
pub mod policy;
pub mod server;
pub mod tools;

pub use config::Config;
pub use server::{IDENTITY, Server};
