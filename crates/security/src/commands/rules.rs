//! What commands may do, as rules over parsed commands.
//!
//! Rules are data: those of `built_in.toml`, read when the first command is asked about, and the
//! operator's. They look at single commands with their wrappers removed. A rule applies when one of
//! its conditions does; the strictest rule that applies decides.

mod condition;
mod pattern;
mod seen;
mod targets;

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

pub use self::condition::Condition;
pub use self::pattern::{OptionName, Pattern, PatternError};
pub(super) use self::seen::Seen;

/// What becomes of a command, in the order of strictness.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It runs.
    Allow,
    /// It runs once a person has agreed.
    Confirm,
    /// It does not run.
    #[default]
    Deny,
}

/// A rule as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name in results and in `disabled_rules`: small letters, digits and `-`.
    pub id: String,
    /// What becomes of a command that it applies to; `deny` by default.
    #[serde(default)]
    pub decision: Decision,
    /// Why, as the end of "refused because it …".
    pub reason: String,
    /// When it applies; one is enough.
    pub when: Vec<Condition>,
    /// Command lines that the rule refuses (that the policy refuses, for a rule that allows).
    #[serde(default)]
    pub must_deny: Vec<String>,
    /// Command lines that the policy allows.
    #[serde(default)]
    pub must_allow: Vec<String>,
}

impl Rule {
    pub(super) fn applies(&self, seen: &Seen<'_>) -> bool {
        self.when
            .iter()
            .any(|condition| condition.holds(seen, self.decision))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BuiltIn {
    rule: Vec<Rule>,
}

/// The rules that come with the program.
pub fn built_in() -> &'static [Rule] {
    static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
        #[expect(
            clippy::expect_used,
            reason = "a part of the program, read by its tests"
        )]
        let built_in: BuiltIn =
            toml::from_str(include_str!("rules/built_in.toml")).expect("the built-in rules");
        built_in.rule
    });
    &RULES
}

#[cfg(test)]
mod tests;
