//! Drives the real servers over the real protocol.
//!
//! A [`Setup`] says how a server is started; it becomes a [`Stdio`] or an [`Http`], each a running
//! process with a client that speaks to it. Both are a [`Peer`]: what is true on every transport
//! is tested through that. The clients are written by hand on purpose: a library would hide the
//! bytes that these tests are about.
//!
//! A harness has one way to report: it panics with what it waited for or what came instead, and
//! the server's standard error is printed with it.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test harness reports by panicking"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "tests set their stage with files, processes and connections of their own"
)]

mod collector;
mod dice;
mod http;
mod process;
mod rpc;
mod setup;
mod snapshot;
mod stage;
mod stdio;
mod table;
mod wait;
mod website;
mod wire;
mod wrong;

pub use collector::{Collector, texts};
pub use dice::Dice;
pub use http::Http;
pub use process::{Ended, Memory, Process};
pub use rpc::{Answer, Era, Failure, Peer, Reply};
pub use rustix::process::Signal;
pub use setup::Setup;
pub use snapshot::assert_snapshot;
pub use stage::Stage;
pub use stdio::Stdio;
pub use table::{alive_with, mark};
pub use wait::{PATIENCE, until};
pub use website::Website;
pub use wire::HttpAnswer;
pub use wrong::{assert_names, wrong_arguments};
