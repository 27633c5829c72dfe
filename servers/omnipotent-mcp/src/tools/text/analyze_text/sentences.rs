//! Counts sentences in one pass.
//!
//! The rules of UAX #29 look ahead without bound from every space after a full stop, so an
//! implementation of them takes quadratic time on hostile text; they also end a sentence at every
//! line feed, which miscounts wrapped text. This keeps their intent: whether a full stop ended
//! its sentence is decided when the next letter is seen.

/// What was seen since the last letter or digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    /// Nothing that ends a sentence.
    Nothing,
    /// A mark that ends one if a space follows.
    Mark(Ending),
    /// Such a mark and a space.
    Space(Ending),
}

/// How sure a mark is to end a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// Unless a small letter follows: the full stop also ends abbreviations.
    Likely,
    /// Whatever follows.
    Certain,
}

#[derive(Debug)]
struct Counter {
    ended: usize,
    in_sentence: bool,
    since: Since,
    line_feeds: usize,
}

/// Sentences that hold a letter or digit. One ends at a mark followed by a space, at a full stop
/// of a script that writes no spaces, at a blank line, and at the end.
pub(super) fn count(text: &str) -> usize {
    let mut counter = Counter {
        ended: 0,
        in_sentence: false,
        since: Since::Nothing,
        line_feeds: 0,
    };
    text.chars().for_each(|character| counter.see(character));
    counter.end();
    counter.ended
}

impl Counter {
    fn see(&mut self, character: char) {
        if character.is_alphanumeric() {
            return self.see_letter(character);
        }
        if character.is_whitespace() {
            return self.see_space(character);
        }
        self.line_feeds = 0;
        match character {
            '。' | '．' | '！' | '？' | '｡' => self.end(),
            '.' | '…' => self.see_mark(Ending::Likely),
            '!' | '?' | '‼' | '⁇' | '⁈' | '⁉' | '؟' | '۔' | '।' | '॥' | '։' | '።' | '၊' | '။' =>
            {
                self.see_mark(Ending::Certain);
            }
            ')' | ']' | '}' | '"' | '\'' | '’' | '”' | '»' | '›' | '*' | '_' => {}
            _ if matches!(self.since, Since::Mark(_)) => self.since = Since::Nothing,
            _ => {}
        }
    }

    fn see_letter(&mut self, letter: char) {
        match self.since {
            Since::Space(Ending::Certain) => self.end(),
            Since::Space(Ending::Likely) if !letter.is_lowercase() => self.end(),
            Since::Space(Ending::Likely) | Since::Mark(_) | Since::Nothing => {}
        }
        self.since = Since::Nothing;
        self.in_sentence = true;
        self.line_feeds = 0;
    }

    fn see_space(&mut self, space: char) {
        if let Since::Mark(ending) = self.since {
            self.since = Since::Space(ending);
        }
        self.line_feeds += usize::from(space == '\n');
        if self.line_feeds > 1 {
            self.end();
        }
    }

    fn see_mark(&mut self, ending: Ending) {
        self.since = match self.since {
            Since::Mark(Ending::Certain) => Since::Mark(Ending::Certain),
            Since::Mark(Ending::Likely) | Since::Space(_) | Since::Nothing => Since::Mark(ending),
        };
    }

    fn end(&mut self) {
        self.ended += usize::from(self.in_sentence);
        self.in_sentence = false;
        self.since = Since::Nothing;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_sentences_where_readers_do() {
        let check = |text: &str, sentences: usize| assert_eq!(count(text), sentences, "{text:?}");
        check("", 0);
        check("... !? —", 0);
        check("No mark at the end", 1);
        check("One. Two! Three? Four… Five", 5);
        check("Wrapped\nover lines. Next\nline.", 2);
        check("A title\n\nThen text.", 2);
        check("Pi is 3.14, e.g. in v1.2.3 of it.", 1);
        check("\"Really?!\" she said. (Yes.) Fine.", 4);
        check("Wait... what? Well... No.", 3);
        check("你好世界。再见！", 2);
        check("Привет. Как дела? хорошо", 3);
        check("यह है। वह है।", 2);
    }

    /// A look ahead from every space would take hours here.
    #[test]
    fn takes_linear_time_for_spaces_after_a_full_stop() {
        assert_eq!(count(&format!("a.{}", " ".repeat(5_000_000))), 1);
    }
}
