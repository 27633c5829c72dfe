//! Runs a command so that it cannot reach beyond its boundary nor outlast its call.
//!
//! The server executes its own binary again as a *helper*; the helper limits itself, starts the
//! command and ends every descendant when the command exits or the server lets go:
//!
//! ```text
//! server ── control socket ── helper (own session, subreaper, limits) ── command (own group)
//!    └───────────────── stdout and stderr pipes ──────────────────────────────┘
//! ```
//!
//! The crate deliberately knows nothing of policy: it runs what it is given. Whether a command
//! may run, in which directory and with which variables, is decided by `mcp-security` before.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use mcp_sandbox::{Boundary, CommandSpec, Runner, SandboxConfig, WorkingDirectory};
//!
//! let config = SandboxConfig::default();
//! let runner = Runner::build(&config)?;
//! let spec = CommandSpec {
//!     program: "/bin/echo".to_owned(),
//!     args: vec!["hello".to_owned()],
//!     environment: Vec::new(),
//!     cwd: WorkingDirectory::Temporary,
//!     stdin: Vec::new(),
//!     timeout: Duration::from_secs(5),
//!     output_cap_bytes: 64 * 1024,
//!     boundary: Boundary::closed(&config, None),
//!     gateway: None,
//! };
//! let outcome = runner.run(spec, |progress| drop(progress)).await?;
//! assert_eq!(outcome.stdout.head, b"hello\n");
//! # Ok(())
//! # }
//! ```

mod boundary;
mod capture;
mod cgroup;
mod config;
mod gateway;
mod handover;
pub mod helper;
mod outcome;
mod reap;
mod runner;
mod tier;
mod wire;

pub use boundary::{Access, Boundary, FileId, Ground, Guard, Guarded, GuardedName, Place, Root};
pub use capture::Captured;
pub use cgroup::{Group, NoCgroups};
pub use config::{Limits, Network, SandboxConfig, Waiver};
pub use gateway::{Gateway, Passage};
pub use helper::HELPER_ARG;
pub use outcome::{Outcome, Progress, Status};
pub use runner::{
    BuildError, CommandSpec, Inexpressible, RunError, Runner, Shortfall, Turn, WorkingDirectory,
};
pub use tier::{Confinement, Layer, Tier};
pub use wire::Stage;
