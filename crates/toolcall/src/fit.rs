//! How much of a text fits one reply.
//!
//! A reply carries its content twice: as structured content and as text, the latter being JSON
//! inside a JSON string. A character's cost is what both take together on the wire.

use serde::Serialize;

use crate::json;

/// Length in bytes of the longest prefix of `text` that ends on a character border, has at most
/// `max_bytes` bytes and costs at most `budget` bytes on the wire.
pub fn fit(text: &str, max_bytes: usize, budget: usize) -> usize {
    let longest = text.floor_char_boundary(max_bytes);
    // No character costs more than 13 bytes per byte of its own.
    if longest.saturating_mul(13) <= budget {
        return longest;
    }
    let mut spent = 0_usize;
    for (at, character) in text.char_indices() {
        spent += cost(character);
        if at + character.len_utf8() > longest || spent > budget {
            return at;
        }
    }
    longest
}

/// Bytes `text` costs in a reply.
pub fn cost_of(text: &str) -> usize {
    text.chars().map(cost).sum()
}

/// Bytes a part of a reply costs: once as JSON, once as JSON inside a JSON string.
pub fn cost_of_part(part: &impl Serialize) -> usize {
    let text = serde_json::to_string(part).unwrap_or_default();
    2 * text.len() + json::marks_in(&text)
}

fn cost(character: char) -> usize {
    match character {
        // `"` is `\"` once and `\\\"` twice; `\` alike.
        '"' | '\\' => 2 + 4,
        '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2 + 3,
        '\0'..='\u{1f}' => 6 + 7,
        other => other.len_utf8() * 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire_cost(text: &str) -> usize {
        let once = serde_json::to_string(text).unwrap();
        let twice = serde_json::to_string(&once).unwrap();
        // Without the quotes around either: `"` once, `\"` twice on each side.
        (once.len() - 2) + (twice.len() - 6)
    }

    #[test]
    fn costs_what_the_wire_carries() {
        for text in [
            "plain",
            "\"",
            "\\",
            "\n\r\t",
            "\u{8}\u{c}",
            "\0\u{1f}",
            "é漢🦀",
            "\u{7f}",
        ] {
            assert_eq!(cost_of(text), wire_cost(text), "{text:?}");
        }
    }

    #[test]
    fn a_part_costs_what_the_wire_carries() {
        let part = serde_json::json!({ "key": "a\n\"\\\u{1}é", "list": [1, null] });
        let once = serde_json::to_string(&part).unwrap();
        let twice = serde_json::to_string(&once).unwrap();
        assert_eq!(cost_of_part(&part), once.len() + twice.len() - 2);
    }

    #[test]
    fn ends_on_a_character_border() {
        assert_eq!(fit("ééé", 3, 1000), 2);
        assert_eq!(fit("ééé", 100, 9), 4);
        assert_eq!(fit("abc", 100, 1000), 3);
        assert_eq!(fit("", 0, 0), 0);
        assert_eq!(fit("\"\"\"", 100, 12), 2);
    }
}
