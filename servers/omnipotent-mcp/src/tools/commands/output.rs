//! A command's output as text for a reply: no terminal control sequences, both ends kept.

use std::fmt::Write;

use mcp_sandbox::Captured;
use mcp_toolcall::fit::{cost_of, fit};

/// What the other fields of a reply and the marks of missing parts cost at most.
const RESERVED: usize = 4 * 1024;
/// Longest text of a control sequence that names no end, in bytes.
const LONGEST_SEQUENCE: usize = 4096;
/// Longest line that is dropped whole when it is cut through, in bytes.
const LONGEST_LINE: usize = 4096;

/// A stream as the caller sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    /// The text, with a mark where something is missing.
    pub(super) text: String,
    /// Bytes that are missing.
    pub(super) cut: u64,
}

/// Both ends of a stream as text.
struct Ends {
    head: String,
    tail: String,
    cut: u64,
}

/// Both streams, together at most `budget` bytes on the wire. When that is short, the stream with
/// less to say keeps it all, as far as half of the budget goes.
pub(super) fn show(streams: [&Captured; 2], budget: usize) -> [Shown; 2] {
    let budget = budget.saturating_sub(RESERVED);
    let [stdout, stderr] = streams.map(Ends::of);
    let errors = stderr.cost().min(budget / 2);
    let output = stdout.cost().min(budget - errors);
    [stdout.join(output), stderr.join(budget - output)]
}

impl Ends {
    fn of(stream: &Captured) -> Self {
        let (mut head, mut tail) = (&*stream.head, &*stream.tail);
        let mut cut = stream.cut;
        if cut > 0 {
            let (whole, broken) = head.split_at(head.len() - incomplete_at_end(head));
            let (rest, kept) = tail.split_at(continued_at_start(tail));
            cut += bytes(broken.len() + rest.len());
            (head, tail) = (whole, kept);
        }
        let text = |bytes| without_sequences(&String::from_utf8_lossy(bytes));
        Self {
            head: text(head),
            tail: text(tail),
            cut,
        }
    }

    fn cost(&self) -> usize {
        cost_of(&self.head) + cost_of(&self.tail)
    }

    /// One text that costs at most `budget`, not counting the mark.
    fn join(mut self, budget: usize) -> Shown {
        if self.cost() > budget {
            if self.tail.is_empty() {
                // All of a stream is in the head until something is cut.
                self.tail = self
                    .head
                    .split_off(self.head.floor_char_boundary(self.head.len() / 2));
            }
            let kept = fit(&self.head, usize::MAX, budget / 2);
            let from = suffix_from(&self.tail, budget / 2);
            self.cut += bytes(self.head.len() - kept + from);
            self.head.truncate(kept);
            self.tail.drain(..from);
        }
        if self.cut > 0 {
            self.end_at_lines();
            let mark = "bytes omitted; raise max_bytes or redirect to a file";
            // Writing to a string cannot fail.
            if !self.head.is_empty() && !self.head.ends_with('\n') {
                self.head.push('\n');
            }
            // Writing to a string cannot fail.
            writeln!(self.head, "[… {} {mark} …]", self.cut).ok();
        }
        self.head.push_str(&self.tail);
        Shown {
            text: self.head,
            cut: self.cut,
        }
    }
}

impl Ends {
    /// Drops the lines that were cut through: half of a secret is not recognised as one.
    fn end_at_lines(&mut self) {
        let window = self.head.len().saturating_sub(LONGEST_LINE);
        let (_, end) = self.head.split_at(self.head.ceil_char_boundary(window));
        if let Some(line) = end.rfind('\n') {
            let broken = end.len() - line - 1;
            self.head.truncate(self.head.len() - broken);
            self.cut += bytes(broken);
        }
        let (start, _) = self
            .tail
            .split_at(self.tail.floor_char_boundary(LONGEST_LINE));
        if let Some(line) = start.find('\n') {
            self.tail.drain(..=line);
            self.cut += bytes(line + 1);
        }
    }
}

/// Where the longest suffix starts that costs at most `budget`.
fn suffix_from(text: &str, budget: usize) -> usize {
    let mut left = budget;
    let mut from = text.len();
    let mut buffer = [0; 4];
    for (at, character) in text.char_indices().rev() {
        let Some(rest) = left.checked_sub(cost_of(character.encode_utf8(&mut buffer))) else {
            break;
        };
        left = rest;
        from = at;
    }
    from
}

/// Bytes of a character that is cut off at the end.
fn incomplete_at_end(bytes: &[u8]) -> usize {
    for (back, byte) in (1..).zip(bytes.iter().rev().take(3)) {
        let length = match byte {
            0x80..=0xbf => continue,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 1,
        };
        return if length > back { back } else { 0 };
    }
    0
}

/// Bytes of a character that began before the start.
fn continued_at_start(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .take(3)
        .take_while(|byte| matches!(byte, 0x80..=0xbf))
        .count()
}

/// Without terminal control sequences (ECMA-48): CSI, control strings such as OSC, and other
/// escapes.
fn without_sequences(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\u{1b}', '\u{9b}', '\u{9d}', '\u{90}', '\u{9e}', '\u{9f}']) {
        let (before, from) = rest.split_at(at);
        clean.push_str(before);
        rest = after_sequence(from);
    }
    clean.push_str(rest);
    clean
}

/// What follows the control sequence that `text` starts with.
fn after_sequence(text: &str) -> &str {
    let mut chars = text.chars();
    let kind = match chars.next() {
        Some('\u{1b}') => match chars.clone().next() {
            Some(kind @ ('[' | ']' | 'P' | 'X' | '^' | '_')) => {
                chars.next();
                kind
            }
            // Intermediate bytes and one final byte; anything else is not part of the escape.
            Some(' '..='~') => {
                let rest = chars
                    .as_str()
                    .trim_start_matches(|c| matches!(c, ' '..='/'));
                return rest
                    .strip_prefix(|c| matches!(c, '0'..='~'))
                    .unwrap_or(rest);
            }
            _ => return chars.as_str(),
        },
        Some('\u{9b}') => '[',
        _ => ']',
    };
    let body = chars.as_str();
    if kind == '[' {
        let rest = body
            .trim_start_matches(|c| matches!(c, '0'..='?'))
            .trim_start_matches(|c| matches!(c, ' '..='/'));
        return rest
            .strip_prefix(|c| matches!(c, '@'..='~'))
            .unwrap_or(rest);
    }
    let (window, _) = body.split_at(body.floor_char_boundary(LONGEST_SEQUENCE));
    match window.find(['\u{7}', '\u{1b}', '\u{9c}']) {
        Some(end) => {
            let rest = body.split_at(end).1;
            rest.strip_prefix("\u{1b}\\")
                .or_else(|| rest.strip_prefix(['\u{7}', '\u{9c}']))
                .unwrap_or(rest)
        }
        None => body,
    }
}

fn bytes(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
