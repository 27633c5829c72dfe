//! Commands: operators, redirects, here-documents, reserved words.

use std::sync::Arc;

use super::compound::Reserved;
use super::flow;
use super::redirects::HereDocument;
use super::{Invocation, MAX_DEPTH, SyntaxError, Word};

/// How shells read what they do not agree about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `\'` inside `$'…'` is a quote.
    Bash,
    /// `\'` inside `$'…'` ends it.
    Posix,
}

/// Where a list of commands ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Text,
    Parenthesis,
}

/// What has been read, nested texts included.
#[derive(Default)]
pub(super) struct Found {
    pub(super) invocations: Vec<Invocation>,
    /// Whether the dialects read some text differently.
    pub(super) is_ambiguous: bool,
}

/// State of one list of commands.
#[derive(Default)]
pub(super) struct List {
    pub(super) current: Invocation,
    /// Open `case` clauses.
    pub(super) cases: usize,
    /// What held outside each open `{`.
    pub(super) groups: Vec<Outside>,
    /// A function whose body comes next.
    pub(super) defined: Option<Arc<str>>,
}

/// What a group changes only for itself.
#[derive(Default)]
pub(super) struct Outside {
    pub(super) function: Option<Arc<str>>,
    pub(super) directory: Option<Arc<Word>>,
    /// Whether the group is the body of a function: then it has not run when it has been read.
    pub(super) is_body: bool,
}

/// Reads a text from front to back.
pub(super) struct Parser<'t, 'o> {
    pub(super) text: &'t [char],
    pub(super) at: usize,
    pub(super) depth: usize,
    pub(super) found: &'o mut Found,
    pub(super) here_documents: Vec<HereDocument>,
    /// Characters looked at in search of the end of arithmetic.
    pub(super) looked_ahead: usize,
    pub(super) dialect: Dialect,
    pub(super) function: Option<Arc<str>>,
    pub(super) directory: Option<Arc<Word>>,
}

impl<'t, 'o> Parser<'t, 'o> {
    pub(super) fn new(text: &'t [char], found: &'o mut Found, dialect: Dialect) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
            found,
            here_documents: Vec::new(),
            looked_ahead: 0,
            dialect,
            function: None,
            directory: None,
        }
    }

    /// A parser for a text inside this one.
    pub(super) fn inner<'i>(&'i mut self, text: &'i [char]) -> Result<Parser<'i, 'i>, SyntaxError> {
        let depth = deeper(self.depth)?;
        let function = self.function.clone();
        let directory = self.directory.clone();
        Ok(Parser {
            depth,
            function,
            directory,
            ..Parser::new(text, self.found, self.dialect)
        })
    }

    /// The words of the one plain command that the text is; none if it holds an operator.
    pub(super) fn words(&mut self) -> Result<Option<Vec<Word>>, SyntaxError> {
        let mut words = Vec::new();
        loop {
            self.skip_blanks();
            match self.peek() {
                None => return Ok(Some(words)),
                Some('<' | '>' | '(' | ')' | '|' | '&' | ';' | '\n') => return Ok(None),
                Some(_) => words.extend(Some(self.word()?).filter(|word| !word.is_nothing())),
            }
        }
    }

    pub(super) fn script(&mut self) -> Result<(), SyntaxError> {
        self.list(End::Text)
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.ahead(0)
    }

    pub(super) fn ahead(&self, by: usize) -> Option<char> {
        self.text.get(self.at + by).copied()
    }

    pub(super) fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += 1;
        Some(next)
    }

    /// Passes `next` if it comes next.
    pub(super) fn pass(&mut self, next: char) -> bool {
        let is_next = self.peek() == Some(next);
        self.at += usize::from(is_next);
        is_next
    }

    /// Commands up to `end`, one level deeper than what holds them.
    pub(super) fn list(&mut self, end: End) -> Result<(), SyntaxError> {
        let outer = self.depth;
        let directory = self.directory.clone();
        self.depth = deeper(outer)?;
        let result = self.list_items(end);
        self.depth = outer;
        self.directory = directory;
        result
    }

    fn list_items(&mut self, end: End) -> Result<(), SyntaxError> {
        let mut list = List::default();
        loop {
            self.skip_blanks();
            let Some(next) = self.peek() else {
                self.finish(&mut list);
                return match end {
                    End::Text => Ok(()),
                    End::Parenthesis => Err(SyntaxError::Unclosed { opening: "(" }),
                };
            };
            match next {
                '#' => self.skip_line(),
                '\n' | ';' | '|' | '&' => self.operator(next, &mut list)?,
                ')' if end == End::Parenthesis => {
                    self.finish(&mut list);
                    self.at += 1;
                    return Ok(());
                }
                ')' => return Err(SyntaxError::Unexpected { operator: ')' }),
                '(' => self.parenthesis(&mut list)?,
                '<' | '>' if self.ahead(1) != Some('(') => self.redirect(&mut list.current)?,
                _ => self.next_word(&mut list)?,
            }
        }
    }

    fn operator(&mut self, first: char, list: &mut List) -> Result<(), SyntaxError> {
        if first == '&' && self.ahead(1) == Some('>') {
            self.at += 1;
            return self.redirect(&mut list.current);
        }
        self.at += 1;
        let doubled = first != '\n' && self.pass(first);
        let piped = first == '|' && !doubled;
        list.current.concurrent |= piped || (first == '&' && !doubled);
        let output = flow::output(&list.current);
        self.finish(list);
        list.current.concurrent = piped;
        if piped {
            list.current.input = output;
        }
        match first {
            '|' => {
                self.pass('&');
            }
            ';' => {
                let falls_through = self.pass('&');
                if list.cases > 0 && (doubled || falls_through) {
                    self.case_item(list)?;
                }
            }
            '\n' => self.here_document_bodies()?,
            _ => {}
        }
        Ok(())
    }

    /// Records the current command and starts another.
    fn finish(&mut self, list: &mut List) {
        let mut done = std::mem::take(&mut list.current);
        if done.words.is_empty() && done.redirects.is_empty() && done.assignments.is_empty() {
            return;
        }
        done.by_shell = true;
        done.within.clone_from(&self.function);
        done.directory.clone_from(&self.directory);
        self.directory = flow::directory_after(&done);
        self.found.invocations.push(done);
    }

    fn next_word(&mut self, list: &mut List) -> Result<(), SyntaxError> {
        let word = self.word()?;
        if word.is_nothing() {
            return Ok(());
        }
        let starts = list.current.words.is_empty();
        if starts && let Some(reserved) = word.plain().and_then(Reserved::parse) {
            return self.reserved(reserved, list);
        }
        let assigns = is_assignment(&word);
        let names_descriptor = is_descriptor(&word) && matches!(self.peek(), Some('<' | '>'));
        if starts && assigns {
            list.current.assignments.push(word);
        } else if !names_descriptor {
            list.current.words.push(word);
        }
        if assigns { self.array_value() } else { Ok(()) }
    }

    /// Spaces, tabs and continued lines.
    pub(super) fn skip_blanks(&mut self) {
        loop {
            match (self.peek(), self.ahead(1)) {
                (Some(' ' | '\t'), _) => self.at += 1,
                (Some('\\'), Some('\n')) => self.at += 2,
                _ => return,
            }
        }
    }

    /// Blanks, newlines and comments.
    pub(super) fn skip_space(&mut self) -> Result<(), SyntaxError> {
        loop {
            self.skip_blanks();
            match self.peek() {
                Some('\n') => {
                    self.at += 1;
                    self.here_document_bodies()?;
                }
                Some('#') => self.skip_line(),
                _ => return Ok(()),
            }
        }
    }

    fn skip_line(&mut self) {
        while self.peek().is_some_and(|next| next != '\n') {
            self.at += 1;
        }
    }
}

/// `NAME=…` or `NAME[…]=…`, unquoted up to the equals sign as far as can be told.
fn is_assignment(word: &Word) -> bool {
    let Some((name, _)) = word.text.split_once('=') else {
        return false;
    };
    let name = name.strip_suffix('+').unwrap_or(name);
    let name = name.split_once('[').map_or(name, |(name, _)| name);
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_descriptor(word: &Word) -> bool {
    !word.quoted && !word.text.is_empty() && word.text.bytes().all(|byte| byte.is_ascii_digit())
}

pub(super) fn deeper(depth: usize) -> Result<usize, SyntaxError> {
    if depth < MAX_DEPTH {
        Ok(depth + 1)
    } else {
        Err(SyntaxError::TooDeep { limit: MAX_DEPTH })
    }
}
