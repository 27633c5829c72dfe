//! Keeps known secrets and terminal control sequences out of text that leaves the server.

mod likely;
mod secrets;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

pub use likely::{HIDDEN, hide_likely_secrets, is_secret_name};
pub use secrets::secrets_in_environment;

/// Values shorter than this are not redacted: they would hit innocent text.
pub const SHORTEST_SECRET_BYTES: usize = 8;

/// A secret value. `Debug` never shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// The value itself, for the one place that has to send or compare it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for SecretText {
    fn from(value: String) -> Self {
        Self(value)
    }
}

impl From<&str> for SecretText {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(***)")
    }
}

/// A secret and the name that stands in for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// What replaces the value: `[redacted:NAME]`.
    pub name: String,
    /// The value that must not leave.
    pub value: SecretText,
}

/// Replaces known secrets and control characters. Cheap to clone.
///
/// ```
/// use mcp_security::redaction::{Redactor, Secret};
///
/// let token = Secret { name: "API_TOKEN".into(), value: "s3cr3t-value".into() };
/// let redactor = Redactor::build([token]);
/// assert_eq!(redactor.clean("sent s3cr3t-value\u{1b}[2J"), "sent [redacted:API_TOKEN]␛[2J");
/// ```
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    secrets: Arc<[Secret]>,
}

impl Redactor {
    /// A redactor of these secrets. Values below [`SHORTEST_SECRET_BYTES`] are left out.
    pub fn build(secrets: impl IntoIterator<Item = Secret>) -> Self {
        let mut secrets: Vec<Secret> = secrets
            .into_iter()
            .filter(|secret| secret.value.expose().len() >= SHORTEST_SECRET_BYTES)
            .collect();
        secrets.sort_by(|a, b| {
            a.value
                .expose()
                .cmp(b.value.expose())
                .then(a.name.cmp(&b.name))
        });
        secrets.dedup_by(|a, b| a.value == b.value);
        Self {
            secrets: secrets.into(),
        }
    }

    /// The text without secrets and without control characters, borrowed when nothing changed.
    ///
    /// C0 controls but tab, line feed and carriage return become their pictures (U+2400 to
    /// U+241F), DEL becomes U+2421 and C1 controls, which have no pictures, become U+FFFD.
    pub fn clean<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let spans = self.secret_spans(text);
        if spans.is_empty() && next_control(text, 0).is_none() {
            return Cow::Borrowed(text);
        }
        let mut cleaned = String::with_capacity(text.len());
        let mut done = 0;
        for (span, name) in spans {
            push_visible(&mut cleaned, text.get(done..span.start).unwrap_or_default());
            cleaned.push_str("[redacted:");
            push_visible(&mut cleaned, name);
            cleaned.push(']');
            done = span.end;
        }
        push_visible(&mut cleaned, text.get(done..).unwrap_or_default());
        Cow::Owned(cleaned)
    }

    /// Where secrets stand, in order. Overlapping finds become one span, so that no rest of
    /// either stays.
    fn secret_spans(&self, text: &str) -> Vec<(Range<usize>, &str)> {
        let mut found: Vec<(Range<usize>, &str)> = Vec::new();
        for secret in self.secrets.iter() {
            let value = secret.value.expose();
            let spans = text
                .match_indices(value)
                .map(|(start, _)| start..start + value.len());
            found.extend(spans.map(|span| (span, secret.name.as_str())));
        }
        found.sort_by_key(|(span, _)| (span.start, usize::MAX - span.end));
        found.dedup_by(|next, kept| {
            let overlaps = next.0.start < kept.0.end;
            if overlaps {
                kept.0.end = kept.0.end.max(next.0.end);
            }
            overlaps
        });
        found
    }
}

/// Appends `text` with its control characters made visible.
fn push_visible(out: &mut String, text: &str) {
    let mut done = 0;
    while let Some((at, length, picture)) = next_control(text, done) {
        out.push_str(text.get(done..at).unwrap_or_default());
        out.push(picture);
        done = at + length;
    }
    out.push_str(text.get(done..).unwrap_or_default());
}

/// The first control character at or after byte `from`: its place, its length and its picture.
///
/// In UTF-8 the bytes below 0x20 and 0x7F stand only for themselves, and U+0080 to U+009F are
/// 0xC2 followed by 0x80 to 0x9F, so bytes are enough.
fn next_control(text: &str, from: usize) -> Option<(usize, usize, char)> {
    let bytes = text.as_bytes();
    let mut at = from;
    loop {
        at += first_suspect(bytes.get(at..)?)?;
        match *bytes.get(at)? {
            0x7f => return Some((at, 1, '\u{2421}')),
            0xc2 => {
                let next = bytes.get(at + 1);
                if next.is_some_and(|next| (0x80..=0x9f).contains(next)) {
                    return Some((at, 2, char::REPLACEMENT_CHARACTER));
                }
            }
            c0 => {
                let picture = char::from_u32(0x2400 + u32::from(c0));
                return Some((at, 1, picture.unwrap_or(char::REPLACEMENT_CHARACTER)));
            }
        }
        at += 1;
    }
}

/// Where the first byte stands that may belong to a control character.
fn first_suspect(bytes: &[u8]) -> Option<usize> {
    /// Bytes that are looked at before the first decision, so that the compiler compares many at
    /// once.
    const BLOCK: usize = 64;
    let any = |block: &[u8]| {
        block
            .iter()
            .fold(false, |any, &byte| any | is_suspect(byte))
    };
    let block = bytes.chunks(BLOCK).position(any)? * BLOCK;
    let inside = bytes
        .get(block..)?
        .iter()
        .position(|&byte| is_suspect(byte));
    Some(block + inside?)
}

const fn is_suspect(byte: u8) -> bool {
    matches!(byte, 0..=0x08 | 0x0b | 0x0c | 0x0e..=0x1f | 0x7f | 0xc2)
}

#[cfg(test)]
mod tests;
