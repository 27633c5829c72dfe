//! Finds what a CSS selector matches.

use cssparser::Parser;
use scraper::ElementRef;
use scraper::selector::Simple;
use selectors::SelectorList;
use selectors::matching::{
    MatchingContext, MatchingForInvalidation, MatchingMode, NeedsSelectorFlags, QuirksMode,
    SelectorCaches, matches_selector_list,
};
use selectors::parser::ParseRelative;

use super::elements;
use crate::tools::web::page::{PageError, Until};

/// Matches of one reply.
const MOST_MATCHES: usize = 100;
/// Brackets in a selector; its parser recurses.
const MOST_BRACKETS: usize = 64;

/// A CSS selector that parses.
///
/// It is what `scraper::Selector` is, but between two elements that one either forgets what it
/// counted, so that `:nth-child` takes quadratic time, or does not let the clock be looked at.
#[derive(Debug, Clone)]
pub(in crate::tools::web) struct Selector(SelectorList<Simple>);

/// Why a text is no CSS selector, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid CSS selector: {reason}")]
pub(in crate::tools::web) struct BadSelector {
    reason: String,
}

impl Selector {
    pub(in crate::tools::web) fn parse(text: &str) -> Result<Self, BadSelector> {
        if text.matches(['(', '[']).count() > MOST_BRACKETS {
            return Err(BadSelector {
                reason: "too many brackets".to_owned(),
            });
        }
        let parser = scraper::selector::Parser;
        SelectorList::parse(&parser, &mut Parser::new(text), ParseRelative::No)
            .map(Self)
            .map_err(|error| BadSelector {
                reason: in_words(&format!("{:?}", error.kind)),
            })
    }

    /// At most [`MOST_MATCHES`] from the `first` on, in document order, and whether there are more.
    pub(super) fn find<'a>(
        &self,
        root: ElementRef<'a>,
        first: usize,
        until: Until,
    ) -> Result<(Vec<ElementRef<'a>>, bool), PageError> {
        let mut caches = SelectorCaches::default();
        let mut found = Vec::new();
        let mut skip = first;
        for element in elements(root) {
            // Each element has its look at the clock, as a match may search the whole page.
            until.check()?;
            if !self.matches(element, &mut caches) {
                continue;
            }
            if skip > 0 {
                skip -= 1;
            } else if found.len() == MOST_MATCHES {
                return Ok((found, true));
            } else {
                found.push(element);
            }
        }
        Ok((found, false))
    }

    /// The caches must have seen no other selector.
    fn matches(&self, element: ElementRef<'_>, caches: &mut SelectorCaches) -> bool {
        let mut context = MatchingContext::new(
            MatchingMode::Normal,
            None,
            caches,
            QuirksMode::NoQuirks,
            NeedsSelectorFlags::No,
            MatchingForInvalidation::No,
        );
        matches_selector_list(&self.0, &element, &mut context)
    }
}

/// The name of an enum's innermost variant, such as `Custom(ClassNeedsIdent)`, as words.
fn in_words(debug: &str) -> String {
    let name = debug
        .rsplit('(')
        .next()
        .unwrap_or_default()
        .trim_end_matches(')');
    let mut words = String::new();
    for character in name.chars() {
        if character.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(character.to_lowercase());
    }
    words
}
