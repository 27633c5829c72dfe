//! The visible text of an element, in lines and paragraphs.

use scraper::{ElementRef, Node};

/// Elements whose content is never shown as text.
const HIDDEN: [&str; 3] = ["script", "style", "template"];

/// Elements that start a line and end a paragraph (HTML standard, section 15.3 "Non-replaced
/// elements").
const BLOCKS: [&str; 26] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "details",
    "div",
    "dl",
    "fieldset",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "main",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "table",
    "ul",
];

/// The text that a reader sees, or the code of an element that is never seen.
pub(super) fn visible(element: ElementRef<'_>) -> String {
    if is_hidden(element) {
        return element.text().collect::<String>().trim().to_owned();
    }
    let mut text = String::new();
    write(element, &mut text);
    text.truncate(text.trim_end().len());
    text
}

/// The text of `element`, in one line of at most `longest` characters.
pub(super) fn collapsed(element: ElementRef<'_>, longest: usize) -> String {
    let mut line = String::new();
    let mut room = longest;
    for character in element.text().flat_map(str::chars) {
        let gap = line.is_empty() || line.ends_with(' ');
        let character = match character.is_whitespace() {
            true if gap => continue,
            true => ' ',
            false => character,
        };
        if room == 0 {
            break;
        }
        line.push(character);
        room -= 1;
    }
    line.truncate(line.trim_end().len());
    line
}

pub(super) fn is_hidden(element: ElementRef<'_>) -> bool {
    HIDDEN.contains(&element.value().name())
}

/// Recurses once for each level of the tree, which is bounded.
fn write(element: ElementRef<'_>, text: &mut String) {
    let name = element.value().name();
    if is_block(name) {
        end_line(text, 1);
    }
    if name == "pre" {
        text.extend(element.text());
    } else {
        for child in element.children() {
            if let Node::Text(words) = child.value() {
                write_words(words, text);
            } else if let Some(child) = ElementRef::wrap(child)
                && child.value().name() != "head"
                && !is_hidden(child)
            {
                write(child, text);
            }
        }
    }
    match name {
        "br" | "hr" if !text.ends_with("\n\n") => text.push('\n'),
        "li" | "tr" | "dt" | "dd" | "option" => end_line(text, 1),
        "td" | "th" => end_word(text),
        _ if is_block(name) => end_line(text, 2),
        _ => {}
    }
}

/// Adds words with one space where white space was.
fn write_words(words: &str, text: &mut String) {
    if words.starts_with(char::is_whitespace) {
        end_word(text);
    }
    let mut words_left = words.split_whitespace().peekable();
    while let Some(word) = words_left.next() {
        text.push_str(word);
        if words_left.peek().is_some() {
            text.push(' ');
        }
    }
    if words.ends_with(char::is_whitespace) {
        end_word(text);
    }
}

fn end_word(text: &mut String) {
    if !text.is_empty() && !text.ends_with([' ', '\n']) {
        text.push(' ');
    }
}

/// Ends the text with at least so many line breaks.
fn end_line(text: &mut String, breaks: usize) {
    text.truncate(text.trim_end_matches(' ').len());
    if text.is_empty() {
        return;
    }
    let ends = text.bytes().rev().take(breaks);
    let present = ends.take_while(|byte| *byte == b'\n').count();
    text.extend(std::iter::repeat_n('\n', breaks - present));
}

fn is_block(name: &str) -> bool {
    BLOCKS.contains(&name)
}
