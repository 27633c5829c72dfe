//! Tools that run commands.

pub mod execute_command;
mod hint;
mod output;
pub mod way_out;

use std::io;

use mcp_sandbox::{RunError, Stage};
use mcp_security::commands::{CommandDenied, Decision, SyntaxError, VariableDenied};
use mcp_toolcall::{Code, ToolError};

use crate::enclosure::DrawError;

/// Why a command was refused, and what the caller can do instead.
fn explain_denied(error: CommandDenied) -> ToolError {
    advise_denied(&error).with_source(error)
}

fn advise_denied(error: &CommandDenied) -> ToolError {
    let text = error.to_string();
    let code = match error.decision() {
        Decision::Confirm => Code::ConfirmationRequired,
        Decision::Allow | Decision::Deny => Code::CommandDenied,
    };
    let denied = || ToolError::new(code, text.clone());
    if code == Code::ConfirmationRequired {
        return denied()
            .with_hint("ask the person to run it; the answer cannot be given in a call");
    }
    match error {
        CommandDenied::Rule { rule, .. } => denied().with_hint(format!(
            "leave that part out, or name a narrower target; the operator can turn the rule \
             `{rule}` off"
        )),
        CommandDenied::Unlisted { program, .. } => denied().with_hint(format!(
            "use a program that is listed; the operator can list `{program}` in commands.rules"
        )),
        CommandDenied::Opaque { .. } => {
            denied().with_hint("write the commands out instead of computing or fetching them")
        }
        CommandDenied::Syntax { source } => {
            let hint = match source {
                SyntaxError::TooDeep { .. } | SyntaxError::TooMuch { .. } => {
                    "split the command, or write it to a file and run that"
                }
                SyntaxError::Unclosed { .. }
                | SyntaxError::Unexpected { .. }
                | SyntaxError::Ambiguous { .. } => {
                    "fix the quoting, or give the program and `args` with shell=false"
                }
            };
            let message = format!("the command line cannot be read: {source}");
            ToolError::new(Code::CommandDenied, message).with_hint(hint)
        }
        CommandDenied::NeedsShell { .. } => ToolError::invalid("command", text)
            .with_hint("use shell=true, or give the words literally in `args`"),
        CommandDenied::Empty | CommandDenied::ZeroByte => ToolError::invalid("command", text),
        CommandDenied::TooLong { limit } => ToolError::new(Code::TooLarge, text)
            .with_limit(u64::try_from(*limit).unwrap_or(u64::MAX))
            .with_hint("give long input as `stdin`, or write it to a file first"),
    }
}

/// Why a variable was refused, and what the caller can do instead.
fn explain_variable(error: VariableDenied) -> ToolError {
    let text = error.to_string();
    let explained = match &error {
        VariableDenied::Dangerous { .. } => ToolError::new(Code::EnvDenied, text)
            .with_hint("leave the variable out, or use an option of the program instead"),
        VariableDenied::Name { .. } | VariableDenied::ZeroByte { .. } => {
            ToolError::invalid("env", text)
        }
        VariableDenied::TooMany { limit } | VariableDenied::TooLarge { limit } => {
            ToolError::new(Code::TooLarge, text)
                .with_limit(u64::try_from(*limit).unwrap_or(u64::MAX))
                .with_hint("put the values into a file or into `stdin`")
        }
    };
    explained.with_source(error)
}

/// Why no boundary was drawn, and what the operator can do.
fn explain_draw(error: DrawError) -> ToolError {
    let text = error.to_string();
    match error {
        DrawError::Root(source) => explain_run(RunError::Directory { source }),
        DrawError::Unscanned { entries, .. } => ToolError::new(Code::Unavailable, text)
            .with_layer("sandbox")
            .with_limit(u64::try_from(entries).unwrap_or(u64::MAX))
            .with_hint(
                "the operator can raise sandbox.scan_entries, open a smaller directory, or do \
                 without by sandbox.waive = [\"unscanned\"]",
            ),
    }
}

/// Why a command did not run, and what the caller can do instead.
fn explain_run(error: RunError) -> ToolError {
    let text = error.to_string();
    match error {
        RunError::Execute { program, source } => explain_execute(&program, source),
        RunError::Unavailable(shortfall) => {
            ToolError::new(Code::Unavailable, format!("{text}: {shortfall}"))
                .with_layer("sandbox")
                .with_hint(
                    "ask the operator to run `omnipotent-mcp doctor`, which names the change that \
                     this host needs",
                )
        }
        RunError::Inexpressible(beyond) => {
            let hint = match beyond.network {
                Some(_) => "a network of their own needs the strict tier: the operator can allow \
                            it (sandbox.prefer, and user namespaces on this host, see \
                            `omnipotent-mcp doctor`), or set sandbox.network = \"none\""
                    .to_owned(),
                None => format!(
                    "the operator can allow user namespaces on this host (`omnipotent-mcp \
                     doctor`), or do without by sandbox.waive = {:?}",
                    beyond
                        .waivable
                        .iter()
                        .map(ToString::to_string)
                        .collect::<Vec<_>>()
                ),
            };
            ToolError::new(Code::Unavailable, format!("{text}: {beyond}"))
                .with_layer("sandbox")
                .with_hint(hint)
        }
        RunError::Directory { source } => ToolError::new(Code::Unavailable, text)
            .with_hint("see whether the directory still exists and may be entered")
            .with_source(source),
        ref stale if stale.is_stale() => ToolError::new(
            Code::Unavailable,
            "protected paths below the allowed directories keep changing places",
        )
        .with_layer("sandbox")
        .with_hint("call again when nothing moves them")
        .with_source(error),
        RunError::Helper {
            stage: Stage::Lock, ..
        } => ToolError::new(
            Code::Unavailable,
            "another program holds a lock (flock) on a directory that is open to commands",
        )
        .with_layer("sandbox")
        .with_hint("call again; if it stays, `lslocks` on the host names the program to be ended")
        .with_source(error),
        RunError::Launch { .. }
        | RunError::Gateway { .. }
        | RunError::Helper { .. }
        | RunError::NoReport => ToolError::new(Code::Unavailable, text)
            .with_hint("call again; if it stays, the operator finds the cause in the log")
            .with_source(error),
        RunError::ShuttingDown => ToolError::new(Code::Unavailable, text),
    }
}

fn explain_execute(program: &str, source: io::Error) -> ToolError {
    let kind = source.kind();
    let error = if kind == io::ErrorKind::NotFound {
        ToolError::new(Code::NotFound, format!("there is no program `{program}`"))
            .with_hint("check the spelling, or find it with `command -v`; is it installed?")
    } else if kind == io::ErrorKind::PermissionDenied {
        ToolError::invalid("command", format!("`{program}` may not be executed"))
            .with_hint("name an executable file, or run it by its interpreter")
    } else if kind == io::ErrorKind::ArgumentListTooLong {
        ToolError::new(
            Code::TooLarge,
            "the arguments and variables are too long together",
        )
        .with_hint("give long input as `stdin`, or write it to a file first")
    } else {
        ToolError::new(
            Code::Unavailable,
            format!("`{program}` cannot be executed: {source}"),
        )
    };
    error.with_source(source)
}
