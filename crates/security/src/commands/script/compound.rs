//! What holds commands: groups, functions, loops, `case`, arrays.

use super::parser::{End, List, Outside, Parser};
use super::{Invocation, SyntaxError, Word};

impl Parser<'_, '_> {
    pub(super) fn reserved(
        &mut self,
        reserved: Reserved,
        list: &mut List,
    ) -> Result<(), SyntaxError> {
        match reserved {
            Reserved::Filler => Ok(()),
            Reserved::OpenGroup => {
                let mut outside = Outside {
                    function: self.function.clone(),
                    directory: self.directory.clone(),
                    is_body: false,
                };
                if let Some(name) = list.defined.take() {
                    self.function = Some(name);
                    outside.is_body = true;
                }
                list.groups.push(outside);
                Ok(())
            }
            Reserved::CloseGroup => {
                let outside = list.groups.pop().unwrap_or_default();
                self.function = outside.function;
                if outside.is_body {
                    self.directory = outside.directory;
                }
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
    pub(super) fn parenthesis(&mut self, list: &mut List) -> Result<(), SyntaxError> {
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
        let first = list.current.words.first();
        // In the middle of `[[ … ]]` it is a condition or an expression, and an error in shells
        // that have no `[[`.
        if first.is_some_and(|word| word.text == "[[") && self.peek() != Some(')') {
            self.at -= 1;
            let mut condition = Word::default();
            self.pattern(&mut condition)?;
            list.current.words.push(condition);
            return Ok(());
        }
        // What bash times as one, or takes for the pattern `!(…)`.
        if first.is_some_and(|word| word.text == "time")
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
                Err(error) if !error.stops_the_shell() => Err(error),
                Ok(()) | Err(_) => Ok(()),
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
    pub(super) fn case_item(&mut self, list: &mut List) -> Result<(), SyntaxError> {
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
    pub(super) fn array_value(&mut self) -> Result<(), SyntaxError> {
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
}

/// What a reserved word does to the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reserved {
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
    pub(super) fn parse(word: &str) -> Option<Self> {
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
