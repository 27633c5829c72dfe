//! Words: quotes, escapes and expansions.

use super::parser::{Dialect, End, Parser, deeper};
use super::{MAX_DEPTH, SyntaxError, Word};

/// Whether an expansion stands inside double quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Context {
    Bare,
    DoubleQuoted,
}

impl Parser<'_, '_> {
    /// The word that starts here; nothing when an operator comes next.
    pub(super) fn word(&mut self) -> Result<Word, SyntaxError> {
        let mut word = Word::default();
        let mut brace = Brace::None;
        while let Some(next) = self.peek() {
            match next {
                '<' | '>' if self.ahead(1) == Some('(') => {
                    self.at += 2;
                    self.list(End::Parenthesis)?;
                    word.expand("<(…)");
                }
                '(' if word.opens_pattern() => self.pattern(&mut word)?,
                ' ' | '\t' | '\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>' => break,
                '\\' => self.escape(&mut word),
                '\'' => self.single_quoted(&mut word)?,
                '"' => self.double_quoted(&mut word)?,
                '`' => self.backquoted(&mut word, Context::Bare)?,
                '$' => {
                    if self.field_separator() {
                        if word.is_nothing() {
                            continue;
                        }
                        break;
                    }
                    self.dollar(&mut word, Context::Bare)?;
                }
                _ => {
                    self.at += 1;
                    brace = brace.after(next);
                    word.push_unquoted(next, brace);
                }
            }
        }
        Ok(word)
    }

    /// Commands in the expansions of a text that is otherwise data.
    pub(super) fn expansions_only(&mut self) -> Result<(), SyntaxError> {
        let mut data = Word::default();
        while let Some(next) = self.peek() {
            match next {
                '\\' => self.at += 2,
                '`' => self.backquoted(&mut data, Context::DoubleQuoted)?,
                '$' => self.dollar(&mut data, Context::DoubleQuoted)?,
                _ => self.at += 1,
            }
        }
        Ok(())
    }

    /// Where the `))` stands that closes the arithmetic whose inside starts at `from`; none if
    /// the parentheses are two groups. Fails on a text made of openings that each look far ahead.
    pub(super) fn arithmetic_end(&mut self, from: usize) -> Result<Option<usize>, SyntaxError> {
        let end = closing_pair(self.text, from);
        self.looked_ahead += end.unwrap_or(self.text.len()).saturating_sub(from);
        if self.looked_ahead > MAX_DEPTH * self.text.len() {
            return Err(SyntaxError::TooDeep { limit: MAX_DEPTH });
        }
        Ok(end.filter(|at| self.text.get(at + 1) == Some(&')')))
    }

    fn escape(&mut self, word: &mut Word) {
        self.at += 1;
        match self.bump() {
            Some('\n') => {}
            Some(next) => word.push_quoted(next),
            None => word.push_quoted('\\'),
        }
    }

    fn single_quoted(&mut self, word: &mut Word) -> Result<(), SyntaxError> {
        self.at += 1;
        word.quoted = true;
        loop {
            match self.bump() {
                Some('\'') => return Ok(()),
                Some(next) => word.text.push(next),
                None => return Err(SyntaxError::Unclosed { opening: "'" }),
            }
        }
    }

    fn double_quoted(&mut self, word: &mut Word) -> Result<(), SyntaxError> {
        self.at += 1;
        word.quoted = true;
        let outer = self.depth;
        self.depth = deeper(outer)?;
        loop {
            match self.peek() {
                None => return Err(SyntaxError::Unclosed { opening: "\"" }),
                Some('"') => break,
                Some('`') => self.backquoted(word, Context::DoubleQuoted)?,
                Some('$') => self.dollar(word, Context::DoubleQuoted)?,
                Some('\\') => match self.ahead(1) {
                    Some('\n') => self.at += 2,
                    Some(next @ ('$' | '`' | '"' | '\\')) => {
                        self.at += 2;
                        word.text.push(next);
                    }
                    _ => {
                        self.at += 1;
                        word.text.push('\\');
                    }
                },
                Some(next) => {
                    self.at += 1;
                    word.text.push(next);
                }
            }
        }
        self.at += 1;
        self.depth = outer;
        Ok(())
    }

    /// `` `command` ``: its text is unescaped once, then read like any other.
    fn backquoted(&mut self, word: &mut Word, context: Context) -> Result<(), SyntaxError> {
        self.at += 1;
        let mut command = Vec::new();
        loop {
            match self.bump() {
                None => return Err(SyntaxError::Unclosed { opening: "`" }),
                Some('`') => break,
                Some('\\') => match self.peek() {
                    Some(next @ ('`' | '\\' | '$')) => {
                        self.at += 1;
                        command.push(next);
                    }
                    Some('"') if context == Context::DoubleQuoted => {
                        self.at += 1;
                        command.push('"');
                    }
                    _ => command.push('\\'),
                },
                Some(next) => command.push(next),
            }
        }
        word.expand("`…`");
        self.inner(&command)?.script()
    }

    /// Passes an unquoted `$IFS` or `${IFS}`, which separates words like a blank.
    fn field_separator(&mut self) -> bool {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = if rest.starts_with(&['$', '{', 'I', 'F', 'S', '}']) {
            6
        } else if rest.starts_with(&['$', 'I', 'F', 'S'])
            && !rest.get(4).is_some_and(|next| is_name(*next))
        {
            4
        } else {
            0
        };
        self.at += length;
        length > 0
    }

    fn dollar(&mut self, word: &mut Word, context: Context) -> Result<(), SyntaxError> {
        self.at += 1;
        match self.peek() {
            Some('(') => {
                self.at += 1;
                self.substitution(word)
            }
            Some('{') => {
                self.at += 1;
                self.braced(word, context)
            }
            Some('\'') if context == Context::Bare => self.ansi_quoted(word),
            Some('"') if context == Context::Bare => self.double_quoted(word),
            Some(next) if is_name(next) && !next.is_ascii_digit() => {
                word.expand("$");
                while let Some(next) = self.peek().filter(|next| is_name(*next)) {
                    self.at += 1;
                    word.text.push(next);
                }
                Ok(())
            }
            Some(next @ ('0'..='9' | '@' | '*' | '#' | '?' | '-' | '$' | '!' | '[')) => {
                self.at += 1;
                word.expand("$");
                word.text.push(next);
                Ok(())
            }
            _ => {
                word.text.push('$');
                Ok(())
            }
        }
    }

    /// `$((arithmetic))` or `$(command)`.
    fn substitution(&mut self, word: &mut Word) -> Result<(), SyntaxError> {
        if self.peek() == Some('(')
            && let Some(close) = self.arithmetic_end(self.at + 1)?
        {
            word.expand("$((…))");
            let text = self.text;
            let inside = text.get(self.at + 1..close).unwrap_or_default();
            self.at = close + 2;
            return self.inner(inside)?.expansions_only();
        }
        word.expand("$(…)");
        self.list(End::Parenthesis)
    }

    /// `${…}`. What follows the name may hold anything, substitutions included.
    fn braced(&mut self, word: &mut Word, context: Context) -> Result<(), SyntaxError> {
        // `${ list; }` and `${|list; }` run commands in newer shells and mean nothing in others.
        if let Some(character @ (' ' | '\t' | '\n' | '|')) = self.peek() {
            return Err(SyntaxError::Ambiguous { character });
        }
        let outer = self.depth;
        self.depth = deeper(outer)?;
        word.expand("$");
        let mut rest = Word::default();
        while let Some(next) = self.peek().filter(|next| is_name(*next)) {
            self.at += 1;
            word.text.push(next);
        }
        loop {
            match self.peek() {
                None => return Err(SyntaxError::Unclosed { opening: "${" }),
                Some('}') => break,
                Some('\\') => self.at += 2,
                Some('\'') => self.quoted_operand(&mut rest, context)?,
                Some('"') => self.double_quoted(&mut rest)?,
                Some('`') => self.backquoted(&mut rest, Context::Bare)?,
                Some('$') => self.dollar(&mut rest, context)?,
                Some(next) => {
                    self.at += 1;
                    rest.text.push(next);
                }
            }
        }
        self.at += 1;
        self.depth = outer;
        if !rest.text.is_empty() {
            word.text.push('…');
        }
        Ok(())
    }

    /// `'…'` inside `${…}`. Within double quotes dash takes the quotes for themselves and bash
    /// does not: what ends or expands in one reading only is refused.
    fn quoted_operand(&mut self, word: &mut Word, context: Context) -> Result<(), SyntaxError> {
        let start = self.at;
        self.single_quoted(word)?;
        let quoted = self.text.get(start..self.at).unwrap_or_default();
        let differs = |next: &char| matches!(next, '}' | '"' | '$' | '`' | '\\');
        if context == Context::DoubleQuoted && quoted.iter().any(differs) {
            return Err(SyntaxError::Ambiguous { character: '\'' });
        }
        Ok(())
    }

    /// `$'…'` with the escapes of bash(1), QUOTING.
    fn ansi_quoted(&mut self, word: &mut Word) -> Result<(), SyntaxError> {
        self.at += 1;
        word.quoted = true;
        loop {
            match self.bump() {
                None => return Err(SyntaxError::Unclosed { opening: "$'" }),
                Some('\'') => return Ok(()),
                Some('\\') => {
                    let decoded = match self.bump() {
                        Some('\'') => {
                            self.found.is_ambiguous = true;
                            if self.dialect == Dialect::Posix {
                                return Ok(());
                            }
                            Some('\'')
                        }
                        Some('n') => Some('\n'),
                        Some('t') => Some('\t'),
                        Some('r') => Some('\r'),
                        Some('e' | 'E') => Some('\u{1b}'),
                        Some('x') => self.code(16, 2),
                        Some('u') => self.code(16, 4),
                        Some('U') => self.code(16, 8),
                        Some('0'..='7') => {
                            self.at -= 1;
                            self.code(8, 3)
                        }
                        other => other,
                    };
                    word.text.extend(decoded);
                }
                Some(next) => word.text.push(next),
            }
        }
    }

    /// The character whose number comes next, in at most `digits` digits.
    fn code(&mut self, radix: u32, digits: usize) -> Option<char> {
        let mut code = 0_u32;
        for _ in 0..digits {
            let Some(digit) = self.peek().and_then(|next| next.to_digit(radix)) else {
                break;
            };
            self.at += 1;
            code = code.checked_mul(radix)?.checked_add(digit)?;
        }
        char::from_u32(code)
    }

    /// The `(…)` of an extended pattern such as `@(a|b)`.
    pub(super) fn pattern(&mut self, word: &mut Word) -> Result<(), SyntaxError> {
        let outer = self.depth;
        self.depth = deeper(outer)?;
        self.at += 1;
        word.globs = true;
        word.text.push('(');
        loop {
            let part = self.word()?;
            word.text.push_str(&part.text);
            word.expands |= part.expands;
            match self.bump() {
                None => return Err(SyntaxError::Unclosed { opening: "(" }),
                Some(')') => break,
                Some('(') => {
                    self.at -= 1;
                    self.pattern(word)?;
                }
                Some(other) => word.text.push(other),
            }
        }
        word.text.push(')');
        self.depth = outer;
        Ok(())
    }
}

impl Word {
    fn expand(&mut self, source: &str) {
        self.expands = true;
        self.text.push_str(source);
    }

    fn push_quoted(&mut self, next: char) {
        self.quoted = true;
        self.text.push(next);
    }

    fn push_unquoted(&mut self, next: char, brace: Brace) {
        match next {
            '~' if self.text.is_empty() && !self.quoted => self.expands = true,
            '*' | '?' | '[' => self.globs = true,
            '}' if brace == Brace::Closed => self.expands = true,
            _ => {}
        }
        self.text.push(next);
    }

    /// Whether a parenthesis here belongs to an extended pattern.
    fn opens_pattern(&self) -> bool {
        // A lone `!` negates the group that follows it, unless bash has extended patterns on.
        self.text != "!" && self.text.ends_with(['?', '*', '+', '@', '!'])
    }
}

/// How much of a brace expansion `{a,b}` or `{1..3}` has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Brace {
    None,
    Open,
    Separated,
    Closed,
}

impl Brace {
    fn after(self, next: char) -> Self {
        match (self, next) {
            (_, '{') => Self::Open,
            (Self::Open, ',' | '.') => Self::Separated,
            (Self::Separated, '}') => Self::Closed,
            (state, _) => state,
        }
    }
}

/// Where the first unbalanced `)` from `from` on stands, quotes left out.
fn closing_pair(text: &[char], from: usize) -> Option<usize> {
    let mut open = 0_usize;
    let mut at = from;
    loop {
        match *text.get(at)? {
            '\\' => at += 1,
            quote @ ('\'' | '"') => {
                at += 1;
                while *text.get(at)? != quote {
                    at += 1 + usize::from(quote == '"' && text.get(at) == Some(&'\\'));
                }
            }
            '(' => open += 1,
            ')' if open == 0 => return Some(at),
            ')' => open -= 1,
            _ => {}
        }
        at += 1;
    }
}

fn is_name(next: char) -> bool {
    next.is_ascii_alphanumeric() || next == '_'
}
