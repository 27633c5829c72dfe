//! HTML of an element, unless writing it would take too long.

use scraper::{ElementRef, Node};

use crate::tools::web::page::PageError;

/// Bytes that the writer may look at again; it manages some 5 GB a second.
const MOST_REPEATED: usize = 2 * 1024 * 1024 * 1024;

/// An element as HTML.
pub(super) fn of_element(element: ElementRef<'_>) -> Result<String, PageError> {
    if is_costly(element) {
        return Err(PageError::TooCostly);
    }
    Ok(element.html())
}

/// Whether writing an element as HTML takes quadratic time. At every `&` and every no-break space,
/// html5ever 0.40 looks through the rest of the text for a `<` or `>`.
pub(super) fn is_costly(element: ElementRef<'_>) -> bool {
    let mut repeated = 0_usize;
    for node in element.descendants() {
        let cost = match node.value() {
            Node::Text(text) => escaping(text),
            Node::Element(element) => element.attrs().map(|(_, value)| escaping(value)).sum(),
            Node::Document
            | Node::Fragment
            | Node::Doctype(_)
            | Node::Comment(_)
            | Node::ProcessingInstruction(_) => 0,
        };
        repeated = repeated.saturating_add(cost);
    }
    repeated > MOST_REPEATED
}

fn escaping(text: &str) -> usize {
    // 0xC2 begins the no-break space and the rest of Latin-1's upper half.
    let escaped = text.bytes().filter(|byte| matches!(byte, b'&' | 0xc2));
    escaped.count().saturating_mul(text.len())
}
