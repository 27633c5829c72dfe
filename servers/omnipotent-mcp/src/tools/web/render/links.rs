//! The links of a page.

use std::collections::HashSet;

use scraper::ElementRef;
use url::Url;

use super::{elements, text};
use crate::tools::web::page::{Page, PageError, Until};

/// Characters of a link's text.
const LONGEST_TEXT: usize = 200;

/// What relative links are relative to (HTML standard, section 2.4.3 "Document base URLs").
pub(super) fn base(root: ElementRef<'_>, page: &Page) -> Option<Url> {
    let page = Url::parse(&page.url).ok()?;
    let base = elements(root)
        .filter(|element| element.value().name() == "base")
        .find_map(|element| element.attr("href"))
        .and_then(|href| page.join(href).ok());
    base.or(Some(page))
}

/// At most `most` of the `http` and `https` links beneath the elements, each target once; without
/// its fragment, as a part of a page is no other page.
pub(super) fn within(
    roots: &[ElementRef<'_>],
    base: Option<&Url>,
    most: usize,
    until: Until,
) -> Result<Vec<(String, String)>, PageError> {
    let mut seen = HashSet::new();
    let mut links = Vec::new();
    let Some(base) = base else {
        return Ok(links);
    };
    for root in roots {
        until.check()?;
        for anchor in elements(*root).filter(|element| element.value().name() == "a") {
            let Some(url) = anchor.attr("href").and_then(|href| target(href, base)) else {
                continue;
            };
            if seen.insert(url.clone()) {
                links.push((text::collapsed(anchor, LONGEST_TEXT), url));
            }
            if links.len() == most {
                return Ok(links);
            }
        }
    }
    Ok(links)
}

fn target(href: &str, base: &Url) -> Option<String> {
    let mut url = base.join(href.trim()).ok()?;
    url.set_fragment(None);
    matches!(url.scheme(), "http" | "https").then(|| url.into())
}
