//! The rules by the last of their names, because most entries match none.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::super::protected::{Rule, Rules, fold};

/// The rules, to be asked about one name after the other.
pub(super) struct ByName<'a> {
    literal: HashMap<&'a str, Vec<&'a Rule>>,
    patterns: Vec<&'a Rule>,
    /// First bytes of the names that can match; the rest need not be folded.
    first: [bool; 256],
}

impl<'a> ByName<'a> {
    pub(super) fn new(rules: &'a Rules) -> Self {
        let mut by_name = Self {
            literal: HashMap::new(),
            patterns: Vec::new(),
            first: [false; 256],
        };
        for rule in rules.iter() {
            let name = rule.last_name();
            by_name.expect(name);
            if name.contains('*') {
                by_name.patterns.push(rule);
            } else {
                by_name.literal.entry(name).or_default().push(rule);
            }
        }
        by_name
    }

    /// Folding keeps the first byte but for ASCII case, unless the name is not UTF-8.
    fn expect(&mut self, name: &str) {
        let first = name.as_bytes().first();
        let is_any = |byte: u8| {
            first.is_none_or(|first| {
                *first == b'*' || byte.eq_ignore_ascii_case(first) || !byte.is_ascii()
            })
        };
        for (byte, slot) in (0..=u8::MAX).zip(&mut self.first) {
            *slot |= is_any(byte);
        }
    }

    /// The rules whose last name matches.
    pub(super) fn candidates(&self, name: &OsStr) -> Vec<&'a Rule> {
        let first = name.as_bytes().first().copied().unwrap_or_default();
        if self.first.get(usize::from(first)) != Some(&true) {
            return Vec::new();
        }
        let folded = fold(&name.to_string_lossy());
        let literal = self.literal.get(folded.as_str()).into_iter().flatten();
        let patterns = self.patterns.iter();
        let patterns = patterns.filter(|rule| rule.last_matches(&folded));
        literal.chain(patterns).copied().collect()
    }
}
