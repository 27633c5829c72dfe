//! What came of a command.

use std::time::Duration;

use crate::capture::Captured;
use crate::tier::Confinement;

/// What came of a command that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub status: Status,
    /// Whether it was ended because its time was up.
    pub timed_out: bool,
    /// What it wrote to standard output.
    pub stdout: Captured,
    /// What it wrote to standard error.
    pub stderr: Captured,
    /// From start to end.
    pub duration: Duration,
    /// What its [`Gateway`](crate::Gateway) refused to it, in words.
    pub refusals: Vec<String>,
    /// What held it.
    pub confinement: Confinement,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It exited with this code, 0 to 255.
    Exited(i32),
    /// This signal ended it. A command that kills its own helper is killed for it, so it has
    /// signal 9 here too.
    Signaled(i32),
}

/// How far a running command is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Since it was started, or since it has been waiting for its turn.
    pub elapsed: Duration,
    /// Bytes written to both streams so far, kept or not.
    pub output_bytes: u64,
}
