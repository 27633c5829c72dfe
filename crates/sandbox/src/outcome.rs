//! What came of a command, and what held it.

use std::time::Duration;

use crate::capture::Captured;

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

/// What holds a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confinement {
    /// The overall strength.
    pub tier: Tier,
    /// Every layer in force, outermost first. A layer that cannot be set up fails the command, so
    /// this is a statement of fact.
    pub layers: &'static [Layer],
}

/// How strongly the kernel confines a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// The command has the rights of the server's user.
    None,
}

impl Tier {
    /// The name in results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
        }
    }
}

/// One measure that holds a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// Orphaned descendants fall to the helper, which ends them (`PR_SET_CHILD_SUBREAPER`).
    Subreaper,
    /// It has its own session and process group and no terminal.
    ProcessGroup,
    /// It sees only the variables it was given.
    CleanEnvironment,
    /// [`Limits`](crate::Limits) are in force.
    ResourceLimits,
    /// Set-user-id programs gain nothing (`PR_SET_NO_NEW_PRIVS`).
    NoNewPrivileges,
}

impl Layer {
    /// The name in results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Subreaper => "subreaper",
            Self::ProcessGroup => "process-group",
            Self::CleanEnvironment => "clean-env",
            Self::ResourceLimits => "rlimits",
            Self::NoNewPrivileges => "no-new-privs",
        }
    }
}
