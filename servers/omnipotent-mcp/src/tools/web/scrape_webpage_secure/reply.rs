//! What one reply holds of a page.

use mcp_toolcall::fit::{cost_of, fit};
use schemars::JsonSchema;
use serde::Serialize;

use super::Plan;
use crate::tools::web::page::Page;
use crate::tools::web::render::{Format, View};

/// Wire bytes kept free for the names of fields and for numbers.
const FRAME: usize = 4096;

/// What the page shows.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Reply {
    /// The URL that answered, after redirects.
    url: String,
    /// The HTTP status code.
    status_code: u16,
    /// The title of the page.
    title: Option<String>,
    /// The page as one text; with a selector, a list of what it matches; with `format="links"`, a
    /// list of URLs.
    content: Content,
    /// Links in the content: the first 50, or 500 with `format="links"`.
    links: Vec<Link>,
    /// Whether there is more than `content` shows.
    truncated: bool,
    /// The `start_index` that shows what follows; null at the end.
    next_index: Option<u64>,
}

/// A page, or what was found in it.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Content {
    /// A page.
    Page(String),
    /// What was found, in document order.
    Found(Vec<String>),
}

/// A link.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Link {
    /// Its text.
    text: String,
    /// Its absolute URL.
    url: String,
}

impl Reply {
    pub(super) fn new(page: &Page, view: View, plan: &Plan, budget: usize) -> Self {
        let links: Vec<_> = view
            .links
            .into_iter()
            .map(|(text, url)| Link { text, url })
            .collect();
        let beside: usize = links
            .iter()
            .map(|link| cost_of(&link.text) + cost_of(&link.url) + 64)
            .sum();
        let room = budget.saturating_sub(beside + FRAME + cost_of(&page.url));
        let shown = if plan.wish.selector.is_some() || plan.wish.format == Format::Links {
            Shown::list(view.content, plan, view.more, room)
        } else {
            Shown::page(&view.content.concat(), plan, room)
        };
        Self {
            url: page.url.clone(),
            status_code: page.status,
            title: view.title,
            content: shown.content,
            links,
            truncated: page.cut || shown.cut || shown.next.is_some(),
            next_index: shown
                .next
                .map(|next| u64::try_from(next).unwrap_or(u64::MAX)),
        }
    }
}

/// The part of the content that one reply holds.
struct Shown {
    content: Content,
    /// Something was left out that no `start_index` brings.
    cut: bool,
    next: Option<usize>,
}

impl Shown {
    fn page(text: &str, plan: &Plan, room: usize) -> Self {
        let from = offset_of(text, plan.start);
        let rest = text.get(from..).unwrap_or_default();
        let wanted = offset_of(rest, plan.wish.length);
        let shown = rest.get(..fit(rest, wanted, room)).unwrap_or_default();
        let next = (shown.len() < rest.len()).then(|| plan.start + shown.chars().count());
        Self {
            content: Content::Page(shown.to_owned()),
            cut: false,
            next,
        }
    }

    /// Whole matches while they fit; the first is cut when it alone is too long.
    fn list(found: Vec<String>, plan: &Plan, more: bool, mut room: usize) -> Self {
        let total = found.len();
        let mut length = plan.wish.length;
        let mut shown: Vec<String> = Vec::new();
        let mut cut = false;
        for item in found {
            let fits = fit(&item, offset_of(&item, length), room.saturating_sub(16));
            if fits < item.len() {
                if shown.is_empty() {
                    shown.push(item.get(..fits).unwrap_or_default().to_owned());
                    cut = true;
                }
                break;
            }
            length -= item.chars().count();
            room = room.saturating_sub(cost_of(&item) + 16);
            shown.push(item);
        }
        let next = (more || shown.len() < total).then(|| plan.wish.first_match + shown.len());
        Self {
            content: Content::Found(shown),
            cut,
            next,
        }
    }
}

/// The byte at which the character of that index starts, or the end.
fn offset_of(text: &str, index: usize) -> usize {
    text.char_indices()
        .nth(index)
        .map_or(text.len(), |(offset, _)| offset)
}
