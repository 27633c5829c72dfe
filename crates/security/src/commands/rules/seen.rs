//! A command as conditions see it.

use super::pattern::OptionName;
use crate::commands::script::{Access, Invocation, Word};
use crate::commands::unwrap::{Unwrapped, base_name, is_assignment};

/// A command as conditions see it.
pub(in crate::commands) struct Seen<'a> {
    /// The program without its directory; empty when unknown or when there is none.
    pub(in crate::commands) program: &'a str,
    pub(super) program_word: &'a Word,
    pub(super) args: &'a [Word],
    pub(super) directory: Option<&'a Word>,
    pub(super) found_below: &'a [Word],
    pub(super) multiplies: bool,
    invocation: &'a Invocation,
}

static NOTHING: Word = Word {
    text: String::new(),
    expands: false,
    globs: false,
    quoted: false,
};

impl<'a> Seen<'a> {
    pub(in crate::commands) fn new(invocation: &'a Invocation, all: &Unwrapped) -> Self {
        let (program_word, args) = match invocation.words.split_first() {
            Some((program, args)) => (program, args),
            None => (&NOTHING, &[][..]),
        };
        let within = invocation.within.as_ref();
        Self {
            program: program_word.fixed().map_or("", base_name),
            program_word,
            args,
            directory: invocation.directory.as_deref(),
            found_below: invocation.found_below.as_deref().unwrap_or_default(),
            multiplies: within.is_some_and(|within| {
                **within == *program_word.text && all.multiplying.contains(within)
            }),
            invocation,
        }
    }

    /// Arguments up to `--`, each with whether it is an option or the value of one.
    fn marked(&self, valued: &[String]) -> impl Iterator<Item = (&'a Word, Place)> {
        let mut ended = false;
        let mut takes_next = false;
        self.args.iter().map(move |arg| {
            let text = &*arg.text;
            let is_value = std::mem::take(&mut takes_next);
            if ended {
                (arg, Place::Operand)
            } else if is_value {
                (arg, Place::Value)
            } else if text == "--" {
                ended = true;
                (arg, Place::Value)
            } else if text.starts_with('-') && text.len() > 1 {
                takes_next = valued.iter().any(|option| option == text);
                (arg, Place::Option)
            } else {
                (arg, Place::Operand)
            }
        })
    }

    pub(super) fn operands(&self, valued: &[String]) -> impl Iterator<Item = &'a Word> {
        self.marked(valued)
            .filter(|(_, place)| *place == Place::Operand)
            .map(|(arg, _)| arg)
    }

    /// The first unbroken row of operands.
    pub(super) fn leading_operands(&self) -> impl Iterator<Item = &'a Word> {
        let is_option = |arg: &&Word| arg.text.starts_with('-');
        let row = self.args.iter().skip_while(is_option);
        row.take_while(move |arg| !is_option(arg))
    }

    pub(super) fn has_option(&self, option: &OptionName, valued: &[String]) -> bool {
        let given = |arg: &Word| match (option, arg.text.strip_prefix("--")) {
            (OptionName::Long(long), Some(name)) => {
                let name = name.split_once('=').map_or(name, |(name, _)| name);
                long.starts_with(name)
            }
            (OptionName::Short(letter), None) => has_letter(&arg.text, *letter, valued),
            (OptionName::Word(word), None) => arg.text == *word,
            _ => false,
        };
        self.marked(valued)
            .any(|(arg, place)| place == Place::Option && given(arg))
    }

    pub(super) fn written(&self) -> impl Iterator<Item = &'a Word> {
        self.files(Access::Write)
    }

    pub(super) fn read(&self) -> impl Iterator<Item = &'a Word> {
        self.files(Access::Read)
    }

    fn files(&self, access: Access) -> impl Iterator<Item = &'a Word> {
        let opened = self.invocation.redirects.iter();
        opened
            .filter(move |redirect| redirect.access == access)
            .map(|redirect| &redirect.target)
    }

    pub(in crate::commands) fn assignments(&self) -> impl Iterator<Item = &'a Word> {
        const DECLARING: [&str; 5] = ["export", "declare", "typeset", "local", "readonly"];
        let declares = DECLARING.contains(&self.program);
        let by_arguments = self
            .args
            .iter()
            .filter(move |arg| declares && is_assignment(&arg.text));
        self.invocation.assignments.iter().chain(by_arguments)
    }
}

/// What an argument is to its program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Option,
    Value,
    Operand,
}

/// Whether a group of short options such as `-rxf` holds a letter, in front of one that takes the
/// rest for its value.
fn has_letter(group: &str, letter: char, valued: &[String]) -> bool {
    let takes_rest = |c: char| {
        valued.iter().any(|option| {
            option
                .strip_prefix('-')
                .is_some_and(|rest| rest.len() == c.len_utf8() && rest.starts_with(c))
        })
    };
    for c in group.chars().skip(1) {
        if c == letter {
            return true;
        }
        if takes_rest(c) {
            return false;
        }
    }
    false
}
