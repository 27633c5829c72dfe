//! Writes JSON as `serde_json` does, byte for byte, but looks for what must be escaped in many bytes
//! at once: replies are mostly text, and their text is escaped twice.

use std::fmt::Write;

use memchr::memchr_iter;
use serde_json::Value;

/// Bytes that are looked at before the first decision, so that the compiler compares many at once.
const BLOCK: usize = 32;

const WORD: usize = size_of::<u64>();

/// The value as JSON text.
pub(crate) fn to_text(value: &Value) -> String {
    let mut text = String::with_capacity(room(value));
    push(&mut text, value);
    text
}

/// What a value takes as text, roughly: more when much of it is escaped.
fn room(value: &Value) -> usize {
    let inside: usize = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len() + text.len() / WORD,
        Value::Array(items) => items.iter().map(room).sum(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, field)| key.len() + room(field))
            .sum(),
    };
    inside + WORD
}

fn push(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write!(out, "{number}").unwrap_or_default(),
        Value::String(text) => push_string(out, text),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push(out, item);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            out.push('{');
            for (index, (key, field)) in fields.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push_string(out, key);
                out.push(':');
                push(out, field);
            }
            out.push('}');
        }
    }
}

/// Appends `text` as a JSON string, quotes included.
pub fn push_string(out: &mut String, text: &str) {
    out.push('"');
    let (mut block_at, mut done) = (0, 0);
    for block in text.as_bytes().chunks(BLOCK) {
        if block
            .iter()
            .fold(false, |any, &byte| any | is_escaped(byte))
        {
            for_each_escaped(block, |at, byte| {
                let at = block_at + at;
                out.push_str(text.get(done..at).unwrap_or_default());
                push_escape(out, byte);
                done = at + 1;
            });
        }
        block_at += block.len();
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out.push('"');
}

/// How many bytes JSON `text` grows by when it becomes a string in JSON, but for its quotes.
pub(crate) fn marks_in(text: &str) -> usize {
    [b'"', b'\\']
        .map(|mark| memchr_iter(mark, text.as_bytes()).count())
        .iter()
        .sum()
}

const fn is_escaped(byte: u8) -> bool {
    matches!(byte, 0..b' ' | b'"' | b'\\')
}

/// Visits each byte that is escaped, with its place.
fn for_each_escaped(block: &[u8], mut visit: impl FnMut(usize, u8)) {
    let (words, rest) = block.as_chunks::<WORD>();
    let mut word_at = 0;
    for bytes in words {
        let word = u64::from_le_bytes(*bytes);
        let mut marks = escaped(word);
        while marks != 0 {
            let bit = marks.trailing_zeros() & !7;
            let [byte, ..] = (word >> bit).to_le_bytes();
            visit(word_at + usize::try_from(bit / 8).unwrap_or_default(), byte);
            marks &= marks - 1;
        }
        word_at += WORD;
    }
    for (at, &byte) in rest
        .iter()
        .enumerate()
        .filter(|(_, byte)| is_escaped(**byte))
    {
        visit(word_at + at, byte);
    }
}

/// The highest bit of each byte that is escaped. The sums are of seven bits, so that none carries into
/// the byte above.
const fn escaped(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const LOW: u64 = EACH * 0x7f;
    const fn is_zero(word: u64) -> u64 {
        !(((word & LOW) + LOW) | word)
    }
    let is_control = !(((word & LOW) + EACH * (0x80 - 0x20)) | word);
    let is_quote = is_zero(word ^ (EACH * 0x22));
    let is_backslash = is_zero(word ^ (EACH * 0x5c));
    (is_control | is_quote | is_backslash) & !LOW
}

fn push_escape(out: &mut String, byte: u8) {
    match byte {
        b'"' => out.push_str("\\\""),
        b'\\' => out.push_str("\\\\"),
        b'\n' => out.push_str("\\n"),
        b'\r' => out.push_str("\\r"),
        b'\t' => out.push_str("\\t"),
        0x08 => out.push_str("\\b"),
        0x0c => out.push_str("\\f"),
        other => write!(out, "\\u{other:04x}").unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(value: &Value) {
        assert_eq!(to_text(value), serde_json::to_string(value).unwrap());
    }

    #[test]
    fn writes_every_kind_of_value_as_serde_json_does() {
        check(&json!({
            "": [null, true, false, {}, []],
            "numbers": [0, -1, u64::MAX, i64::MIN, 1.0, -0.0, 1e300, 1.5e-9, 0.1],
            "nested": { "a\"b": [[1], [2, "x"]], "ü": "漢\u{7f}\u{80}🦀" },
        }));
    }

    #[test]
    fn every_ascii_character_is_escaped_alike_at_every_place() {
        for byte in 0..0x80_u8 {
            for before in 0..70 {
                let text = format!("{}{}é", "x".repeat(before), char::from(byte));
                check(&json!({ text.as_str(): text.repeat(2) }));
            }
        }
    }

    proptest! {
        #[test]
        fn writes_any_text_as_serde_json_does(text in "(\\PC|[\0-\u{1f}\"\\\\é\u{80}-\u{ff}]){0,300}") {
            let mut written = String::new();
            push_string(&mut written, &text);
            prop_assert_eq!(written, serde_json::to_string(&text).unwrap());
        }
    }
}
