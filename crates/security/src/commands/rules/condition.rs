//! When a rule applies.

use serde::{Deserialize, Serialize};

use super::pattern::{OptionName, Pattern};
use super::{Decision, Seen};
use crate::commands::script::Word;

/// What must hold of one command; all that is given must. A list holds when one entry does.
///
/// *Operands* are the arguments that are no options; after `--` every argument is one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Condition {
    /// The program: by name, in whatever directory it is, or by path when the pattern holds a `/`.
    /// In a rule that allows, a name stands only for the program that is found in `PATH`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub program: Vec<Pattern>,
    /// Compares words in small letters; patterns must be written so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ignore_case: bool,
    /// Short options that take the next argument, which is then no operand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub valued: Vec<String>,
    /// An option is given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub option: Vec<OptionName>,
    /// Any argument.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub argument: Vec<Pattern>,
    /// Any argument but the first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub later_argument: Vec<Pattern>,
    /// Any operand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub operand: Vec<Pattern>,
    /// The first operand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub first_operand: Vec<Pattern>,
    /// The last operand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub last_operand: Vec<Pattern>,
    /// An operand in front of all options but the very first ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub leading_operand: Vec<Pattern>,
    /// A file that a redirect opens for writing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub writes: Vec<Pattern>,
    /// A file that a redirect opens for reading.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<Pattern>,
    /// An assignment `NAME=value` in front of the program, or one by `env` or `export`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assigns: Vec<Pattern>,
    /// A place that `find` or `ls` lists, when the command is run for what is found there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub found_below: Vec<Pattern>,
    /// The command is a function that calls itself at least twice, beside other commands.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub multiplies: bool,
    /// Holds not when there are arguments and each of them is one of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unless_only: Vec<String>,
    /// Holds not when the first argument is one of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unless_first_argument: Vec<String>,
}

impl Condition {
    /// Whether it asks for nothing, and so would hold of every command.
    pub(in crate::commands) fn is_empty(&self) -> bool {
        !self.multiplies
            && self.option.is_empty()
            && [
                &self.program,
                &self.argument,
                &self.later_argument,
                &self.operand,
                &self.first_operand,
                &self.last_operand,
                &self.leading_operand,
                &self.writes,
                &self.reads,
                &self.assigns,
                &self.found_below,
            ]
            .iter()
            .all(|patterns| patterns.is_empty())
    }

    pub(super) fn holds(&self, seen: &Seen<'_>, decision: Decision) -> bool {
        self.names_program(seen, decision)
            && (!self.multiplies || seen.multiplies)
            && self.excepts_not(seen)
            && self.has_options(seen)
            && self.has_operands(seen)
            && self.has_files(seen)
    }

    fn names_program(&self, seen: &Seen<'_>, decision: Decision) -> bool {
        if self.program.is_empty() {
            return true;
        }
        let matches = |pattern: &Pattern, name: &str| {
            pattern.matches_text(name)
                || (self.ignore_case && pattern.matches_text(&name.to_ascii_lowercase()))
        };
        self.program.iter().any(|pattern| match decision {
            _ if pattern.is_path() => pattern.matches(seen.program_word, seen.directory),
            Decision::Allow => {
                seen.program_word.fixed().is_some()
                    && !seen.program_word.text.contains('/')
                    && matches(pattern, seen.program)
            }
            Decision::Confirm | Decision::Deny => matches(pattern, seen.program),
        })
    }

    fn excepts_not(&self, seen: &Seen<'_>) -> bool {
        let listed = |list: &[String], arg: &Word| list.contains(&arg.text);
        let first = seen.args.first();
        let only = first.is_some() && seen.args.iter().all(|arg| listed(&self.unless_only, arg));
        !only && !first.is_some_and(|arg| listed(&self.unless_first_argument, arg))
    }

    fn has_options(&self, seen: &Seen<'_>) -> bool {
        self.option.is_empty()
            || self
                .option
                .iter()
                .any(|option| seen.has_option(option, &self.valued))
    }

    fn has_operands(&self, seen: &Seen<'_>) -> bool {
        let operands = || seen.operands(&self.valued);
        self.any(&self.argument, seen.args, seen)
            && self.any(&self.later_argument, seen.args.iter().skip(1), seen)
            && self.any(&self.operand, operands(), seen)
            && self.any(&self.first_operand, operands().take(1), seen)
            && self.any(&self.last_operand, operands().last(), seen)
            && self.any(&self.leading_operand, seen.leading_operands(), seen)
    }

    fn has_files(&self, seen: &Seen<'_>) -> bool {
        self.any(&self.writes, seen.written(), seen)
            && self.any(&self.reads, seen.read(), seen)
            && self.any(&self.assigns, seen.assignments(), seen)
            && self.any(&self.found_below, seen.found_below, seen)
    }

    /// Whether one of the patterns matches one of the words, if there are patterns at all.
    fn any<'w>(
        &self,
        patterns: &[Pattern],
        words: impl IntoIterator<Item = &'w Word>,
        seen: &Seen<'_>,
    ) -> bool {
        if patterns.is_empty() {
            return true;
        }
        let matches = |word: &Word| {
            patterns
                .iter()
                .any(|pattern| pattern.matches(word, seen.directory))
        };
        let lower = |word: &Word| Word {
            text: word.text.to_ascii_lowercase(),
            ..word.clone()
        };
        words
            .into_iter()
            .any(|word| matches(word) || (self.ignore_case && matches(&lower(word))))
    }
}
