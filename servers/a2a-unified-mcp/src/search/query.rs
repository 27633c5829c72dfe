//! What a query asks of the full-text index.

use std::collections::{BTreeSet, HashSet};

use crate::words::{
    fold, humps, is_remains, is_stop, is_unspaced, is_word, overlapping, scripts, stem_of,
};

use super::SearchError;

/// The longest query, in bytes of UTF-8.
pub const MAX_QUERY_BYTES: usize = 4096;
/// What is looked for at most; the rest of a long query is left to the meaning.
const MOST_TERMS: usize = 64;
/// The most words that a name like `getUserName` is taken for.
const MOST_PARTS: usize = 8;
/// What ends a name wherever it stands.
const BREAKS: &[char] = &[
    ',', ';', '(', ')', '[', ']', '{', '}', '<', '>', '|', '!', '?', '"', '“', '”', '„', '«', '»',
    '`', '*', '^', '、', '。', '，', '！', '？', '（', '）', '「', '」', '・',
];
const APOSTROPHES: &[char] = &['\'', '’', 'ʼ'];

/// A query, understood. Any text is one: what FTS5 would take for syntax is just words.
///
/// - Words are looked for in all their forms, any of them; stop words only when there is nothing else.
/// - `"two words"` must be there as they are.
/// - `key:word`, `tag:word` and `category:"two words"` must be there in that part of the entry.
/// - Names such as `getUserName`, `user_name`, `a/b.rs` and `v1.2` are looked for whole and in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    text: String,
    pub(super) wanted: Vec<Term>,
    pub(super) required: Vec<Term>,
}

/// A part of the entry that can be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Key,
    Category,
    Tags,
}

/// Words that stand one behind the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) words: String,
    column: Option<Column>,
    /// Whether the last word need only begin so.
    prefix: bool,
    /// Whether it may be misspelt, so that another word may be meant.
    pub(super) loose: bool,
}

impl Query {
    /// Understands any text that is not empty and not too long.
    pub fn parse(text: &str) -> Result<Self, SearchError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(SearchError::Empty);
        }
        if text.len() > MAX_QUERY_BYTES {
            return Err(SearchError::TooLong { got: text.len() });
        }
        let mut parser = Parser::default();
        parser.text(text);
        Ok(parser.finish(text))
    }

    /// The query as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What is looked for, in the language of FTS5.
    pub(super) fn expressions(&self) -> Vec<String> {
        self.wanted.iter().map(Term::expression).collect()
    }

    /// The forms of all its words that the index holds.
    pub(super) fn stems(&self) -> BTreeSet<String> {
        self.wanted
            .iter()
            .chain(&self.required)
            .flat_map(|term| term.words.split(' '))
            .map(stem_of)
            .collect()
    }
}

impl Term {
    fn new(words: impl Into<String>) -> Self {
        Self {
            words: words.into(),
            column: None,
            prefix: false,
            loose: false,
        }
    }

    pub(super) fn loose(words: impl Into<String>) -> Self {
        Self {
            loose: true,
            ..Self::new(words)
        }
    }

    pub(super) fn beginning(words: impl Into<String>) -> Self {
        Self {
            prefix: true,
            ..Self::new(words)
        }
    }

    /// In the language of FTS5. There are no quotation marks within the words.
    pub(super) fn expression(&self) -> String {
        let column = match self.column {
            None => "",
            Some(Column::Key) => "key : ",
            Some(Column::Category) => "category : ",
            Some(Column::Tags) => "tags : ",
        };
        let prefix = if self.prefix { " *" } else { "" };
        format!("{column}\"{}\"{prefix}", self.words)
    }
}

#[derive(Default)]
struct Parser {
    wanted: Vec<Term>,
    required: Vec<Term>,
    /// Stop words.
    stopped: Vec<Term>,
    seen: HashSet<String>,
}

impl Parser {
    fn text(&mut self, text: &str) {
        let ends = |character: char| character.is_whitespace() || BREAKS.contains(&character);
        let mut rest = text;
        loop {
            rest = rest.trim_start_matches(|character| character != '"' && ends(character));
            if rest.is_empty() {
                return;
            }
            let (column, after) = column(rest);
            if let Some((phrase, after)) = quoted(after) {
                self.require(column, phrase);
                rest = after;
                continue;
            }
            // A quotation mark that no other closes, or that stands behind a number of inches.
            let after = after.strip_prefix('"').unwrap_or(after);
            let (chunk, after) = after.split_at(after.find(ends).unwrap_or(after.len()));
            match column {
                Some(_) => self.require(column, chunk),
                None => self.chunk(chunk),
            }
            rest = after;
            if !chunk.is_empty() {
                rest = after.strip_prefix('"').unwrap_or(after);
            }
        }
    }

    fn require(&mut self, column: Option<Column>, text: &str) {
        let words: Vec<&str> = text
            .split(|character| !is_word(character))
            .filter(|word| !word.is_empty())
            .collect();
        if words.iter().any(|word| word.contains(is_unspaced)) {
            // Their pairs stand in a column of their own.
            for (unspaced, run) in words.into_iter().flat_map(scripts) {
                let mut term = Term::new(if unspaced {
                    pairs(run).join(" ")
                } else {
                    run.to_owned()
                });
                term.prefix = unspaced && run.chars().nth(1).is_none();
                self.required.push(term);
            }
        } else if !words.is_empty() {
            let term = Term::new(words.join(" "));
            self.required.push(Term { column, ..term });
        }
        self.required.truncate(MOST_TERMS);
    }

    fn chunk(&mut self, chunk: &str) {
        let pieces: Vec<&str> = chunk
            .split(|character| !is_word(character))
            .filter(|piece| !piece.is_empty())
            .collect();
        if chunk.contains(APOSTROPHES) {
            for piece in &pieces {
                if pieces.len() == 1 || !is_remains(&fold(piece)) {
                    self.piece(piece);
                }
            }
            return;
        }
        if let [piece] = pieces.as_slice() {
            return self.piece(piece);
        }
        if (2..=MOST_PARTS).contains(&pieces.len()) {
            // Two words with a hyphen are no name: as a phrase as well they would count too much.
            let core = chunk.trim_matches(|character| !is_word(character));
            if core.contains(|character| !is_word(character) && character != '-') {
                self.want(Term::new(pieces.join(" ")));
            }
            if !core.contains(|c| !is_word(c) && c != '_' && c != '-') {
                self.want(Term::new(pieces.concat()));
            }
        }
        for piece in pieces {
            if piece.chars().nth(1).is_some() || piece.contains(is_unspaced) {
                self.piece(piece);
            }
        }
    }

    fn piece(&mut self, piece: &str) {
        if piece.contains(is_unspaced) {
            for (unspaced, run) in scripts(piece) {
                if unspaced {
                    self.run(run);
                } else {
                    self.piece(run);
                }
            }
            return;
        }
        let humps = humps(piece);
        self.want(Term::loose(piece));
        if (2..=MOST_PARTS).contains(&humps.len()) {
            self.want(Term::new(humps.join(" ")));
            for hump in humps {
                if hump.chars().nth(1).is_some() {
                    self.want(Term::new(hump));
                }
            }
        }
    }

    /// A run of a script without spaces: the pairs of its characters, and all of them in their order.
    fn run(&mut self, run: &str) {
        let pairs = pairs(run);
        if run.chars().nth(1).is_none() {
            return self.want(Term::beginning(run));
        }
        if (2..=MOST_PARTS).contains(&pairs.len()) {
            self.want(Term::new(pairs.join(" ")));
        }
        for pair in pairs {
            self.want(Term::new(pair));
        }
    }

    fn want(&mut self, term: Term) {
        let folded = fold(&term.words);
        let terms = if is_stop(&folded) {
            &mut self.stopped
        } else {
            &mut self.wanted
        };
        if terms.len() < MOST_TERMS && self.seen.insert(folded) {
            terms.push(term);
        }
    }

    fn finish(self, text: &str) -> Query {
        let nothing_else = self.wanted.is_empty() && self.required.is_empty();
        Query {
            text: text.to_owned(),
            wanted: if nothing_else {
                self.stopped
            } else {
                self.wanted
            },
            required: self.required,
        }
    }
}

/// The pairs that begin with each character but the last; of a single character that one.
fn pairs(run: &str) -> Vec<&str> {
    let mut pairs = overlapping(run);
    if pairs.len() > 1 {
        pairs.pop();
    }
    pairs
}

/// The part of the entry that the text begins with the name of, and what follows.
fn column(text: &str) -> (Option<Column>, &str) {
    let named = [
        ("key:", Column::Key),
        ("tag:", Column::Tags),
        ("tags:", Column::Tags),
        ("category:", Column::Category),
    ];
    for (name, column) in named {
        let begins = text.get(..name.len());
        if begins.is_some_and(|begins| begins.eq_ignore_ascii_case(name)) {
            let after = text.get(name.len()..).unwrap_or_default();
            if after.starts_with(|next: char| next == '"' || is_word(next)) {
                return (Some(column), after);
            }
        }
    }
    (None, text)
}

/// What stands between the quotation mark that the text begins with and the next.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let (phrase, after) = text.strip_prefix('"')?.split_once('"')?;
    phrase.contains(is_word).then_some((phrase, after))
}
