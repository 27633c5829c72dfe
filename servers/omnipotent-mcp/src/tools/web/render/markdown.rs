//! Markdown of a page's main content, or of an element.
//!
//! The readers behind it parse by themselves, and without bounds. So they are given only what
//! [`tree::parse`] has accepted: the same parser with the same options builds the same tree.

use dom_query::Document;
use dom_smoothie::{Config, Readability, TextMode};
use scraper::ElementRef;

use super::{html, text};
use crate::tools::web::page::{Page, PageError, Until};
use crate::tools::web::tree;

/// Elements that the search for the main content looks at; its heuristics are not linear.
const MOST_READABLE: usize = 50_000;
/// Characters of the shortest main content that is believed to be it.
const SHORTEST_ARTICLE: usize = 200;
/// Bytes that markdown may spend on indentation: quotes within quotes multiply it.
const LARGEST_INDENTATION: usize = 4 * 1024 * 1024;
/// Elements that are rows only within a table.
const ROWS: [&str; 4] = ["tbody", "tfoot", "thead", "tr"];

/// The main content, or the whole page when no part of it stands out. `root` is the accepted tree
/// of the page.
pub(super) fn of_page(
    page: &Page,
    root: ElementRef<'_>,
    until: Until,
) -> Result<String, PageError> {
    if indentation(root) > LARGEST_INDENTATION || html::is_costly(root) {
        return Ok(text::visible(root));
    }
    let config = Config {
        text_mode: TextMode::Markdown,
        max_elements_to_parse: MOST_READABLE,
        ..Config::default()
    };
    let article = Readability::new(page.text.as_str(), Some(&page.url), Some(config))
        .and_then(|mut readability| readability.parse());
    until.check()?;
    match article {
        Ok(article) if article.length >= SHORTEST_ARTICLE => Ok(article.text_content.to_string()),
        Ok(_) | Err(_) => Ok(Document::from(page.text.as_str()).md(None).to_string()),
    }
}

/// All of an element.
pub(super) fn of_element(element: ElementRef<'_>, until: Until) -> Result<String, PageError> {
    let is_plain = text::is_hidden(element)
        || indentation(element) > LARGEST_INDENTATION
        || html::is_costly(element);
    if is_plain {
        return Ok(text::visible(element));
    }
    let mut html = html::of_element(element)?;
    if ROWS.contains(&element.value().name()) {
        html = format!("<table>{html}</table>");
    }
    tree::parse(&html, until)?;
    Ok(Document::from(html).md(None).to_string())
}

/// Bytes of indentation in the markdown of an element: each line carries the markers of all quotes
/// and lists around it.
fn indentation(element: ElementRef<'_>) -> usize {
    let mut cost = 0_usize;
    let mut open = vec![(*element, 0_usize)];
    while let Some((node, depth)) = open.pop() {
        let name = node.value().as_element().map(scraper::node::Element::name);
        let depth = depth + usize::from(matches!(name, Some("blockquote" | "ul" | "ol")));
        let text = node.value().as_text();
        let lines = 1 + text.map_or(0, |text| text.matches('\n').count());
        cost = cost.saturating_add(lines.saturating_mul(4 * depth));
        open.extend(node.children().map(|child| (child, depth)));
    }
    cost
}
