//! A shell text taken apart into the commands it may execute, without executing anything.
//!
//! A reader of its own, because what is read is hostile: one pass, no backtracking, recursion
//! bounded by [`MAX_DEPTH`]. (brush-parser 0.4 was measured first: forty bytes such as eight
//! nested `${a[` keep it busy for seconds, and a parser thread cannot be stopped.) It is lenient
//! where the shell is strict: it does not check that `if` has its `fi`, since a text that is no
//! program does nothing. It must never miss a command, so where shells differ it reads both ways.
//! Grammar: POSIX.1-2024, Shell Command Language, and bash(1).

mod parser;
mod quoting;
mod redirects;

use std::sync::Arc;

use parser::Parser;

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
        (!self.expands && !self.globs).then_some(&*self.text)
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
    /// A character where none can be, or one that shells read in different ways.
    #[error("unexpected `{operator}`")]
    Unexpected {
        /// The operator.
        operator: char,
    },
    /// Nesting beyond the bound.
    #[error("nested deeper than {limit} levels")]
    TooDeep {
        /// The bound.
        limit: usize,
    },
}

/// Every simple command in `text`, wherever it stands.
pub(super) fn parse(text: &str) -> Result<Vec<Invocation>, SyntaxError> {
    let text: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    Parser::new(&text, &mut found).script()?;
    Ok(found)
}

/// The words of `text`, or none when it is more than one plain command.
pub(super) fn split(text: &str) -> Result<Option<Vec<Word>>, SyntaxError> {
    let text: Vec<char> = text.chars().collect();
    Parser::new(&text, &mut Vec::new()).words()
}

#[cfg(test)]
mod tests;
