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

mod config;
mod environment;
mod examples;
mod rules;
mod script;
mod unwrap;

use std::sync::Arc;

use environment::CommandEnvironment;
use rules::{Seen, built_in};
use script::{Invocation, Word};

pub use config::{CommandsConfig, CommandsConfigError};
pub use environment::{CommandEnvironmentConfig, VariableDenied, VettedEnvironment};
pub use examples::ExampleError;
pub use rules::{
    Condition, Decision, OptionName, Pattern, PatternError, Rule, built_in as built_in_rules,
};
pub use script::SyntaxError;

/// Longest command line: one argument of a program is at most 128 KiB with its closing zero byte
/// (`MAX_ARG_STRLEN`, execve(2)).
pub const MAX_COMMAND_BYTES: usize = 128 * 1024 - 1;

/// Commands of the shell itself that touch nothing outside it.
const SHELL_ONLY: [&str; 28] = [
    ":", "[", "[[", "alias", "break", "cd", "continue", "declare", "echo", "eval", "exit",
    "export", "false", "local", "printf", "pwd", "read", "readonly", "return", "set", "shift",
    "test", "trap", "true", "type", "unset", "wait", "typeset",
];

/// Decides about commands. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CommandPolicy(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shell: String,
    default: Decision,
    opaque: Decision,
    rules: Vec<Rule>,
    disabled_rules: Vec<String>,
    environment: CommandEnvironment,
}

/// A command that no rule refuses. Only [`CommandPolicy`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedCommand {
    program: String,
    args: Vec<String>,
    grounds: Grounds,
}

/// What the rules found in a command that they let run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Grounds {
    opaque: bool,
    /// Rules that allow a part of it.
    rules: Vec<String>,
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
        self.grounds.opaque
    }

    /// The rules that allow parts of it, each once; of the rest nothing is refused.
    pub fn allowed_by(&self) -> &[String] {
        &self.grounds.rules
    }
}

/// A command is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandDenied {
    /// A rule refuses it.
    #[error("`{command}` {} because it {reason}", phrase(*decision))]
    Rule {
        /// The rule.
        rule: String,
        /// Whether it is refused or needs a confirmation.
        decision: Decision,
        /// Why, as the end of "refused because it …".
        reason: String,
        /// The offending command, quotes removed.
        command: String,
    },
    /// No rule allows it, and commands run only when one does.
    #[error("`{command}` {} because no rule allows it", phrase(*decision))]
    Unlisted {
        /// Whether it is refused or needs a confirmation.
        decision: Decision,
        /// Its program as it is written.
        program: String,
        /// The command, quotes removed.
        command: String,
    },
    /// A command in it is known only as it runs.
    #[error("the command line {} because a command in it is known only as it runs", phrase(*decision))]
    Opaque {
        /// Whether it is refused or needs a confirmation.
        decision: Decision,
    },
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
        let grounds = self.judge(parse(line)?)?;
        let args = vec!["-c".to_owned(), line.to_owned()];
        Ok(AllowedCommand {
            program: self.0.shell.clone(),
            args,
            grounds,
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
        let grounds = self.judge(vec![Invocation {
            words,
            ..Invocation::default()
        }])?;
        Ok(AllowedCommand {
            program: program.to_owned(),
            args: args.to_vec(),
            grounds,
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
        let fixed = |name: &str| self.0.default != Decision::Allow && name == "PATH";
        let variables: Vec<(String, String)> = variables.into_iter().collect();
        match variables.iter().find(|(name, _)| fixed(name)) {
            // It says which program a listed name stands for.
            Some((name, _)) => Err(VariableDenied::Dangerous { name: name.clone() }),
            None => self.0.environment.vet(variables),
        }
    }

    fn rules(&self) -> impl Iterator<Item = &Rule> {
        let is_on = |rule: &&Rule| !self.0.disabled_rules.contains(&rule.id);
        built_in().iter().filter(is_on).chain(&self.0.rules)
    }

    /// Holds all commands against the rules.
    fn judge(&self, invocations: Vec<Invocation>) -> Result<Grounds, CommandDenied> {
        let all = unwrap::unwrap(invocations).map_err(|source| CommandDenied::Syntax { source })?;
        let mut unconfirmed = None;
        let mut rules: Vec<String> = Vec::new();
        for invocation in &all.invocations {
            match self.decide(invocation, &Seen::new(invocation, &all)) {
                Ok(Some(rule)) if !rules.contains(&rule.id) => rules.push(rule.id.clone()),
                Ok(_) => {}
                Err(denied) if denied.decision() == Decision::Deny => return Err(denied),
                Err(denied) => unconfirmed = unconfirmed.or(Some(denied)),
            }
        }
        let opaque = all.opaque.then_some(self.0.opaque);
        match (unconfirmed, opaque) {
            (_, Some(decision @ Decision::Deny)) | (None, Some(decision @ Decision::Confirm)) => {
                Err(CommandDenied::Opaque { decision })
            }
            (Some(denied), _) => Err(denied),
            (None, _) => Ok(Grounds {
                opaque: all.opaque,
                rules,
            }),
        }
    }

    /// What the strictest rule that applies, or else the default, says of a command: the rule that
    /// allows it, if one does.
    fn decide(
        &self,
        invocation: &Invocation,
        seen: &Seen<'_>,
    ) -> Result<Option<&Rule>, CommandDenied> {
        let mut strictest: Option<&Rule> = None;
        for rule in self.rules() {
            if strictest.is_none_or(|found| rule.decision > found.decision) && rule.applies(seen) {
                strictest = Some(rule);
            }
        }
        let decision = match strictest.map(|rule| rule.decision) {
            Some(decision @ (Decision::Confirm | Decision::Deny)) => decision,
            _ if self.changes_programs(seen) => self.0.default,
            Some(Decision::Allow) => Decision::Allow,
            None if needs_no_rule(invocation, seen) => Decision::Allow,
            None => self.0.default,
        };
        if decision == Decision::Allow {
            return Ok(strictest);
        }
        let command = show(invocation);
        Err(match strictest {
            Some(rule) if rule.decision == decision => CommandDenied::Rule {
                rule: rule.id.clone(),
                decision,
                reason: rule.reason.clone(),
                command,
            },
            _ => CommandDenied::Unlisted {
                decision,
                program: seen.program.to_owned(),
                command,
            },
        })
    }

    /// Whether it assigns a variable that says which code a listed name stands for.
    fn changes_programs(&self, seen: &Seen<'_>) -> bool {
        seen.assignments().any(|assignment| {
            let name = assignment.text.split(['=', '+', '[']).next();
            name.is_some_and(|name| name == "PATH" || self.0.environment.is_dangerous(name))
        })
    }
}

/// Whether nothing is started, or only what is a part of the shell.
fn needs_no_rule(invocation: &Invocation, seen: &Seen<'_>) -> bool {
    let Some(program) = invocation.words.first() else {
        return true;
    };
    let is_name = invocation.by_shell && !program.text.contains('/');
    // A program that cannot be told makes the line opaque.
    program.fixed().is_none() || (is_name && SHELL_ONLY.contains(&seen.program))
}

impl CommandDenied {
    /// Whether it is refused or needs a confirmation.
    pub fn decision(&self) -> Decision {
        match self {
            Self::Rule { decision, .. }
            | Self::Unlisted { decision, .. }
            | Self::Opaque { decision } => *decision,
            Self::Syntax { .. }
            | Self::NeedsShell { .. }
            | Self::Empty
            | Self::ZeroByte
            | Self::TooLong { .. } => Decision::Deny,
        }
    }
}

fn phrase(decision: Decision) -> &'static str {
    match decision {
        Decision::Allow => "runs",
        Decision::Confirm => "needs a person's confirmation",
        Decision::Deny => "is refused",
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
    let words = invocation.assignments.iter().chain(&invocation.words);
    let words = words.map(|word| (&*word.text, ""));
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
