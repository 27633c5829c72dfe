//! What no command may do, as a table of rules over parsed commands.
//!
//! The rules are advice to a well-meaning caller, not a wall: a program can do all of this without
//! naming it. They look at single commands with their wrappers removed. Every rule carries
//! examples on both sides that a test holds it to.

mod table;
mod targets;

use super::script::{Access, Invocation, Redirect, Word};
use super::unwrap::base_name;

pub(super) use table::RULES;

/// Something no command may do.
#[derive(Debug)]
pub(super) struct Rule {
    /// Stable name, for results and configuration.
    pub(super) id: &'static str,
    /// Why it is refused, as the end of "refused because it …".
    pub(super) reason: &'static str,
    /// Whether a command does it.
    pub(super) matches: fn(&Seen<'_>) -> bool,
    /// Command lines it refuses.
    #[cfg_attr(not(test), expect(dead_code, reason = "checked by the tests"))]
    pub(super) must_deny: &'static [&'static str],
    /// Look-alikes that no rule refuses.
    #[cfg_attr(not(test), expect(dead_code, reason = "checked by the tests"))]
    pub(super) must_allow: &'static [&'static str],
}

/// A command as rules see it.
pub(super) struct Seen<'a> {
    /// The program without its directory; empty when unknown or when there is none.
    pub(super) program: &'a str,
    pub(super) args: &'a [Word],
    redirects: &'a [Redirect],
    invocation: &'a Invocation,
    all: &'a [Invocation],
}

impl<'a> Seen<'a> {
    pub(super) fn new(invocation: &'a Invocation, all: &'a [Invocation]) -> Self {
        let (program, args) = match invocation.words.split_first() {
            Some((program, args)) => (program.fixed().map_or("", base_name), args),
            None => ("", &[][..]),
        };
        Self {
            program,
            args,
            redirects: &invocation.redirects,
            invocation,
            all,
        }
    }

    fn is(&self, programs: &[&str]) -> bool {
        programs.contains(&self.program)
    }

    /// Whether a short option (`-r`, also among others as in `-rf`) or a long one (also
    /// abbreviated, as `getopt_long(3)` allows) is given. Options end at `--`.
    fn has_option(&self, short: &[char], long: &str) -> bool {
        self.options()
            .any(|option| match option.strip_prefix("--") {
                Some(name) => name.len() > 2 && long.starts_with(name),
                None => option.contains(short),
            })
    }

    fn options(&self) -> impl Iterator<Item = &'a str> {
        let before = self
            .args
            .iter()
            .map(|arg| &*arg.text)
            .take_while(|arg| *arg != "--");
        before.filter(|arg| arg.starts_with('-') && arg.len() > 1)
    }

    fn operands(&self) -> impl Iterator<Item = &'a Word> {
        let mut options_ended = false;
        self.args.iter().filter(move |arg| {
            let ends = arg.text == "--" && !options_ended;
            options_ended |= ends;
            !ends && (options_ended || !arg.text.starts_with('-'))
        })
    }

    fn first_operand(&self) -> Option<&'a str> {
        self.operands().next().map(|operand| &*operand.text)
    }

    fn has_argument(&self, test: impl Fn(&str) -> bool) -> bool {
        self.args.iter().any(|arg| test(&arg.text))
    }

    /// Whether `find` runs `program` for what it finds.
    fn runs_for_each(&self, program: &str) -> bool {
        self.args.windows(2).any(|pair| match pair {
            [option, run] => {
                matches!(&*option.text, "-exec" | "-execdir" | "-ok" | "-okdir")
                    && base_name(&run.text) == program
            }
            _ => false,
        })
    }

    fn only_asks(&self) -> bool {
        self.args
            .iter()
            .all(|arg| matches!(&*arg.text, "--help" | "--version" | "-h"))
            && !self.args.is_empty()
    }

    fn writes_to(&self, test: impl Fn(&str) -> bool) -> bool {
        self.redirects
            .iter()
            .any(|redirect| redirect.access == Access::Write && test(&redirect.target.text))
    }
}

#[cfg(test)]
mod tests;
