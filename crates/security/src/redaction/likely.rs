//! Finds what looks like a secret in text that nobody knows the secrets of.
//!
//! For records that are kept: a word too many that is hidden costs little there. Replies are not
//! searched this way, because a caller may ask for a file that speaks of tokens.

use std::borrow::Cow;
use std::ops::Range;

use super::secrets::names_a_secret;

/// What stands in for a value that looks like a secret.
pub const HIDDEN: &str = "[redacted]";

/// How well-known tokens begin.
const PREFIXES: [&str; 28] = [
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xoxa-",
    "xoxb-",
    "xoxp-",
    "xoxr-",
    "xoxs-",
    "xapp-",
    "sk-",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "AKIA",
    "ASIA",
    "AIza",
    "ya29.",
    "npm_",
    "pypi-",
    "hf_",
    "dop_v1_",
    "SG.",
    "shpat_",
    "eyJ",
];

/// Least length of a token with one of these beginnings, in bytes.
const SHORTEST_TOKEN: usize = 16;

/// Words between the name of a credential and its value (RFC 9110, section 11.1).
const SCHEMES: [&str; 4] = ["bearer", "basic", "digest", "token"];

/// How far behind a name its `=` or `:` is looked for, in bytes.
const SEPARATOR_BYTES: usize = 8;

/// Least length of what follows a scheme that no name announced, in bytes.
const SHORTEST_CREDENTIAL: usize = 8;

/// The text with values that look like secrets replaced by [`HIDDEN`]: well-known tokens, values of
/// names such as `password=`, what follows `Bearer`, passwords in URLs and private keys.
///
/// ```
/// use mcp_security::redaction::hide_likely_secrets;
///
/// let command = "curl -H 'Authorization: Bearer abc.def' https://me:pw@example.com";
/// assert_eq!(
///     hide_likely_secrets(command),
///     "curl -H 'Authorization: Bearer [redacted]' https://me:[redacted]@example.com"
/// );
/// ```
pub fn hide_likely_secrets(text: &str) -> Cow<'_, str> {
    let mut spans = values(text);
    // Cheap looks first: most texts are short and hold neither.
    if text.contains('-') {
        spans.extend(private_keys(text));
    }
    if text.contains(':') {
        spans.extend(passwords_in_urls(text));
    }
    if spans.is_empty() {
        return Cow::Borrowed(text);
    }
    spans.sort_unstable_by_key(|span| span.start);
    let mut hidden = String::with_capacity(text.len());
    let mut done = 0;
    for span in spans {
        if span.start >= done {
            hidden.push_str(text.get(done..span.start).unwrap_or_default());
            hidden.push_str(HIDDEN);
        }
        done = done.max(span.end);
    }
    hidden.push_str(text.get(done..).unwrap_or_default());
    Cow::Owned(hidden)
}

/// Whether a field, header or option of that name holds a secret.
pub fn is_secret_name(name: &str) -> bool {
    let name = name.trim_start_matches('-').replace('-', "_");
    let upper = name.to_ascii_uppercase();
    upper.ends_with("AUTHORIZATION") || upper.ends_with("COOKIE") || names_a_secret(&name)
}

/// From the first line of a PEM private key (RFC 7468) to its last, or to the end of the text.
/// Every byte is looked at a bounded number of times, whatever the text holds.
fn private_keys(text: &str) -> Vec<Range<usize>> {
    const BEGIN: &str = "-----BEGIN ";
    const END: &str = "-----END ";
    let mut blocks = Vec::new();
    let mut done = 0;
    while let Some(start) = text.get(done..).and_then(|rest| rest.find(BEGIN)) {
        let start = done + start;
        let rest = text.get(start + BEGIN.len()..).unwrap_or_default();
        let label = rest.split("-----").next().unwrap_or_default();
        done = start + BEGIN.len() + label.len();
        if label.ends_with("PRIVATE KEY") {
            let end = text.get(done..).and_then(|rest| rest.find(END));
            let last = end.map(|end| done + end + END.len() + label.len() + 5);
            done = last.map_or(text.len(), |last| text.floor_char_boundary(last));
            blocks.push(start..done);
        }
    }
    blocks
}

/// The passwords of `scheme://user:password@host` (RFC 3986, section 3.2.1).
fn passwords_in_urls(text: &str) -> Vec<Range<usize>> {
    let urls = text.match_indices("://").filter_map(|(at, _)| {
        let start = at + 3;
        let is_end = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'');
        let authority = text.get(start..)?.split(is_end).next()?;
        let (user, _) = authority.rsplit_once('@')?;
        let (name, password) = user.split_once(':')?;
        let from = start + name.len() + 1;
        (!password.is_empty()).then_some(from..from + password.len())
    });
    urls.collect()
}

/// What the word before makes of a word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Announced {
    Nothing,
    /// A name of a secret was followed by `=` or `:`, or stood as an option.
    ByName,
    /// A scheme alone.
    ByScheme,
}

/// Tokens, and the values of names that say they are secret.
fn values(text: &str) -> Vec<Range<usize>> {
    let mut spans: Vec<Range<usize>> = Vec::new();
    let mut announced = Announced::Nothing;
    let mut rest_at = 0;
    while let Some(word) = next_word(text, rest_at) {
        rest_at = word.end;
        let word_text = text.get(word.clone()).unwrap_or_default();
        let is_scheme = SCHEMES
            .iter()
            .any(|scheme| word_text.eq_ignore_ascii_case(scheme));
        if let Some(value) = announced_value(text, word.start, announced, is_scheme) {
            announced = Announced::Nothing;
            rest_at = value.end.max(word.end);
            spans.push(value);
        } else if is_token(word_text) {
            announced = Announced::Nothing;
            spans.push(word);
        } else if !is_scheme || announced == Announced::Nothing {
            announced = announces(word_text, text.get(word.end..).unwrap_or_default());
        }
    }
    spans
}

/// The secret value that starts at byte `start`, if the word before announced one.
fn announced_value(
    text: &str,
    start: usize,
    announced: Announced,
    is_scheme: bool,
) -> Option<Range<usize>> {
    let value = || start..value_end(text, start);
    match announced {
        Announced::ByName if !is_scheme => Some(value()),
        Announced::ByScheme => Some(value()).filter(|it| it.len() >= SHORTEST_CREDENTIAL),
        Announced::ByName | Announced::Nothing => None,
    }
}

/// What a word says of the one after it.
fn announces(word: &str, after: &str) -> Announced {
    let near = after.get(..after.floor_char_boundary(SEPARATOR_BYTES));
    let separator = near
        .unwrap_or(after)
        .trim_start_matches(['"', '\'', '\\', ' ']);
    let is_assigned = separator.starts_with(['=', ':']) && !separator.starts_with("://");
    let is_option = word.starts_with("--") && after.starts_with([' ', '=']);
    let is_scheme = after.starts_with(' ')
        && ["bearer", "basic"]
            .iter()
            .any(|scheme| word.eq_ignore_ascii_case(scheme));
    if (is_assigned || is_option) && is_secret_name(word) {
        Announced::ByName
    } else if is_scheme {
        Announced::ByScheme
    } else {
        Announced::Nothing
    }
}

fn is_token(word: &str) -> bool {
    let word = word.trim_start_matches('-');
    word.len() >= SHORTEST_TOKEN && PREFIXES.iter().any(|prefix| word.starts_with(prefix))
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'+' | b'~' | 0x80..)
}

fn next_word(text: &str, from: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let start = from + bytes.get(from..)?.iter().position(|&byte| is_word(byte))?;
    let rest = bytes.get(start..)?;
    let length = rest
        .iter()
        .position(|&byte| !is_word(byte))
        .unwrap_or(rest.len());
    Some(start..start + length)
}

/// Where the value that starts at byte `start` ends: values hold more than words do.
fn value_end(text: &str, start: usize) -> usize {
    let is_end =
        |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '&' | ';' | ',' | ')' | '}');
    let value = text.get(start..).unwrap_or_default();
    start + value.find(is_end).unwrap_or(value.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, hidden: &str) {
        assert_eq!(hide_likely_secrets(text), hidden, "{text}");
    }

    #[test]
    fn hides_what_looks_like_a_secret() {
        let token = format!("ghp_{}", "a1".repeat(18));
        check(
            &format!("git clone https://{token}@github.com/x"),
            "git clone https://[redacted]@github.com/x",
        );
        check(&format!("--header={token}"), "--header=[redacted]");
        check("PGPASSWORD=hunter2 psql", "PGPASSWORD=[redacted] psql");
        check("mysql --password 'a b'", "mysql --password '[redacted] b'");
        check(
            "{\"api_key\": \"a/b+c=\", \"n\": 1}",
            "{\"api_key\": \"[redacted]\", \"n\": 1}",
        );
        check("Cookie: session=abc; x", "Cookie: [redacted]; x");
        check(
            "authorization: basic dXNlcjpwdw==",
            "authorization: basic [redacted]",
        );
        check("X-Api-Key: 1234", "X-Api-Key: [redacted]");
        check(
            "?access_token=abc&page=2",
            "?access_token=[redacted]&page=2",
        );
        check(
            "a -----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- b",
            "a [redacted] b",
        );
        check("-----BEGIN PRIVATE KEY-----\nMII", "[redacted]");
        check("-----BEGIN PRIVATE KEY-----\n-----END é", "[redacted]");
    }

    #[test]
    fn takes_time_in_proportion_to_the_text() {
        let started = std::time::Instant::now();
        for part in [
            "-----BEGIN PRIVATE KEY-----",
            "a/",
            "password ",
            "password=",
            "bearer ",
            "://",
            "a:@",
            "\"password\"\"\"",
            "-----",
            "é",
        ] {
            hide_likely_secrets(&part.repeat(1_000_000 / part.len()));
        }
        assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    }

    #[test]
    fn leaves_other_text_alone() {
        for text in [
            "",
            "a token of my esteem",
            "max_tokens: 100",
            "https://example.com:8080/a@b?c=d",
            "skip-this-long-option-name",
            "the basic idea is",
            "café = ~/x",
        ] {
            check(text, text);
        }
    }
}
