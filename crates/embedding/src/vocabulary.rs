//! The vocabulary: words and continuations of words, each with its number.

use std::ops::Range;

use crate::ModelError;
use crate::shape::VOCABULARY;

/// What a piece that does not begin a word starts with.
const CONTINUATION: &[u8] = b"##";

/// The entries of `vocab.txt`; the number of one is its line, counted from zero.
pub(crate) struct Vocabulary {
    text: Box<[u8]>,
    /// Where each entry is in the text.
    entries: Box<[Range<u32>]>,
    /// The numbers of all entries, in the order of the entries' bytes.
    sorted: Box<[u16]>,
    /// Which of those are continuations.
    continuations: Range<usize>,
    pub(crate) classify: u16,
    pub(crate) separate: u16,
    pub(crate) unknown: u16,
}

impl Vocabulary {
    pub(crate) fn parse(text: &[u8]) -> Result<Self, ModelError> {
        let lines = text.strip_suffix(b"\n").unwrap_or(text);
        let entries = lines.split(|byte| *byte == b'\n');
        let count = entries.clone().count();
        if count != VOCABULARY {
            let reason = format!("has {count} entries where the model has {VOCABULARY}");
            return Err(ModelError::vocabulary(reason));
        }
        if str::from_utf8(text).is_err() {
            return Err(ModelError::vocabulary("is not UTF-8"));
        }
        let ranges = entries.scan(0_u32, |start, entry| {
            let end = start.checked_add(u32::try_from(entry.len()).ok()?)?;
            let range = *start..end;
            *start = end.checked_add(1)?;
            Some(range)
        });
        let mut vocabulary = Self {
            text: text.into(),
            entries: ranges.collect(),
            sorted: (0..=u16::MAX).take(VOCABULARY).collect(),
            continuations: 0..0,
            classify: 0,
            separate: 0,
            unknown: 0,
        };
        vocabulary.sort();
        vocabulary.classify = vocabulary.special("[CLS]")?;
        vocabulary.separate = vocabulary.special("[SEP]")?;
        vocabulary.unknown = vocabulary.special("[UNK]")?;
        Ok(vocabulary)
    }

    fn sort(&mut self) {
        let mut sorted = std::mem::take(&mut self.sorted);
        sorted.sort_unstable_by_key(|number| self.entry(*number));
        let start = sorted.partition_point(|number| self.entry(*number) < CONTINUATION);
        let rest = sorted.get(start..).unwrap_or_default();
        let length = rest.partition_point(|number| self.entry(*number).starts_with(CONTINUATION));
        self.continuations = start..start + length;
        self.sorted = sorted;
    }

    fn special(&self, name: &str) -> Result<u16, ModelError> {
        let found = self
            .sorted
            .binary_search_by_key(&name.as_bytes(), |number| self.entry(*number));
        let number = found.ok().and_then(|place| self.sorted.get(place));
        let missing = || ModelError::vocabulary(format!("lacks {name}"));
        number.copied().ok_or_else(missing)
    }

    /// The longest entry that `rest` starts with, and how many bytes of `rest` it covers.
    /// `continues` asks for a continuation.
    ///
    /// The entries that share the bytes read so far are a range of the sorted ones; each further
    /// byte narrows it, and most ranges are empty after a few.
    pub(crate) fn longest(&self, rest: &[u8], continues: bool) -> Option<(u16, usize)> {
        let (mut range, marker) = if continues {
            (
                self.sorted.get(self.continuations.clone())?,
                CONTINUATION.len(),
            )
        } else {
            (self.sorted.as_ref(), 0)
        };
        let mut longest = None;
        for (index, byte) in rest.iter().enumerate() {
            let at = |number: &u16| self.entry(*number).get(marker + index);
            let start = range.partition_point(|number| at(number) < Some(byte));
            range = range.get(start..)?;
            let end = range.partition_point(|number| at(number) == Some(byte));
            range = range.get(..end)?;
            // The entry that ends here is the first of those that begin like it.
            let Some(first) = range.first() else { break };
            if self.entry(*first).len() == marker + index + 1 {
                longest = Some((*first, index + 1));
            }
        }
        longest
    }

    fn entry(&self, number: u16) -> &[u8] {
        let range = self.entries.get(usize::from(number)).cloned();
        let range = range.unwrap_or_default();
        let bound = |bound| usize::try_from(bound).unwrap_or(usize::MAX);
        self.text
            .get(bound(range.start)..bound(range.end))
            .unwrap_or_default()
    }

    /// A vocabulary of the right size: a few words, then numbers.
    #[cfg(test)]
    pub(crate) fn sample() -> String {
        let words = [
            "[CLS]", "[SEP]", "[UNK]", "un", "##aff", "##affa", "##able", "##b", "a", "#",
        ];
        let fill = (words.len()..VOCABULARY).map(|number| format!("\u{1}{number}"));
        let lines: Vec<String> = words.map(str::to_owned).into_iter().chain(fill).collect();
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rest: &str, continues: bool, expected: Option<(u16, usize)>) {
        let vocabulary = Vocabulary::parse(Vocabulary::sample().as_bytes()).unwrap();
        assert_eq!(vocabulary.longest(rest.as_bytes(), continues), expected);
    }

    #[test]
    fn finds_the_longest_entry_of_its_kind() {
        check("unaffable", false, Some((3, 2)));
        check("affable", true, Some((5, 4)));
        check("able", true, Some((6, 4)));
        check("able", false, Some((8, 1)));
        check("abl", true, None);
        check("xyz", false, None);
        check("", false, None);
        check("#", false, Some((9, 1)));
    }

    #[test]
    fn refuses_another_vocabulary() {
        let refused = |text: &[u8]| Vocabulary::parse(text).err().unwrap().to_string();
        let expected = "the vocabulary has 1 entries where the model has 30522";
        assert_eq!(refused(b""), expected);
        let sample = Vocabulary::sample();
        let expected = "the vocabulary lacks [SEP]";
        assert_eq!(
            refused(sample.replace("[SEP]", "[sep]").as_bytes()),
            expected
        );
        let mut bytes = sample.into_bytes();
        bytes[0] = 0xff;
        assert_eq!(refused(&bytes), "the vocabulary is not UTF-8");
    }
}
