//! The words within words: of identifiers, and of scripts that are written without spaces.

use std::collections::HashSet;

use super::is_word;

/// More words than this and it is a hash, not a name.
const MOST_HUMPS: usize = 8;
/// The longest name that is taken apart or joined, in bytes.
const MOST_BYTES: usize = 128;
/// What is this short is hardly a word of its own, in bytes.
const SHORT: usize = 2;

/// What to index beside `texts`: `get user name` for `getUserName`, `username` for `user_name`,
/// overlapping pairs for scripts without spaces. Each name once; nothing for most text.
pub(crate) fn parts<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut parts = String::new();
    let mut seen = HashSet::new();
    for text in texts {
        let joins = |character: char| is_word(character) || character == '_' || character == '-';
        for name in text.split(|character| !joins(character)) {
            if could_have_parts(name) && seen.insert(name) {
                name_parts(name, &mut parts);
            }
        }
    }
    parts
}

/// Quick, because most words have none.
fn could_have_parts(name: &str) -> bool {
    let mut bytes = name.bytes();
    let plain = bytes.next().is_none_or(|byte| byte.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_lowercase());
    !plain
}

fn name_parts(name: &str, parts: &mut String) {
    if name.contains(is_unspaced) {
        for (unspaced, run) in scripts(name) {
            if unspaced {
                push(parts, &overlapping(run).join(" "));
            } else {
                name_parts(run, parts);
            }
        }
        return;
    }
    if name.len() > MOST_BYTES {
        return;
    }
    let pieces: Vec<&str> = name
        .split(['_', '-'])
        .filter(|piece| !piece.is_empty())
        .collect();
    let words: Vec<&str> = pieces.iter().flat_map(|piece| humps(piece)).collect();
    if words.len() > pieces.len() && words.len() <= MOST_HUMPS {
        push(parts, &words.join(" "));
    }
    let number = |piece: &&str| piece.bytes().all(|byte| byte.is_ascii_digit());
    // `e-mail` is `email` to some; two whole words would only count twice.
    let joins = name.contains('_') || pieces.iter().any(|piece| piece.len() <= SHORT);
    if joins && (2..=MOST_HUMPS).contains(&pieces.len()) && !pieces.iter().all(number) {
        push(parts, &pieces.concat());
    }
}

fn push(parts: &mut String, more: &str) {
    if !parts.is_empty() {
        parts.push(' ');
    }
    parts.push_str(more);
}

/// The words of `getUserName`, `HTTPServer` or `sha256`; one when there is nothing to take apart.
pub(crate) fn humps(piece: &str) -> Vec<&str> {
    let mut cuts = vec![0];
    let characters: Vec<(usize, char)> = piece.char_indices().collect();
    for window in characters.windows(2) {
        let [(_, before), (at, here)] = window else {
            continue;
        };
        let after = piece
            .get(at + here.len_utf8()..)
            .and_then(|rest| rest.chars().next());
        let lower_follows = after.is_some_and(char::is_lowercase);
        let rises = here.is_uppercase()
            && (before.is_lowercase() || (before.is_uppercase() && lower_follows));
        if rises || before.is_numeric() != here.is_numeric() {
            cuts.push(*at);
        }
    }
    cuts.push(piece.len());
    cuts.windows(2)
        .filter_map(|cut| piece.get(*cut.first()?..*cut.last()?))
        .collect()
}

/// Runs of one kind: written without spaces or not.
pub(crate) fn scripts(name: &str) -> Vec<(bool, &str)> {
    let mut runs = Vec::new();
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let unspaced = is_unspaced(first);
        let end = rest.find(|character| is_unspaced(character) != unspaced);
        let (run, after) = rest.split_at(end.unwrap_or(rest.len()));
        runs.push((unspaced, run));
        rest = after;
    }
    runs
}

/// `AB BC C` for `ABC`: a pair for each character, the last alone, so that each begins one.
pub(crate) fn overlapping(run: &str) -> Vec<&str> {
    let starts: Vec<usize> = run.char_indices().map(|(at, _)| at).collect();
    let pair = |(place, start): (usize, &usize)| {
        let end = starts.get(place + 2).copied().unwrap_or(run.len());
        run.get(*start..end)
    };
    starts.iter().enumerate().filter_map(pair).collect()
}

/// Letters of Han, Kana, Hangul, Thai, Lao, Khmer and Burmese.
pub(crate) fn is_unspaced(character: char) -> bool {
    matches!(character,
        '\u{E00}'..='\u{EFF}'
        | '\u{1000}'..='\u{109F}'
        | '\u{1100}'..='\u{11FF}'
        | '\u{1780}'..='\u{17FF}'
        | '\u{3005}'..='\u{3007}'
        | '\u{3040}'..='\u{30FF}'
        | '\u{31F0}'..='\u{31FF}'
        | '\u{3400}'..='\u{4DBF}'
        | '\u{4E00}'..='\u{9FFF}'
        | '\u{AC00}'..='\u{D7AF}'
        | '\u{F900}'..='\u{FAFF}'
        | '\u{20000}'..='\u{323AF}')
        && is_word(character)
}
