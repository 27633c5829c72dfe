//! Which commands may run, and with which environment.
//!
//! A command line is taken apart into every command it may execute, however nested, quoted or
//! wrapped, and each is held against a table of rules. This is advice on top of the kernel's
//! confinement: expansions and programs of the caller's own can hide what a command does, so the
//! answer is never *safe*, only *not refused*.
//!
//! ```
//! use mcp_security::commands::CommandsConfig;
//!
//! let policy = CommandsConfig::default().build(Vec::new())?;
//! assert!(policy.vet_shell("echo 'rm -rf /'").is_ok());
//! assert!(policy.vet_shell("sudo sh -c 'rm -rf /'").is_err());
//! assert!(policy.vet_shell("$(cat program) x")?.is_opaque());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod environment;
mod rules;
mod script;
mod unwrap;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names::NameListError;
use environment::CommandEnvironment;
use rules::{RULES, Rule, Seen};
use script::{Invocation, Word};

pub use environment::{CommandEnvironmentConfig, VariableDenied, VettedEnvironment};
pub use script::SyntaxError;

/// Longest command line: one argument of a program is at most 128 KiB with its closing zero byte
/// (`MAX_ARG_STRLEN`, execve(2)).
pub const MAX_COMMAND_BYTES: usize = 128 * 1024 - 1;

/// What is refused, and what commands see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CommandsConfig {
    /// Absolute path of the shell that runs command lines. Default `/bin/sh`.
    pub shell: String,
    /// Refuse a command line when a program in it is known only as it runs, as in `$X file`.
    /// Default false: such lines are common, and refusing them stops no determined caller.
    pub refuse_opaque: bool,
    /// Ids of built-in rules that are off. Default none.
    pub disabled_rules: Vec<String>,
    /// Programs refused by name, whatever their arguments. Default none.
    pub denied_programs: Vec<String>,
    /// The environment of commands.
    pub environment: CommandEnvironmentConfig,
}

impl Default for CommandsConfig {
    fn default() -> Self {
        Self {
            shell: "/bin/sh".to_owned(),
            refuse_opaque: false,
            disabled_rules: Vec::new(),
            denied_programs: Vec::new(),
            environment: CommandEnvironmentConfig::default(),
        }
    }
}

/// A mistake in the configuration.
#[derive(Debug, thiserror::Error)]
pub enum CommandsConfigError {
    /// The shell's path is not absolute.
    #[error("shell `{shell}` is not an absolute path")]
    RelativeShell {
        /// The path as written.
        shell: String,
    },
    /// No such rule.
    #[error("there is no command rule `{id}`")]
    UnknownRule {
        /// The id as written.
        id: String,
    },
    /// A list of variables cannot be read.
    #[error("the list of passed variables is malformed")]
    Variables {
        /// The entry.
        #[source]
        source: NameListError,
    },
}

impl CommandsConfig {
    /// The policy. `environment` is the server's own, as it was at start.
    pub fn build(
        self,
        environment: Vec<(OsString, OsString)>,
    ) -> Result<CommandPolicy, CommandsConfigError> {
        if !self.shell.starts_with('/') {
            return Err(CommandsConfigError::RelativeShell { shell: self.shell });
        }
        if let Some(id) = self
            .disabled_rules
            .iter()
            .find(|id| !RULES.iter().any(|rule| rule.id == **id))
        {
            return Err(CommandsConfigError::UnknownRule { id: id.clone() });
        }
        let enabled = |rule: &&Rule| !self.disabled_rules.iter().any(|id| id == rule.id);
        let environment = CommandEnvironment::build(self.environment, environment)
            .map_err(|source| CommandsConfigError::Variables { source })?;
        Ok(CommandPolicy(Arc::new(Inner {
            shell: self.shell,
            refuse_opaque: self.refuse_opaque,
            rules: RULES.iter().filter(enabled).collect(),
            denied_programs: self.denied_programs.into_iter().collect(),
            environment,
        })))
    }
}

/// Decides about commands. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CommandPolicy(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shell: String,
    refuse_opaque: bool,
    rules: Vec<&'static Rule>,
    denied_programs: BTreeSet<String>,
    environment: CommandEnvironment,
}

/// A command that no rule refuses. Only [`CommandPolicy`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedCommand {
    program: String,
    args: Vec<String>,
    opaque: bool,
}

impl AllowedCommand {
    /// What to execute.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// Its arguments, the program's name not included.
    pub fn args(&self) -> &[String] {
        &self.args
    }

    /// Whether a program in it is known only as it runs, so that the rules could not be asked.
    pub fn is_opaque(&self) -> bool {
        self.opaque
    }

    /// Program and arguments.
    pub fn into_parts(self) -> (String, Vec<String>) {
        (self.program, self.args)
    }
}

/// A command is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandDenied {
    /// A rule refuses it.
    #[error("`{command}` is refused because it {reason}")]
    Rule {
        /// The rule.
        rule: &'static str,
        /// Why, as the end of "refused because it …".
        reason: &'static str,
        /// The offending command, quotes removed.
        command: String,
    },
    /// The operator refuses the program.
    #[error("the program `{program}` is refused by the configuration")]
    Program {
        /// The program.
        program: String,
    },
    /// A program is known only as it runs.
    #[error("the command names a program that is known only as it runs")]
    Opaque,
    /// The command line cannot be read.
    #[error("the command line cannot be read")]
    Syntax {
        /// What is wrong with it.
        #[source]
        source: SyntaxError,
    },
    /// It is not one plain command, so it needs a shell.
    #[error("the command needs a shell: it {construct}")]
    NeedsShell {
        /// What needs it, as the end of "it …".
        construct: &'static str,
    },
    /// It is empty.
    #[error("the command is empty")]
    Empty,
    /// It, or one argument, holds a zero byte.
    #[error("the command holds a zero byte")]
    ZeroByte,
    /// It, or one argument, is too long.
    #[error("the command is longer than {limit} bytes")]
    TooLong {
        /// The bound.
        limit: usize,
    },
}

impl CommandPolicy {
    /// Asks about a command line for the shell.
    pub fn vet_shell(&self, line: &str) -> Result<AllowedCommand, CommandDenied> {
        require_passable(line)?;
        if line.trim().is_empty() {
            return Err(CommandDenied::Empty);
        }
        let opaque = self.judge(parse(line)?)?;
        let args = vec!["-c".to_owned(), line.to_owned()];
        Ok(AllowedCommand {
            program: self.0.shell.clone(),
            args,
            opaque,
        })
    }

    /// Asks about a program with its arguments, no shell involved.
    pub fn vet_argv(
        &self,
        program: &str,
        args: &[String],
    ) -> Result<AllowedCommand, CommandDenied> {
        if program.is_empty() {
            return Err(CommandDenied::Empty);
        }
        let words = std::iter::once(program).chain(args.iter().map(String::as_str));
        let words: Vec<Word> = words
            .map(|word| require_passable(word).map(|()| Word::literal(word)))
            .collect::<Result<_, _>>()?;
        let opaque = self.judge(vec![Invocation {
            words,
            ..Invocation::default()
        }])?;
        Ok(AllowedCommand {
            program: program.to_owned(),
            args: args.to_vec(),
            opaque,
        })
    }

    /// Asks about a command line that is split into words by the shell's rules of quoting, and
    /// runs without a shell. Anything a shell would have to do for it is refused; `*`, `?` and
    /// `[` stand for themselves.
    pub fn vet_line(&self, line: &str) -> Result<AllowedCommand, CommandDenied> {
        require_passable(line)?;
        let split =
            script::split(line.trim()).map_err(|source| CommandDenied::Syntax { source })?;
        let Some(words) = split else {
            return Err(CommandDenied::NeedsShell {
                construct: "uses an operator or a second line",
            });
        };
        if words.iter().any(|word| word.expands) {
            return Err(CommandDenied::NeedsShell {
                construct: "uses `$`, `` ` ``, `~` or `{a,b}`",
            });
        }
        let mut words = words.into_iter().map(|word| word.text);
        let program = words.next().unwrap_or_default();
        self.vet_argv(&program, &words.collect::<Vec<_>>())
    }

    /// Asks about variables for a command, and adds those that every command gets.
    pub fn vet_environment(
        &self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<VettedEnvironment, VariableDenied> {
        self.0.environment.vet(variables)
    }

    /// Holds all commands against the rules; tells whether some program cannot be told.
    fn judge(&self, invocations: Vec<Invocation>) -> Result<bool, CommandDenied> {
        let all = unwrap::unwrap(invocations).map_err(|source| CommandDenied::Syntax { source })?;
        for invocation in &all.invocations {
            let seen = Seen::new(invocation, &all.invocations);
            if let Some(rule) = self.0.rules.iter().find(|rule| (rule.matches)(&seen)) {
                let command = show(invocation);
                return Err(CommandDenied::Rule {
                    rule: rule.id,
                    reason: rule.reason,
                    command,
                });
            }
            if self.0.denied_programs.contains(seen.program) {
                return Err(CommandDenied::Program {
                    program: seen.program.to_owned(),
                });
            }
        }
        if all.opaque && self.0.refuse_opaque {
            return Err(CommandDenied::Opaque);
        }
        Ok(all.opaque)
    }
}

fn parse(line: &str) -> Result<Vec<Invocation>, CommandDenied> {
    script::parse(line).map_err(|source| CommandDenied::Syntax { source })
}

fn require_passable(text: &str) -> Result<(), CommandDenied> {
    if text.len() > MAX_COMMAND_BYTES {
        return Err(CommandDenied::TooLong {
            limit: MAX_COMMAND_BYTES,
        });
    }
    if text.contains('\0') {
        Err(CommandDenied::ZeroByte)
    } else {
        Ok(())
    }
}

/// A command as a reader recognises it, in at most 200 bytes or so.
fn show(invocation: &Invocation) -> String {
    const LONGEST: usize = 200;
    let mut shown = String::new();
    let words = invocation.words.iter().map(|word| (&*word.text, ""));
    let files = invocation.redirects.iter().map(|redirect| {
        let operator = if redirect.access == script::Access::Write {
            "> "
        } else {
            "< "
        };
        (&*redirect.target.text, operator)
    });
    for (text, operator) in words.chain(files) {
        if !shown.is_empty() {
            shown.push(' ');
        }
        shown.push_str(operator);
        shown.push_str(text.split_at(text.floor_char_boundary(LONGEST)).0);
        if shown.len() > LONGEST {
            shown.push('…');
            break;
        }
    }
    shown
}

#[cfg(test)]
mod tests;
