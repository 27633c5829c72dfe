//! Tools about the machine itself and its processes.

pub mod kill_process;
pub mod list_processes;
pub mod system_info;

use mcp_security::processes::{ProcessDenied, SignalError};
use mcp_toolcall::{Code, ToolError, Topic};

use crate::host::HostError;

/// What cached lists of processes are about.
pub(crate) const PROCESSES: Topic = Topic("processes");

/// What cached facts of the machine are about.
pub(crate) const SYSTEM: Topic = Topic("system");

/// A machine that does not say what every Linux says cannot be helped by the caller.
fn explain(error: HostError) -> ToolError {
    ToolError::new(
        Code::Unavailable,
        format!("the system gave no answer: {error}"),
    )
    .with_hint("try again; if it stays so, /proc or /sys is not mounted in full")
    .with_source(error)
}

/// Why a process may not be ended, and what the caller can do instead.
fn explain_denial(denial: ProcessDenied) -> ToolError {
    let (code, hint) = match &denial {
        ProcessDenied::Missing { .. } => (
            Code::NotFound,
            "call list_processes for the pids of running processes".to_owned(),
        ),
        ProcessDenied::Reserved { .. } => (
            Code::ProcessDenied,
            "give the pid of one process, 2 or greater".to_owned(),
        ),
        ProcessDenied::Thread { leader, .. } => (
            Code::ProcessDenied,
            format!("give the pid of the process instead: {leader}"),
        ),
        ProcessDenied::OtherUser { .. } => (
            Code::ProcessDenied,
            "only processes of the server's own user can be ended".to_owned(),
        ),
        ProcessDenied::Critical { .. } => {
            let hint = "the operator keeps this list; ask a person to end the process";
            (Code::ProcessDenied, hint.to_owned())
        }
        ProcessDenied::Myself { .. }
        | ProcessDenied::Ancestor { .. }
        | ProcessDenied::KernelThread { .. } => (
            Code::ProcessDenied,
            "choose another process; this one is always kept".to_owned(),
        ),
        ProcessDenied::Unreadable { .. } => {
            let hint = "the server may not see this process, so it may not end it";
            (Code::ProcessDenied, hint.to_owned())
        }
    };
    ToolError::new(code, denial.to_string())
        .with_hint(hint)
        .with_source(denial)
}

/// The kernel refused what the policy allowed.
fn explain_signal(error: SignalError) -> ToolError {
    ToolError::new(Code::ProcessDenied, error.to_string())
        .with_hint("the kernel refused it; ask a person to end the process")
        .with_layer("kernel")
        .with_source(error)
}
