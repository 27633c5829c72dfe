//! Parses HTML into a tree of bounded size and depth.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::panic::resume_unwind;

use html5ever::tendril::{StrTendril, TendrilSink};
use html5ever::tree_builder::{ElementFlags, NodeOrText, QuirksMode, TreeSink};
use html5ever::{Attribute, ParseOpts, QualName, parse_document};
use scraper::{Html, HtmlTreeSink};

use super::page::{PageError, Until};

/// Elements, attributes, texts and errors of the largest tree; a page of 5 MB has a tenth.
const LARGEST: u32 = 1_500_000;
/// Depth of the deepest tree: the HTML parsers of browsers stop at 512 as well.
const DEEPEST: usize = 512;
/// Bytes parsed between two looks at the clock.
const SLICE: usize = 16 * 1024;
/// Parts added to the tree between two looks at the clock.
const STRIDE: u32 = 64;
/// Parts appended between two looks at the depth.
const DEPTH_STRIDE: u32 = 16;

type Handle = <HtmlTreeSink as TreeSink>::Handle;

/// Parses a document as a browser without scripts does. Must run under
/// [`Parsers::run`](super::page::Parsers::run).
pub(super) fn parse(html: &str, until: Until) -> Result<Html, PageError> {
    let sink = Bounded {
        tree: HtmlTreeSink::new(Html::new_document()),
        integration_points: RefCell::default(),
        spent: Cell::new(0),
        appended: Cell::new(0),
        until,
    };
    let mut options = ParseOpts::default();
    options.tree_builder.scripting_enabled = false;
    let mut parser = parse_document(sink, options);
    let mut rest = html;
    while !rest.is_empty() {
        let (slice, after) = rest.split_at(rest.floor_char_boundary(SLICE));
        parser.process(slice.into());
        until.check()?;
        rest = after;
    }
    let html = parser.finish();
    bound_whole_depth(&html)?;
    Ok(html)
}

/// The parser also moves finished parts of the tree, which deepens them unseen.
fn bound_whole_depth(html: &Html) -> Result<(), PageError> {
    let mut level = vec![html.tree.root()];
    for _ in 0..DEEPEST {
        let mut below = Vec::new();
        for node in &level {
            below.extend(node.children());
        }
        level = below;
    }
    if level.is_empty() {
        Ok(())
    } else {
        Err(PageError::TooDeep { limit: DEEPEST })
    }
}

/// A tree that stops growing. The parser knows no way to refuse, so it is left by unwinding with
/// the [`PageError`], which [`Parsers::run`](super::page::Parsers::run) catches.
struct Bounded {
    tree: HtmlTreeSink,
    /// Elements of `MathML` that hold HTML; the tree itself does not remember them.
    integration_points: RefCell<HashSet<Handle>>,
    spent: Cell<u32>,
    appended: Cell<u32>,
    until: Until,
}

impl Bounded {
    fn spend(&self, parts: usize) {
        let parts = u32::try_from(parts).unwrap_or(LARGEST);
        let before = self.spent.get();
        let spent = before.saturating_add(parts);
        self.spent.set(spent);
        if spent >= LARGEST {
            leave(PageError::TooLarge { limit: LARGEST });
        }
        if before / STRIDE != spent / STRIDE
            && let Err(error) = self.until.check()
        {
            leave(error);
        }
    }

    /// Elements were paid for when they were created.
    fn spend_on_text(&self, child: &NodeOrText<Handle>) {
        if matches!(child, NodeOrText::AppendText(_)) {
            self.spend(1);
        }
    }

    fn bound_depth(&self, parent: Handle) {
        let appended = self.appended.get().wrapping_add(1);
        self.appended.set(appended);
        if !appended.is_multiple_of(DEPTH_STRIDE) {
            return;
        }
        let html = self.tree.0.borrow();
        let depth = html
            .tree
            .get(parent)
            .map_or(0, |node| node.ancestors().take(DEEPEST).count());
        if depth >= DEEPEST {
            leave(PageError::TooDeep { limit: DEEPEST });
        }
    }
}

fn leave(error: PageError) -> ! {
    resume_unwind(Box::new(error))
}

impl TreeSink for Bounded {
    type Handle = Handle;
    type Output = Html;
    type ElemName<'a> = <HtmlTreeSink as TreeSink>::ElemName<'a>;

    fn finish(self) -> Html {
        self.tree.finish()
    }

    /// Kept nowhere, but bounded for other trees that keep them.
    fn parse_error(&self, _: Cow<'static, str>) {
        self.spend(1);
    }

    fn get_document(&self) -> Handle {
        self.tree.get_document()
    }

    fn elem_name<'a>(&'a self, target: &'a Handle) -> Self::ElemName<'a> {
        self.tree.elem_name(target)
    }

    fn create_element(&self, name: QualName, attrs: Vec<Attribute>, flags: ElementFlags) -> Handle {
        self.spend(1 + attrs.len());
        let holds_html = flags.mathml_annotation_xml_integration_point;
        let element = self.tree.create_element(name, attrs, flags);
        if holds_html {
            self.integration_points.borrow_mut().insert(element);
        }
        element
    }

    fn create_comment(&self, text: StrTendril) -> Handle {
        self.spend(1);
        self.tree.create_comment(text)
    }

    fn create_pi(&self, target: StrTendril, data: StrTendril) -> Handle {
        self.spend(1);
        self.tree.create_pi(target, data)
    }

    fn append(&self, parent: &Handle, child: NodeOrText<Handle>) {
        self.spend_on_text(&child);
        self.bound_depth(*parent);
        self.tree.append(parent, child);
    }

    fn append_based_on_parent_node(
        &self,
        element: &Handle,
        previous: &Handle,
        child: NodeOrText<Handle>,
    ) {
        self.spend_on_text(&child);
        self.tree
            .append_based_on_parent_node(element, previous, child);
    }

    fn append_doctype_to_document(&self, name: StrTendril, public: StrTendril, system: StrTendril) {
        self.tree.append_doctype_to_document(name, public, system);
    }

    fn get_template_contents(&self, target: &Handle) -> Handle {
        self.tree.get_template_contents(target)
    }

    fn same_node(&self, one: &Handle, other: &Handle) -> bool {
        one == other
    }

    fn set_quirks_mode(&self, mode: QuirksMode) {
        self.tree.set_quirks_mode(mode);
    }

    fn append_before_sibling(&self, sibling: &Handle, child: NodeOrText<Handle>) {
        self.spend_on_text(&child);
        self.tree.append_before_sibling(sibling, child);
    }

    /// One by one, as each moves all that the element has.
    fn add_attrs_if_missing(&self, target: &Handle, attrs: Vec<Attribute>) {
        for attr in attrs {
            self.spend(1);
            self.tree.add_attrs_if_missing(target, vec![attr]);
        }
    }

    fn remove_from_parent(&self, target: &Handle) {
        self.tree.remove_from_parent(target);
    }

    fn reparent_children(&self, node: &Handle, new_parent: &Handle) {
        self.tree.reparent_children(node, new_parent);
    }

    fn is_mathml_annotation_xml_integration_point(&self, element: &Handle) -> bool {
        self.integration_points.borrow().contains(element)
    }
}

#[cfg(test)]
mod tests;
