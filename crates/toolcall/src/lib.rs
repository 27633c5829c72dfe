//! The life of one tool call, free of any protocol.
//!
//! A server hands a [`Catalog`] of [`Tool`]s to a [`Pipeline`]; the pipeline turns a name and a
//! JSON object into a [`Sanitized`] reply or a [`ToolError`]. What a server offers to read beside its
//! tools is a [`Library`], and each reading is a call too. This crate deliberately knows
//! nothing of MCP, JSON-RPC or HTTP, nor of what a tool touches.
//!
//! ```
//! use std::time::Duration;
//! use mcp_toolcall::{Caching, Call, Catalog, Effects, Tool, ToolError, ToolSpec};
//!
//! struct Double;
//!
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct Args { number: u32 }
//!
//! #[derive(serde::Serialize, schemars::JsonSchema)]
//! struct Reply { doubled: u64 }
//!
//! impl Tool for Double {
//!     const SPEC: ToolSpec = ToolSpec {
//!         name: "double",
//!         title: "Double",
//!         summary: "Doubles a number.",
//!         effects: Effects::READ,
//!         caching: Caching::None,
//!         deadline: Duration::from_secs(1),
//!     };
//!     type Args = Args;
//!     type Plan = u32;
//!     type Reply = Reply;
//!
//!     async fn vet(&self, args: Args, _: &Call) -> Result<u32, ToolError> { Ok(args.number) }
//!     async fn run(&self, number: u32, _: &Call) -> Result<Reply, ToolError> {
//!         Ok(Reply { doubled: u64::from(number) * 2 })
//!     }
//! }
//!
//! let catalog = Catalog::default().with(Double);
//! assert_eq!(catalog.iter().map(|tool| tool.spec().name).collect::<Vec<_>>(), ["double"]);
//! ```

mod account;
pub mod bounded;
mod call;
mod catalog;
mod error;
pub mod fit;
pub mod json;
mod library;
pub mod operations;
mod pipeline;
mod policy;
mod recorded;
mod sanitise;
mod schema;
mod tool;

pub use account::Account;
pub use call::{Call, Caller, Progress, ProgressUpdate, TraceIds};
pub use catalog::{Catalog, Entry};
pub use error::{Code, ToolError};
pub use library::{
    Changed, Changes, Completable, Completing, Completions, Content, Document, Library,
    LibrarySpec, MAX_COMPLETIONS, Message, PromptArgument, PromptReply, PromptSpec, Resource,
    ResourcePage, Speaker, TemplateSpec,
};
pub use pipeline::{Pipeline, PipelineConfig, Reading, ReplyCache, UnknownTool, reply_cache};
pub use policy::Policy;
pub use sanitise::{Clean, Sanitiser, Sanitized};
pub use tool::{Caching, Change, Effects, Reach, Tool, ToolSpec, Topic};
