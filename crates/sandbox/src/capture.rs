//! Keeps the beginning and the end of a stream in bounded memory.

use std::collections::VecDeque;

/// The kept part of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    /// The first bytes; everything when nothing was cut.
    pub head: Vec<u8>,
    /// The last bytes; empty when nothing was cut.
    pub tail: Vec<u8>,
    /// Bytes between the two that were not kept.
    pub cut: u64,
}

/// Takes a stream piece by piece and keeps at most `cap` bytes of it.
#[derive(Debug)]
pub(crate) struct Capture {
    head: Vec<u8>,
    head_cap: usize,
    tail: VecDeque<u8>,
    tail_cap: usize,
    seen: u64,
}

impl Capture {
    pub(crate) fn new(cap: usize) -> Self {
        let tail_cap = cap / 2;
        Self {
            head: Vec::new(),
            head_cap: cap - tail_cap,
            tail: VecDeque::new(),
            tail_cap,
            seen: 0,
        }
    }

    pub(crate) fn seen(&self) -> u64 {
        self.seen
    }

    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.seen = self
            .seen
            .saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        let room = self.head_cap - self.head.len();
        let (first, rest) = piece.split_at(room.min(piece.len()));
        self.head.extend_from_slice(first);
        let (_, last) = rest.split_at(rest.len().saturating_sub(self.tail_cap));
        let excess = (self.tail.len() + last.len()).saturating_sub(self.tail_cap);
        self.tail.drain(..excess.min(self.tail.len()));
        self.tail.extend(last);
    }

    pub(crate) fn finish(self) -> Captured {
        let Self {
            mut head,
            tail,
            seen,
            ..
        } = self;
        let kept = u64::try_from(head.len() + tail.len()).unwrap_or(u64::MAX);
        let cut = seen.saturating_sub(kept);
        let mut tail = Vec::from(tail);
        if cut == 0 {
            head.append(&mut tail);
        }
        Captured { head, tail, cut }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(cap: usize, pieces: &[&str], head: &str, tail: &str, cut: u64) {
        let mut capture = Capture::new(cap);
        for piece in pieces {
            capture.push(piece.as_bytes());
        }
        let expect = Captured {
            head: head.into(),
            tail: tail.into(),
            cut,
        };
        assert_eq!(capture.finish(), expect, "{pieces:?}");
    }

    #[test]
    fn keeps_everything_that_fits() {
        check(6, &[], "", "", 0);
        check(6, &["abc"], "abc", "", 0);
        check(6, &["ab", "cdef"], "abcdef", "", 0);
        check(0, &[""], "", "", 0);
    }

    #[test]
    fn keeps_both_ends_and_counts_the_middle() {
        check(6, &["abcdefg"], "abc", "efg", 1);
        check(
            6,
            &["a", "b", "c", "d", "e", "f", "g", "h"],
            "abc",
            "fgh",
            2,
        );
        check(6, &["abcdefghij", "k"], "abc", "ijk", 5);
        check(5, &["abcdef"], "abc", "ef", 1);
        check(1, &["abc", "d"], "a", "", 3);
        check(0, &["abc"], "", "", 3);
    }
}
