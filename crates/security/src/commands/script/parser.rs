//! Commands: operators, redirects, here-documents, reserved words.

use std::sync::Arc;

use super::redirects::HereDocument;
use super::{Invocation, MAX_DEPTH, SyntaxError, Word};

/// Where a list of commands ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Text,
    Parenthesis,
}

/// State of one list of commands.
#[derive(Default)]
struct List {
    current: Invocation,
    /// Open `case` clauses.
    cases: usize,
    /// Functions around each open `{`.
    groups: Vec<Option<Arc<str>>>,
    /// A function whose body comes next.
    defined: Option<Arc<str>>,
}

/// Reads a text from front to back.
pub(super) struct Parser<'t, 'o> {
    pub(super) text: &'t [char],
    pub(super) at: usize,
    pub(super) depth: usize,
    pub(super) found: &'o mut Vec<Invocation>,
    pub(super) here_documents: Vec<HereDocument>,
    /// Characters looked at in search of the end of arithmetic.
    pub(super) looked_ahead: usize,
    function: Option<Arc<str>>,
}

impl<'t, 'o> Parser<'t, 'o> {
    pub(super) fn new(text: &'t [char], found: &'o mut Vec<Invocation>) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
            found,
            here_documents: Vec::new(),
            looked_ahead: 0,
            function: None,
        }
    }

    /// A parser for a text inside this one.
    pub(super) fn inner<'i>(&'i mut self, text: &'i [char]) -> Result<Parser<'i, 'i>, SyntaxError> {
        let depth = deeper(self.depth)?;
        let function = self.function.clone();
        Ok(Parser {
            depth,
            function,
            ..Parser::new(text, self.found)
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
        self.depth = deeper(outer)?;
        let result = self.list_items(end);
        self.depth = outer;
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
        self.finish(list);
        list.current.concurrent = piped;
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
        if !done.words.is_empty() || !done.redirects.is_empty() {
            done.within.clone_from(&self.function);
            self.found.push(done);
        }
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
        let is_argument = !starts || !assigns;
        if is_argument && !names_descriptor {
            list.current.words.push(word);
        }
        if assigns { self.array_value() } else { Ok(()) }
    }

    fn reserved(&mut self, reserved: Reserved, list: &mut List) -> Result<(), SyntaxError> {
        match reserved {
            Reserved::Filler => Ok(()),
            Reserved::OpenGroup => {
                list.groups.push(self.function.clone());
                if let Some(name) = list.defined.take() {
                    self.function = Some(name);
                }
                Ok(())
            }
            Reserved::CloseGroup => {
                self.function = list.groups.pop().unwrap_or_default();
                Ok(())
            }
            Reserved::For => self.for_header(),
            Reserved::Case => {
                self.skip_space()?;
                self.word()?;
                self.skip_space()?;
                self.word()?;
                list.cases += 1;
                self.case_item(list)
            }
            Reserved::Esac => {
                list.cases = list.cases.saturating_sub(1);
                Ok(())
            }
            Reserved::Function => {
                self.skip_blanks();
                list.defined = Some(self.word()?.text.into());
                self.skip_blanks();
                if self.peek() == Some('(') && self.ahead(1) == Some(')') {
                    self.at += 2;
                }
                Ok(())
            }
        }
    }

    /// `( list )`, `((` arithmetic `))`, or the `()` of a function.
    fn parenthesis(&mut self, list: &mut List) -> Result<(), SyntaxError> {
        self.at += 1;
        if list.current.words.is_empty() {
            let outer = self.function.clone();
            if let Some(name) = list.defined.take() {
                self.function = Some(name);
            }
            let result = self.group();
            self.function = outer;
            return result;
        }
        // What bash groups in `[[ … ]]`, times as one, or takes for the pattern `!(…)`.
        let first = list.current.words.first();
        if first.is_some_and(|word| matches!(&*word.text, "[[" | "time"))
            || list
                .current
                .words
                .last()
                .is_some_and(|word| word.text == "!")
        {
            return self.group();
        }
        self.skip_blanks();
        let [name] = &*list.current.words else {
            return Err(SyntaxError::Unexpected { operator: '(' });
        };
        if !self.pass(')') {
            return Err(SyntaxError::Unexpected { operator: '(' });
        }
        list.defined = Some(name.text.as_str().into());
        list.current = Invocation::default();
        Ok(())
    }

    /// What follows `(`. dash takes `((a))` for commands and bash for arithmetic, in which `<<`
    /// is no here-document: the inside is read as commands of their own.
    fn group(&mut self) -> Result<(), SyntaxError> {
        if self.peek() == Some('(')
            && let Some(close) = self.arithmetic_end(self.at + 1)?
        {
            let text = self.text;
            let inside = text.get(self.at + 1..close).unwrap_or_default();
            self.at = close + 2;
            return match self.inner(inside)?.script() {
                Err(SyntaxError::TooDeep { limit }) => Err(SyntaxError::TooDeep { limit }),
                Ok(()) | Err(SyntaxError::Unclosed { .. } | SyntaxError::Unexpected { .. }) => {
                    Ok(())
                }
            };
        }
        self.list(End::Parenthesis)
    }

    /// `for NAME [in WORD…]` up to its `;` or `do`, or `for ((…))`.
    fn for_header(&mut self) -> Result<(), SyntaxError> {
        self.skip_blanks();
        if self.pass('(') {
            return self.group();
        }
        self.word()?;
        self.skip_space()?;
        let mark = self.at;
        if self.word()?.plain() != Some("in") {
            self.at = mark;
            return Ok(());
        }
        loop {
            self.skip_blanks();
            if matches!(
                self.peek(),
                None | Some('\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>')
            ) && !self.at_process_substitution()
            {
                return Ok(());
            }
            self.word()?;
        }
    }

    fn at_process_substitution(&self) -> bool {
        matches!(self.peek(), Some('<' | '>')) && self.ahead(1) == Some('(')
    }

    /// The patterns of a `case` item up to `)`, or `esac`.
    fn case_item(&mut self, list: &mut List) -> Result<(), SyntaxError> {
        self.skip_space()?;
        let opened = self.pass('(');
        loop {
            self.skip_space()?;
            match self.peek() {
                None => return Err(SyntaxError::Unclosed { opening: "case" }),
                Some(')') => {
                    self.at += 1;
                    return Ok(());
                }
                Some('|') => self.at += 1,
                Some(operator @ ('(' | ';' | '&' | '<' | '>')) => {
                    return Err(SyntaxError::Unexpected { operator });
                }
                Some(_) => {
                    if self.word()?.plain() == Some("esac") && !opened {
                        list.cases = list.cases.saturating_sub(1);
                        return Ok(());
                    }
                }
            }
        }
    }

    /// The `(…)` of `name=(…)`, if it comes next.
    fn array_value(&mut self) -> Result<(), SyntaxError> {
        if !self.pass('(') {
            return Ok(());
        }
        loop {
            self.skip_space()?;
            match self.peek() {
                None => return Err(SyntaxError::Unclosed { opening: "(" }),
                Some(')') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(operator @ ('(' | ';' | '&' | '|' | '<' | '>'))
                    if !self.at_process_substitution() =>
                {
                    return Err(SyntaxError::Unexpected { operator });
                }
                Some(_) => {
                    self.word()?;
                }
            }
        }
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
    fn skip_space(&mut self) -> Result<(), SyntaxError> {
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

/// What a reserved word does to the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reserved {
    /// A command may follow.
    Filler,
    OpenGroup,
    CloseGroup,
    For,
    Case,
    Esac,
    Function,
}

impl Reserved {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "if" | "then" | "else" | "elif" | "fi" | "while" | "until" | "do" | "done" | "!"
            | "coproc" => Self::Filler,
            "{" => Self::OpenGroup,
            "}" => Self::CloseGroup,
            "for" | "select" => Self::For,
            "case" => Self::Case,
            "esac" => Self::Esac,
            "function" => Self::Function,
            _ => return None,
        })
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
