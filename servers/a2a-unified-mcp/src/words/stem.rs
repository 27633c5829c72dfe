//! Porter's stemmer, as FTS5's `porter` tokenizer has it (M. F. Porter, "An algorithm for suffix
//! stripping", 1980, with the author's later `bli` and `logi`).

/// Words beyond these lengths in bytes are left as they are.
const LENGTHS: std::ops::RangeInclusive<usize> = 3..=64;

/// The stem of a folded word.
pub(super) fn stem(word: &str) -> String {
    if !LENGTHS.contains(&word.len()) {
        return word.to_owned();
    }
    let mut stem = Stem(word.as_bytes().to_vec());
    stem.plural();
    stem.past();
    if stem.ends(b"y") && has_vowel(stem.before(1)) {
        stem.replace(1, b"i");
    }
    stem.by(STEP_2, measures_1);
    stem.by(STEP_3, measures_1);
    stem.by(STEP_4, measures_2);
    stem.end();
    // Suffixes are ASCII, so what is left of UTF-8 is UTF-8.
    String::from_utf8(stem.0).unwrap_or_else(|_| word.to_owned())
}

type Rules = &'static [(&'static [u8], &'static [u8])];

const STEP_2: Rules = &[
    (b"ational", b"ate"),
    (b"tional", b"tion"),
    (b"enci", b"ence"),
    (b"anci", b"ance"),
    (b"izer", b"ize"),
    (b"logi", b"log"),
    (b"bli", b"ble"),
    (b"alli", b"al"),
    (b"entli", b"ent"),
    (b"eli", b"e"),
    (b"ousli", b"ous"),
    (b"ization", b"ize"),
    (b"ation", b"ate"),
    (b"ator", b"ate"),
    (b"alism", b"al"),
    (b"iveness", b"ive"),
    (b"fulness", b"ful"),
    (b"ousness", b"ous"),
    (b"aliti", b"al"),
    (b"iviti", b"ive"),
    (b"biliti", b"ble"),
];

const STEP_3: Rules = &[
    (b"ical", b"ic"),
    (b"ness", b""),
    (b"icate", b"ic"),
    (b"iciti", b"ic"),
    (b"ful", b""),
    (b"ative", b""),
    (b"alize", b"al"),
];

const STEP_4: Rules = &[
    (b"al", b""),
    (b"ance", b""),
    (b"ence", b""),
    (b"er", b""),
    (b"ic", b""),
    (b"able", b""),
    (b"ible", b""),
    (b"ant", b""),
    (b"ement", b""),
    (b"ment", b""),
    (b"ent", b""),
    (b"ion", b""),
    (b"ou", b""),
    (b"ism", b""),
    (b"ate", b""),
    (b"iti", b""),
    (b"ous", b""),
    (b"ive", b""),
    (b"ize", b""),
];

struct Stem(Vec<u8>);

impl Stem {
    /// Whether it ends so, with something before.
    fn ends(&self, suffix: &[u8]) -> bool {
        self.0.len() > suffix.len() && self.0.ends_with(suffix)
    }

    fn before(&self, bytes: usize) -> &[u8] {
        let end = self.0.len().saturating_sub(bytes);
        self.0.get(..end).unwrap_or_default()
    }

    fn replace(&mut self, bytes: usize, by: &[u8]) {
        self.0.truncate(self.0.len().saturating_sub(bytes));
        self.0.extend_from_slice(by);
    }

    /// Step 1a.
    fn plural(&mut self) {
        if self.ends(b"sses") || (self.ends(b"ies") && self.0.len() > 3) {
            self.replace(2, b"");
        } else if self.ends(b"s") && !self.0.ends_with(b"ss") {
            self.replace(1, b"");
        }
    }

    /// Step 1b.
    fn past(&mut self) {
        if self.ends(b"eed") {
            if measures_1(self.before(3)) {
                self.replace(1, b"");
            }
            return;
        }
        let cut = [&b"ed"[..], b"ing"]
            .into_iter()
            .find(|suffix| self.ends(suffix));
        let Some(suffix) = cut.filter(|suffix| has_vowel(self.before(suffix.len()))) else {
            return;
        };
        self.replace(suffix.len(), b"");
        if [&b"at"[..], b"bl", b"iz"].iter().any(|end| self.ends(end)) {
            self.replace(0, b"e");
            return;
        }
        let doubled = match self.0.as_slice() {
            [.., a, b] => a == b && !b"aeioulsz".contains(b),
            _ => false,
        };
        if doubled {
            self.replace(1, b"");
        } else if measure(&self.0) == 1 && is_short(&self.0) {
            self.replace(0, b"e");
        }
    }

    /// The first suffix that it has is replaced if what is before it is long enough.
    fn by(&mut self, rules: Rules, long_enough: fn(&[u8]) -> bool) {
        let Some((suffix, by)) = rules.iter().find(|(suffix, _)| self.ends(suffix)) else {
            return;
        };
        let before = self.before(suffix.len());
        let fits = *suffix != b"ion" || before.ends_with(b"s") || before.ends_with(b"t");
        if fits && long_enough(before) {
            self.replace(suffix.len(), by);
        }
    }

    /// Step 5.
    fn end(&mut self) {
        if self.0.ends_with(b"e") {
            let before = self.before(1);
            let measure = measure(before);
            if measure > 1 || (measure == 1 && !is_short(before)) {
                self.replace(1, b"");
            }
        }
        if self.0.ends_with(b"ll") && measures_2(self.before(1)) {
            self.replace(1, b"");
        }
    }
}

/// Whether each letter is a vowel: `y` is one behind a consonant.
fn vowels(word: &[u8]) -> impl Iterator<Item = bool> {
    word.iter().scan(true, |before, letter| {
        let vowel = b"aeiou".contains(letter) || (*letter == b'y' && !*before);
        *before = vowel;
        Some(vowel)
    })
}

/// How often a consonant follows a vowel.
fn measure(word: &[u8]) -> usize {
    let mut before = false;
    let follows = |vowel: bool| std::mem::replace(&mut before, vowel) && !vowel;
    vowels(word).map(follows).filter(|follows| *follows).count()
}

fn measures_1(word: &[u8]) -> bool {
    measure(word) > 0
}

fn measures_2(word: &[u8]) -> bool {
    measure(word) > 1
}

/// FTS5 takes a `y` that is not the first letter for a vowel here, whatever stands before it.
fn has_vowel(word: &[u8]) -> bool {
    let vowel =
        |(place, letter): (usize, &u8)| b"aeiou".contains(letter) || (*letter == b'y' && place > 0);
    word.iter().enumerate().any(vowel)
}

/// Ends with consonant, vowel, consonant, the last not w, x or y.
fn is_short(word: &[u8]) -> bool {
    let vowels: Vec<bool> = vowels(word).collect();
    let last = word.last().is_some_and(|last| !b"wxy".contains(last));
    last && vowels.ends_with(&[false, true, false])
}
