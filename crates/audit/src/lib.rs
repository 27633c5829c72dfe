//! A record of what was done that shows when it was changed.
//!
//! One JSON line for each call, each naming the SHA-256 of the line before, in files that rotate
//! without breaking the chain. Several server processes may write to one chain. [`verify()`] finds
//! every edit, cut, insertion and reordering; only a cut at the very end needs a hash that was noted
//! elsewhere. There is no key: who may write the files may also make up a whole new chain, which
//! again only a noted hash shows.
//!
//! The crate knows calls only as names and JSON text. What is secret must be gone from both.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("state/audit.jsonl");
//! use mcp_audit::{Audit, AuditConfig, Begun, Decision, Effect, Ended, Outcome};
//!
//! let audit = Audit::build(&AuditConfig::default(), "example-mcp", Some(path.clone()));
//! let writing = audit.start("1.0.0");
//! let record = audit.begin(Begun {
//!     caller: "stdio",
//!     tool: "touch",
//!     effect: Effect::Changes,
//!     arguments: r#"{"path":"a"}"#.to_owned(),
//! });
//! record.admit().await?;
//! record
//!     .finish(Ended { decision: Decision::Allowed, outcome: Outcome::Succeeded, code: None })
//!     .await;
//! writing.stop().await;
//!
//! let report = mcp_audit::verify(&path, None)?;
//! assert_eq!((report.records, report.findings.len()), (3, 0));
//! # Ok(()) }
//! ```

mod audit;
mod call;
mod chain;
mod config;
mod error;
mod journal;
mod place;
mod queue;
mod record;
mod snapshot;
mod tail;
#[cfg(test)]
mod tests;
mod verify;

pub use audit::{Audit, Effect, Status, Unrecordable, Writing};
pub use call::{Begun, CallRecord, Ended};
pub use chain::{Head, InvalidHash, LineHash};
pub use config::{AuditConfig, Failure, OnFailure, Sync};
pub use error::AuditError;
pub use queue::TurnedAway;
pub use record::{Decision, MAX_ARGUMENTS_BYTES, Outcome};
pub use tail::{follow, last, readable};
pub use verify::{Fault, Finding, Report, verify};
