//! The chain: a line ends in the SHA-256 of itself, and names that of the line before.
//!
//! `{"seq":7,` body `,"prev":"` hash of line 6 `","hash":"` SHA-256 of all bytes before `,"hash"`
//! `"}`. What is hashed is what is written, byte for byte: no canonical form has to be agreed on.

use std::fmt;
use std::io::Write;
use std::str::FromStr;

use sha2::{Digest, Sha256};

const DIGITS: usize = 64;

/// The SHA-256 of a line, in lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LineHash([u8; DIGITS]);

impl LineHash {
    /// What the first line of a chain names as its predecessor.
    pub const NONE: Self = Self([b'0'; DIGITS]);

    fn of(bytes: &[u8]) -> Self {
        let digest: [u8; DIGITS / 2] = Sha256::digest(bytes).into();
        let mut digits = [0; DIGITS];
        let (pairs, _) = digits.as_chunks_mut::<2>();
        for (pair, byte) in pairs.iter_mut().zip(digest) {
            *pair = [digit(byte >> 4), digit(byte & 0xf)];
        }
        Self(digits)
    }

    fn read(digits: &[u8]) -> Option<Self> {
        let digits: [u8; DIGITS] = digits.try_into().ok()?;
        let lower = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        digits.iter().all(lower).then_some(Self(digits))
    }
}

const fn digit(nibble: u8) -> u8 {
    match nibble {
        0..=9 => b'0' + nibble,
        _ => b'a' + (nibble - 10),
    }
}

impl fmt::Display for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.0).unwrap_or_default())
    }
}

impl fmt::Debug for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LineHash({self})")
    }
}

/// The text is no hash of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 64 hexadecimal digits, as `audit verify` prints them")]
pub struct InvalidHash;

impl FromStr for LineHash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        Self::read(text.to_ascii_lowercase().as_bytes()).ok_or(InvalidHash)
    }
}

/// Where a chain ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Number of the last line; the first is 1.
    pub seq: u64,
    /// Its hash.
    pub hash: LineHash,
}

impl Head {
    /// A chain without lines.
    pub const EMPTY: Self = Self {
        seq: 0,
        hash: LineHash::NONE,
    };

    /// Appends the next line to `out` and moves on to it. `body` is JSON members without braces.
    pub(crate) fn seal(&mut self, body: &str, out: &mut Vec<u8>) {
        let start = out.len();
        let seq = self.seq.saturating_add(1);
        append(out, format_args!("{{\"seq\":{seq},"));
        out.extend_from_slice(body.as_bytes());
        out.extend_from_slice(PREV);
        out.extend_from_slice(&self.hash.0);
        out.push(b'"');
        let hash = LineHash::of(out.get(start..).unwrap_or_default());
        out.extend_from_slice(HASH);
        out.extend_from_slice(&hash.0);
        out.extend_from_slice(b"\"}\n");
        *self = Self { seq, hash };
    }
}

const PREV: &[u8] = b",\"prev\":\"";
const HASH: &[u8] = b",\"hash\":\"";

/// Writing into memory does not fail.
fn append(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    out.write_fmt(text).unwrap_or_default();
}

/// A line as it was read: what it says of its place in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    /// The line itself.
    pub(crate) head: Head,
    /// The line it says it follows.
    pub(crate) prev: LineHash,
    /// Whether its hash is the hash of what it says.
    pub(crate) is_whole: bool,
}

/// Reads a line without its line feed; none when it has not the form of one.
pub(crate) fn read(line: &[u8]) -> Option<Link> {
    let sealed = line.strip_suffix(b"\"}")?;
    let (rest, hash) = sealed.split_last_chunk::<DIGITS>()?;
    let content = rest.strip_suffix(HASH)?;
    let (rest, prev) = content.strip_suffix(b"\"")?.split_last_chunk::<DIGITS>()?;
    let rest = rest.strip_suffix(PREV)?.strip_prefix(b"{\"seq\":")?;
    let comma = rest.iter().position(|&byte| byte == b',')?;
    let digits = str::from_utf8(rest.get(..comma)?).ok()?;
    let hash = LineHash::read(hash)?;
    Some(Link {
        head: Head {
            seq: digits.parse().ok()?,
            hash,
        },
        prev: LineHash::read(prev)?,
        is_whole: LineHash::of(content) == hash,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_back_and_names_the_one_before() {
        let mut head = Head::EMPTY;
        let mut text = Vec::new();
        head.seal("\"event\":\"start\"", &mut text);
        let first = head;
        head.seal("\"event\":\"stop\"", &mut text);
        let links: Vec<Link> = text.split(|&byte| byte == b'\n').filter_map(read).collect();
        let link = |head, prev| Link {
            head,
            prev,
            is_whole: true,
        };
        assert_eq!(links, [link(first, LineHash::NONE), link(head, first.hash)]);
        assert_eq!(head.seq, 2);
    }

    #[test]
    fn the_hash_is_that_of_other_programs() {
        // printf '{"seq":1,"a":1,"prev":"000…0"' | sha256sum
        let mut head = Head::EMPTY;
        head.seal("\"a\":1", &mut Vec::new());
        let hashed = format!("{{\"seq\":1,\"a\":1,\"prev\":\"{}\"", "0".repeat(64));
        assert_eq!(head.hash, LineHash::of(hashed.as_bytes()));
        assert_eq!(
            LineHash::of(b"abc").to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
