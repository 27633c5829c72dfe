//! The configuration of commands, and how it becomes a [`CommandPolicy`].

use std::ffi::OsString;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::environment::CommandEnvironment;
use super::rules::{Decision, Rule, built_in};
use super::{CommandEnvironmentConfig, CommandPolicy, ExampleError, Inner};
use crate::names::NameListError;

/// What is refused, and what commands see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CommandsConfig {
    /// Absolute path of the shell that runs command lines. Default `/bin/sh`.
    pub shell: String,
    /// What becomes of a command that no rule is about: "allow", "confirm" or "deny". Default
    /// "allow". With another value only listed programs run, beside the shell's own commands that
    /// touch nothing outside it; set `opaque` too.
    pub default: Decision,
    /// What becomes of a command line in which a command is known only as it runs, as in `$X file`
    /// or `curl … | sh`: "allow", "confirm" or "deny". Default "allow": such lines are common, and
    /// refusing them stops no determined caller. It is never less strict than `default`.
    pub opaque: Decision,
    /// Rules beside the built-in ones; of those that apply the strictest decides. None by default.
    #[schemars(with = "Vec<String>")]
    pub rules: Vec<Rule>,
    /// Ids of built-in rules that are off. Default none.
    pub disabled_rules: Vec<String>,
    /// The environment of commands.
    pub environment: CommandEnvironmentConfig,
}

impl Default for CommandsConfig {
    fn default() -> Self {
        Self {
            shell: "/bin/sh".to_owned(),
            default: Decision::Allow,
            opaque: Decision::Allow,
            rules: Vec::new(),
            disabled_rules: Vec::new(),
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
    #[error("there is no built-in command rule `{id}`")]
    UnknownRule {
        /// The id as written.
        id: String,
    },
    /// The id of a rule is none.
    #[error("`{id}` is not an id of a rule: small letters, digits and `-`")]
    RuleId {
        /// The id as written.
        id: String,
    },
    /// Two rules have the same id.
    #[error("there are two command rules `{id}`")]
    DuplicateRule {
        /// The id.
        id: String,
    },
    /// A rule applies to nothing, or to everything.
    #[error("the command rule `{id}` has no condition, or one that asks for nothing")]
    EmptyCondition {
        /// The rule.
        id: String,
    },
    /// A rule does not do what its examples say.
    #[error("the command rule `{id}` contradicts its example")]
    Example {
        /// The rule.
        id: String,
        /// The example, and what became of it.
        #[source]
        source: ExampleError,
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
    /// The policy. `environment` is the server's own, as it was at start. The operator's rules are
    /// held to their examples; without any, the built-in rules are not even read.
    pub fn build(
        self,
        environment: Vec<(OsString, OsString)>,
    ) -> Result<CommandPolicy, CommandsConfigError> {
        if !self.shell.starts_with('/') {
            return Err(CommandsConfigError::RelativeShell { shell: self.shell });
        }
        let is_built_in = |id: &String| built_in().iter().any(|rule| rule.id == *id);
        if let Some(id) = self.disabled_rules.iter().find(|id| !is_built_in(id)) {
            return Err(CommandsConfigError::UnknownRule { id: id.clone() });
        }
        for (index, rule) in self.rules.iter().enumerate() {
            let mut others = self.rules.iter().take(index);
            if others.any(|other| other.id == rule.id) || is_built_in(&rule.id) {
                return Err(CommandsConfigError::DuplicateRule {
                    id: rule.id.clone(),
                });
            }
            check_form(rule)?;
        }
        let environment = CommandEnvironment::build(self.environment, environment)
            .map_err(|source| CommandsConfigError::Variables { source })?;
        let policy = CommandPolicy(Arc::new(Inner {
            shell: self.shell,
            default: self.default,
            opaque: self.opaque.max(self.default),
            rules: self.rules,
            disabled_rules: self.disabled_rules,
            environment,
        }));
        policy.check_examples(&policy.0.rules)?;
        Ok(policy)
    }
}

fn check_form(rule: &Rule) -> Result<(), CommandsConfigError> {
    let id = || rule.id.clone();
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if rule.id.is_empty() || !rule.id.chars().all(is_plain) {
        return Err(CommandsConfigError::RuleId { id: id() });
    }
    if rule.when.is_empty() || rule.when.iter().any(super::Condition::is_empty) {
        return Err(CommandsConfigError::EmptyCondition { id: id() });
    }
    Ok(())
}
