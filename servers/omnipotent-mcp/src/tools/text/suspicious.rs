//! Characters that are not seen or that change what is seen (UTS #39, UAX #9, and the
//! "Trojan Source" and tag-character attacks).

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Serialize;

/// Different characters listed.
const MOST_LISTED: usize = 50;

/// Tag characters may follow only this one: together they are the flag of a region.
const BLACK_FLAG: char = '\u{1F3F4}';

/// A suspicious character and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Suspicious {
    /// Its code point, such as `U+202E`.
    pub character: String,
    /// What it does.
    pub kind: Kind,
    /// How often it stands in the text.
    pub count: usize,
    /// The place of the first one, in characters from 0.
    pub first_index: usize,
}

/// What a suspicious character does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Turns the direction of the text around it.
    Bidirectional,
    /// Takes no room.
    ZeroWidth,
    /// Looks like a space or like nothing.
    Invisible,
    /// Repeats ASCII where only a flag may follow: hides whole messages.
    Tag,
    /// Chooses a variant of a character that has none: hides data.
    VariationSelector,
    /// Controls a terminal.
    Control,
}

/// The suspicious characters of a text.
pub(super) struct Found {
    /// In the order of their first places.
    pub(super) listed: Vec<Suspicious>,
    /// How many different ones there are.
    pub(super) different: usize,
}

/// Finds them in one pass.
pub(super) fn find(text: &str) -> Found {
    let mut seen: HashMap<char, (Kind, usize, usize)> = HashMap::new();
    let mut before = None;
    let mut in_flag = false;
    for (index, character) in text.chars().enumerate() {
        in_flag = character == BLACK_FLAG || (in_flag && is_tag(character));
        if let Some(kind) = judge(character, before).filter(|_| !in_flag) {
            let (_, count, _) = seen.entry(character).or_insert((kind, 0, index));
            *count += 1;
        }
        before = Some(character);
    }
    let different = seen.len();
    let mut listed: Vec<Suspicious> = seen
        .into_iter()
        .map(|(character, (kind, count, first_index))| Suspicious {
            character: format!("U+{:04X}", u32::from(character)),
            kind,
            count,
            first_index,
        })
        .collect();
    listed.sort_unstable_by_key(|suspicious| suspicious.first_index);
    listed.truncate(MOST_LISTED);
    Found { listed, different }
}

/// What a character does, unless it is at home where it stands.
fn judge(character: char, before: Option<char>) -> Option<Kind> {
    match character {
        '\t' | '\n' | '\r' | ' '..='~' => None,
        '\0'..='\u{1F}' | '\u{7F}'..='\u{9F}' => Some(Kind::Control),
        '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => {
            Some(Kind::Bidirectional)
        }
        // Joiners shape Arabic and Indic scripts and join emoji.
        '\u{200C}' | '\u{200D}' => (!takes_a_joiner(before)).then_some(Kind::ZeroWidth),
        // A byte order mark at the start tells the encoding.
        '\u{FEFF}' => before.map(|_| Kind::ZeroWidth),
        '\u{200B}' | '\u{2060}' => Some(Kind::ZeroWidth),
        '\u{AD}'
        | '\u{34F}'
        | '\u{115F}'
        | '\u{1160}'
        | '\u{17B4}'
        | '\u{17B5}'
        | '\u{180E}'
        | '\u{2061}'..='\u{2065}'
        | '\u{206A}'..='\u{206F}'
        | '\u{2800}'
        | '\u{3164}'
        | '\u{FFA0}'
        | '\u{FFF9}'..='\u{FFFB}'
        | '\u{1D173}'..='\u{1D17A}' => Some(Kind::Invisible),
        '\u{FE00}'..='\u{FE0F}' | '\u{180B}'..='\u{180D}' | '\u{180F}' => {
            (!takes_a_variation(before)).then_some(Kind::VariationSelector)
        }
        // Variants of ideographs are chosen by the supplementary selectors.
        '\u{E0100}'..='\u{E01EF}' => {
            let ideograph = before.is_some_and(|base| matches!(base, '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}'));
            (!ideograph).then_some(Kind::VariationSelector)
        }
        tag if is_tag(tag) => Some(Kind::Tag),
        _ => None,
    }
}

fn is_tag(character: char) -> bool {
    matches!(character, '\u{E0000}'..='\u{E007F}')
}

/// Letters of other scripts than Latin, and emoji with or without a variation selector.
fn takes_a_joiner(before: Option<char>) -> bool {
    before.is_some_and(|base| match base {
        '\u{FE0F}' | '\u{1F3FB}'..='\u{1F3FF}' => true,
        '\0'..='\u{5FF}' | '\u{2000}'..='\u{206F}' => false,
        base => !base.is_whitespace() && !is_tag(base),
    })
}

/// Keycaps begin with a digit, `#` or `*`; other ASCII has no variants, and a selector chooses
/// but once.
fn takes_a_variation(before: Option<char>) -> bool {
    before.is_some_and(|base| match base {
        '0'..='9' | '#' | '*' => true,
        '\0'..='\u{9F}' | '\u{FE00}'..='\u{FE0F}' | '\u{E0000}'..='\u{E01EF}' => false,
        base => !base.is_whitespace(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_hidden_characters_and_spares_those_at_home() {
        let check = |text: &str, expected: &[(&str, Kind, usize, usize)]| {
            let found: Vec<_> = find(text)
                .listed
                .into_iter()
                .map(|found| (found.character, found.kind, found.count, found.first_index))
                .collect();
            let expected: Vec<_> = expected
                .iter()
                .map(|&(character, kind, count, at)| (character.to_owned(), kind, count, at))
                .collect();
            assert_eq!(found, expected, "{text:?}");
        };
        check("plain, ünïcode 日本語\t\r\n", &[]);
        check(
            "a\u{202E}b\u{202E}",
            &[("U+202E", Kind::Bidirectional, 2, 1)],
        );
        check("é\u{200B}x", &[("U+200B", Kind::ZeroWidth, 1, 1)]);
        check("a\u{200D}b", &[("U+200D", Kind::ZeroWidth, 1, 1)]);
        check(
            "👩\u{200D}👩\u{200D}👧 ❤\u{FE0F}\u{200D}🔥 1\u{FE0F}\u{20E3}",
            &[],
        );
        check("می\u{200C}خواهم", &[]);
        check("\u{FEFF}start", &[]);
        check("x\u{FEFF}", &[("U+FEFF", Kind::ZeroWidth, 1, 1)]);
        check("🏴\u{E0067}\u{E0062}\u{E007F}", &[]);
        check("a\u{E0041}", &[("U+E0041", Kind::Tag, 1, 1)]);
        check("a\u{FE0F}", &[("U+FE0F", Kind::VariationSelector, 1, 1)]);
        check(
            "😀\u{FE0F}\u{FE01}",
            &[("U+FE01", Kind::VariationSelector, 1, 2)],
        );
        check("😀\u{E0101}", &[("U+E0101", Kind::VariationSelector, 1, 1)]);
        check("葛\u{E0101}", &[]);
        check(
            "a\u{AD}\u{3164}",
            &[
                ("U+00AD", Kind::Invisible, 1, 1),
                ("U+3164", Kind::Invisible, 1, 2),
            ],
        );
        check(
            "\u{1B}[0m\u{9B}",
            &[
                ("U+001B", Kind::Control, 1, 0),
                ("U+009B", Kind::Control, 1, 4),
            ],
        );
    }

    #[test]
    fn lists_a_bounded_number_and_counts_the_rest() {
        let text: String = ('\u{E0020}'..='\u{E007E}').collect();
        let found = find(&text);
        assert_eq!((found.listed.len(), found.different), (50, 95));
    }
}
