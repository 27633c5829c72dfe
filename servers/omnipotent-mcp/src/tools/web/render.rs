//! What a caller sees of a page: text, markdown, HTML or links, of all of it or of what a selector
//! matches.

mod html;
mod links;
mod markdown;
mod selector;
mod text;

use std::iter;

use schemars::JsonSchema;
use scraper::{Element, ElementRef};
use serde::Deserialize;

pub(super) use self::selector::Selector;
use super::page::{Markup, Page, PageError, Until};
use super::tree;

/// Links of one reply that shows nothing else.
const MOST_LINKS: usize = 500;
/// Links of one reply beside its content.
const MOST_LINKS_BESIDE_CONTENT: usize = 50;
/// Characters of a title.
const LONGEST_TITLE: usize = 500;

/// How a page is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    /// Visible text.
    #[default]
    Text,
    /// Markdown; of a whole page, its main content.
    Markdown,
    /// Markup.
    Html,
    /// Nothing but links.
    Links,
}

/// Which part of a page is shown, and how.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub(super) format: Format,
    pub(super) selector: Option<Selector>,
    /// The first match shown.
    pub(super) first_match: usize,
    /// Characters of matches after which no other is shown.
    pub(super) length: usize,
}

/// What is shown of a page.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct View {
    /// The title, its white space collapsed.
    pub(super) title: Option<String>,
    /// The page, or each match.
    pub(super) content: Vec<String>,
    /// Matches after the last shown.
    pub(super) more: bool,
    /// Links in what is shown, without repetitions: text and URL.
    pub(super) links: Vec<(String, String)>,
}

/// Shows a page. Runs on a parser's thread.
pub(super) fn view(page: &Page, wish: &Wish, until: Until) -> Result<View, PageError> {
    if page.markup == Markup::None {
        return Ok(View {
            content: vec![page.text.clone()],
            ..View::default()
        });
    }
    let tree = tree::parse(&page.text, until)?;
    let root = tree.root_element();
    let (shown, mut more) = match &wish.selector {
        Some(selector) => selector.find(root, wish.first_match, until)?,
        None => (vec![root], false),
    };
    let most_links = match wish.format {
        Format::Links => MOST_LINKS,
        Format::Text | Format::Markdown | Format::Html => MOST_LINKS_BESIDE_CONTENT,
    };
    let links = links::within(&shown, links::base(root, page).as_ref(), most_links, until)?;
    let content = match (&wish.selector, wish.format) {
        (_, Format::Links) => links.iter().map(|(_, url)| url.clone()).collect(),
        (None, Format::Html) => vec![page.text.clone()],
        (None, Format::Text) => vec![text::visible(root)],
        (None, Format::Markdown) => vec![markdown::of_page(page, root, until)?],
        (Some(_), format) => {
            let content = each(&shown, format, wish.length, until)?;
            more |= content.len() < shown.len();
            content
        }
    };
    Ok(View {
        title: title(root),
        content,
        more,
        links,
    })
}

/// The matches, up to the first that no longer fits: matches within matches multiply a page.
fn each(
    matches: &[ElementRef<'_>],
    format: Format,
    length: usize,
    until: Until,
) -> Result<Vec<String>, PageError> {
    let mut shown = Vec::new();
    // No character has more than four bytes.
    let mut room = length.saturating_mul(4);
    for element in matches {
        until.check()?;
        let content = match format {
            Format::Html => html::of_element(*element)?,
            Format::Markdown => markdown::of_element(*element, until)?,
            Format::Text | Format::Links => text::visible(*element),
        };
        let rest = room.checked_sub(content.len());
        shown.push(content);
        match rest {
            Some(rest) => room = rest,
            None => break,
        }
    }
    Ok(shown)
}

fn title(root: ElementRef<'_>) -> Option<String> {
    let title = elements(root).find(|element| element.value().name() == "title")?;
    let title = text::collapsed(title, LONGEST_TITLE);
    (!title.is_empty()).then_some(title)
}

/// `root` and the elements beneath it, in document order; what is in a `template` is no part of
/// the document.
fn elements(root: ElementRef<'_>) -> impl Iterator<Item = ElementRef<'_>> {
    iter::successors(Some(root), move |element| {
        element.first_element_child().or_else(|| {
            let mut around = *element;
            while around != root {
                if let Some(next) = around.next_sibling_element() {
                    return Some(next);
                }
                around = around.parent_element()?;
            }
            None
        })
    })
}

#[cfg(test)]
mod tests;
