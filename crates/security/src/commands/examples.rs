//! Rules held to their own examples.

use super::rules::{Decision, Rule, Seen, built_in};
use super::{CommandDenied, CommandPolicy, CommandsConfigError, parse, unwrap};

/// An example shows that a rule does not do what its author meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExampleError {
    /// It must be refused and is not.
    #[error("`{line}` must be refused by it and is not")]
    NotRefused {
        /// The example.
        line: String,
    },
    /// It must be allowed and is not.
    #[error("`{line}` must be allowed and is not")]
    NotAllowed {
        /// The example.
        line: String,
        /// Why it is refused.
        #[source]
        source: Box<CommandDenied>,
    },
}

impl CommandPolicy {
    /// Holds the built-in rules to their examples; a test of the program does too.
    ///
    /// # Errors
    /// Names the rule and the example.
    pub fn check_built_in(&self) -> Result<(), CommandsConfigError> {
        let on = |rule: &&Rule| !self.0.disabled_rules.contains(&rule.id);
        self.check_examples(built_in().iter().filter(on))
    }

    pub(super) fn check_examples<'r>(
        &self,
        rules: impl IntoIterator<Item = &'r Rule>,
    ) -> Result<(), CommandsConfigError> {
        for rule in rules {
            self.check_rule(rule)
                .map_err(|source| CommandsConfigError::Example {
                    id: rule.id.clone(),
                    source,
                })?;
        }
        Ok(())
    }

    fn check_rule(&self, rule: &Rule) -> Result<(), ExampleError> {
        for line in &rule.must_deny {
            let refused = match rule.decision {
                Decision::Allow => self.vet_shell(line).is_err(),
                Decision::Confirm | Decision::Deny => applies(rule, line),
            };
            if !refused {
                return Err(ExampleError::NotRefused { line: line.clone() });
            }
        }
        for line in &rule.must_allow {
            if let Err(source) = self.vet_shell(line) {
                return Err(ExampleError::NotAllowed {
                    line: line.clone(),
                    source: Box::new(source),
                });
            }
        }
        Ok(())
    }
}

/// Whether a rule applies to some command of a line.
fn applies(rule: &Rule, line: &str) -> bool {
    let Some(all) = parse(line).ok().and_then(|all| unwrap::unwrap(all).ok()) else {
        return false;
    };
    all.invocations
        .iter()
        .any(|invocation| rule.applies(&Seen::new(invocation, &all)))
}
