//! A shell text taken apart into the commands it may execute, without executing anything.
//!
//! A reader of its own, because what is read is hostile: one pass, no backtracking, recursion
//! bounded by [`MAX_DEPTH`]. (brush-parser 0.4 was measured first: forty bytes such as eight
//! nested `${a[` keep it busy for seconds, and a parser thread cannot be stopped.) It is lenient
//! where the shell is strict: it does not check that `if` has its `fi`, since a text that is no
//! program does nothing. It must never miss a command, so where shells differ it reads both ways.
//! Grammar: POSIX.1-2024, Shell Command Language, and bash(1).

mod compound;
mod flow;
mod parser;
mod quoting;
mod redirects;

use std::sync::{Arc, OnceLock};

pub(super) use flow::output;
use parser::{Dialect, Found, Parser};

/// Deepest nesting of substitutions, subshells and quotes.
pub(super) const MAX_DEPTH: usize = 64;

/// A word of a command, quotes removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Word {
    /// The text; an expansion stands as its source, with `${NAME}` written `$NAME`.
    pub(super) text: String,
    /// Whether the shell replaces a part: parameters, substitutions, `~`, `{a,b}`.
    pub(super) expands: bool,
    /// Whether it holds an unquoted `*`, `?` or `[`.
    pub(super) globs: bool,
    /// Whether any part was quoted.
    pub(super) quoted: bool,
}

impl Word {
    /// A word that stands for itself.
    pub(super) fn literal(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            quoted: true,
            ..Self::default()
        }
    }

    /// The text if it is what the program will get.
    pub(super) fn fixed(&self) -> Option<&str> {
        // A bracket alone opens a test, not a pattern.
        let is_pattern = self.globs && !matches!(&*self.text, "[" | "[[");
        (!self.expands && !is_pattern).then_some(&*self.text)
    }

    fn is_nothing(&self) -> bool {
        self.text.is_empty() && !self.quoted && !self.expands
    }

    /// The text if nothing about it is special: what reserved words must be.
    fn plain(&self) -> Option<&str> {
        if self.quoted { None } else { self.fixed() }
    }
}

/// A file that a command opens through its shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Redirect {
    pub(super) access: Access,
    pub(super) target: Word,
}

/// What a command reads from its standard input, as far as the text tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Input {
    /// What the whole script reads.
    #[default]
    Inherited,
    /// A file, or the output of a program.
    Unknown,
    /// This text; set once the body of its here-document has been read.
    Text(Arc<OnceLock<String>>),
    /// Names of files below these places.
    Found(Arc<[Word]>),
}

/// What a redirect opens its file for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// One simple command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Invocation {
    /// The program and its arguments; empty when there are only redirects.
    pub(super) words: Vec<Word>,
    /// Files it opens, here-documents not included.
    pub(super) redirects: Vec<Redirect>,
    /// `NAME=value` before the program.
    pub(super) assignments: Vec<Word>,
    pub(super) input: Input,
    /// Where it runs, when a `cd` before it tells: an absolute path, or one that starts with `~`.
    pub(super) directory: Option<Arc<Word>>,
    /// Places whose files it is given one by one, by `find` or `xargs`.
    pub(super) found_below: Option<Arc<[Word]>>,
    /// Whether a shell starts it, so that a name may be one of the shell's own commands.
    pub(super) by_shell: bool,
    /// Whether it runs beside others: in a pipeline or in the background.
    pub(super) concurrent: bool,
    /// The function whose body it is in. Shared: a long body has many commands.
    pub(super) within: Option<Arc<str>>,
}

/// Why a text cannot be taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    /// A quote, substitution or group is not closed.
    #[error("`{opening}` is never closed")]
    Unclosed {
        /// How it opens.
        opening: &'static str,
    },
    /// A character where none can be.
    #[error("unexpected `{operator}`")]
    Unexpected {
        /// The operator.
        operator: char,
    },
    /// A character that shells read in different ways.
    #[error("`{character}` means different things to different shells here")]
    Ambiguous {
        /// The character.
        character: char,
    },
    /// Nesting beyond the bound.
    #[error("nested deeper than {limit} levels")]
    TooDeep {
        /// The bound.
        limit: usize,
    },
    /// Commands in commands that are too long together.
    #[error("runs commands of more than {limit} bytes together")]
    TooMuch {
        /// The bound.
        limit: usize,
    },
}

impl SyntaxError {
    /// Whether the shell stops here too, so that nothing behind this place is run.
    fn stops_the_shell(self) -> bool {
        match self {
            Self::Unclosed { .. } | Self::Unexpected { .. } => true,
            Self::Ambiguous { .. } | Self::TooDeep { .. } | Self::TooMuch { .. } => false,
        }
    }
}

/// Every simple command in `text`, wherever it stands.
pub(super) fn parse(text: &str) -> Result<Vec<Invocation>, SyntaxError> {
    let (found, result) = read(text);
    result.map(|()| found)
}

/// Every simple command in a text that a shell reads as it runs: it runs those in front of what
/// it cannot read.
pub(super) fn parse_as_far_as_possible(text: &str) -> Result<Vec<Invocation>, SyntaxError> {
    let (found, result) = read(text);
    match result {
        Err(error) if !error.stops_the_shell() => Err(error),
        Ok(()) | Err(_) => Ok(found),
    }
}

/// Shells that know `$'…'` let `\'` stand in it, others end the quotes there. A text with such a
/// place is read both ways; what only one of them can read is what only one of them runs.
fn read(text: &str) -> (Vec<Invocation>, Result<(), SyntaxError>) {
    let text: Vec<char> = text.chars().collect();
    let mut found = Found::default();
    let result = Parser::new(&text, &mut found, Dialect::Bash).script();
    if !found.is_ambiguous {
        return (found.invocations, result);
    }
    let other = Parser::new(&text, &mut found, Dialect::Posix).script();
    let both = match (result, other) {
        (_, Err(error)) if !error.stops_the_shell() => Err(error),
        (Err(error), Ok(())) if error.stops_the_shell() => Ok(()),
        (result, _) => result,
    };
    (found.invocations, both)
}

/// The words of `text`, or none when it is more than one plain command.
pub(super) fn split(text: &str) -> Result<Option<Vec<Word>>, SyntaxError> {
    let text: Vec<char> = text.chars().collect();
    Parser::new(&text, &mut Found::default(), Dialect::Bash).words()
}

#[cfg(test)]
mod tests;
