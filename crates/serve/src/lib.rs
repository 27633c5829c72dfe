//! Puts a [`Pipeline`](mcp_toolcall::Pipeline) on the wire.
//!
//! The only crate that names the MCP SDK and the HTTP server: both protocol eras on stdio and on
//! streamable HTTP, bearer authentication, the operations endpoint, layered configuration,
//! logging, traces, and an orderly stop. It deliberately knows no tool.
//!
//! A server's `main` builds its pipeline and hands it to [`run()`]:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # async fn example(pipeline: mcp_toolcall::Pipeline) -> Result<(), mcp_serve::ServeError> {
//! use mcp_serve::{Access, Identity, MissingToken, ServeConfig, Stop};
//!
//! let identity = Identity {
//!     name: "example-mcp",
//!     title: "Example",
//!     version: "1.0.0",
//!     instructions: "Tools for examples.",
//!     ops_port: 9900,
//! };
//! let config = ServeConfig::default();
//! let access = Access::prepare(identity.name, &config, &[], MissingToken::Make)?;
//! let recorder = mcp_metrics::Recorder::new(identity.version);
//! let served = (Arc::new(pipeline), recorder);
//! mcp_serve::run(identity, config, access, served, Stop::on_signals()?).await
//! # }
//! ```

mod attach;
mod auth;
mod causes;
mod client;
pub mod config;
mod descriptors;
mod error;
mod file_size;
mod handler;
mod hosts;
mod http;
mod listener;
mod memory;
mod ops;
mod papers;
pub mod program;
mod reference;
mod reload;
mod renewal;
mod run;
mod running;
mod sections;
mod settings;
mod stderr;
mod stdio;
mod stop;
mod subscriptions;
mod telemetry;
mod traces;

pub use causes::with_causes;
pub use descriptors::use_more_descriptors;
pub use error::ServeError;
pub use file_size::outlive_file_size_limit;
pub use memory::give_back_large_blocks;
pub use papers::Papers;
pub use reference::reference;
pub use reload::{Occasion, Reloading};
pub use renewal::{Load, Policies, Refusal, Renewal};
pub use run::{Access, Identity, MissingToken, run};
pub use running::Running;
pub use sections::{Freshness, Sections, Standing};
pub use settings::{
    HttpConfig, LogConfig, LogFormat, LogLevel, OpsConfig, ServeConfig, TransportConfig,
};
pub use stop::Stop;
pub use telemetry::start_telemetry;
pub use traces::{CollectorUrl, SampleRatio, Traces, TracingConfig};
