//! What is shown of pages.

use super::*;
use crate::tools::web::page::Parsers;

const PAGE: &str = r##"<!doctype html><html><head><title> A
 title </title><style>p{}</style><base href="/docs/"></head>
<body><script>var hidden = 1;</script><nav><a href="/">Home</a></nav>
<h1>Heading</h1><p class="intro">First <b>bold</b> text.</p><p>Second<br>line.</p>
<ul><li>One</li><li>Two</li></ul>
<a href="next">Next page</a> <a href="#top">Top</a> <a href="next#part">Again</a>
<a href="mailto:a@b.c">Mail</a> <a href="//other.example/x">Other</a>
<script type="application/ld+json">{"a":1}</script></body></html>"##;

fn page(text: &str) -> Page {
    Page {
        url: "https://example.com/a/b".to_owned(),
        status: 200,
        text: text.to_owned(),
        markup: Markup::Html,
        cut: false,
    }
}

async fn show(text: &str, format: Format, selector: Option<&str>) -> Result<View, PageError> {
    let page = page(text);
    let selector = selector.map(|text| Selector::parse(text).unwrap());
    let wish = Wish {
        format,
        selector,
        first_match: 0,
        length: 5_000_000,
    };
    Parsers::new(1)
        .run(move |until| view(&page, &wish, until))
        .await
}

async fn check(format: Format, selector: Option<&str>, expected: &[&str]) {
    let view = show(PAGE, format, selector).await.unwrap();
    assert_eq!(view.content, expected, "{selector:?}");
    assert_eq!(view.title.as_deref(), Some("A title"));
}

#[tokio::test]
async fn shows_what_a_selector_matches() {
    check(Format::Text, Some("p.intro"), &["First bold text."]).await;
    check(
        Format::Html,
        Some("p.intro"),
        &["<p class=\"intro\">First <b>bold</b> text.</p>"],
    )
    .await;
    check(Format::Markdown, Some("p.intro"), &["First **bold** text."]).await;
    check(Format::Text, Some("li"), &["One", "Two"]).await;
    check(
        Format::Text,
        Some("li:nth-child(2), h1"),
        &["Heading", "Two"],
    )
    .await;
    check(Format::Text, Some("p:has(b)"), &["First bold text."]).await;
    check(
        Format::Text,
        Some("script[type='application/ld+json']"),
        &["{\"a\":1}"],
    )
    .await;
    check(Format::Text, Some("table"), &[]).await;
    check(Format::Links, Some("nav"), &["https://example.com/"]).await;
}

#[tokio::test]
async fn shows_the_visible_text_of_a_page() {
    let view = show(PAGE, Format::Text, None).await.unwrap();
    let text = view.content.concat();
    assert!(
        text.contains("Heading\n\nFirst bold text.\n\nSecond\nline.\n\nOne\nTwo"),
        "{text:?}"
    );
    assert!(
        !text.contains("hidden") && !text.contains("A title"),
        "{text:?}"
    );
}

#[tokio::test]
async fn lists_each_link_once_and_absolute() {
    let view = show(PAGE, Format::Links, None).await.unwrap();
    let expected = [
        ("Home", "https://example.com/"),
        ("Next page", "https://example.com/docs/next"),
        ("Top", "https://example.com/docs/"),
        ("Other", "https://other.example/x"),
    ];
    assert_eq!(
        view.links,
        expected.map(|(text, url)| (text.to_owned(), url.to_owned()))
    );
}

#[tokio::test]
async fn shows_the_main_content_as_markdown() {
    let story =
        "<p>A long sentence about something that matters to somebody, and more.</p>".repeat(20);
    let html = format!(
        "<html><body><nav><a href=/>Menu</a></nav><article><h2>Part</h2>{story}</article>\
         <footer>Imprint</footer></body></html>"
    );
    let markdown = show(&html, Format::Markdown, None)
        .await
        .unwrap()
        .content
        .concat();
    assert!(
        markdown.contains("## Part\n\nA long sentence"),
        "{markdown}"
    );
    assert!(!markdown.contains("Menu"), "{markdown}");
    let short = show(PAGE, Format::Markdown, None)
        .await
        .unwrap()
        .content
        .concat();
    assert!(
        short.contains("# Heading") && short.contains("- One"),
        "{short}"
    );
}

#[tokio::test]
async fn bounds_matches_and_pages_through_them() {
    let html = "<p>x</p>".repeat(250);
    let first = show(&html, Format::Text, Some("p")).await.unwrap();
    assert_eq!((first.content.len(), first.more), (100, true));
    let page = page(&html);
    let selector = Some(Selector::parse("p").unwrap());
    let wish = Wish {
        format: Format::Text,
        selector,
        first_match: 200,
        length: 5_000_000,
    };
    let last = Parsers::new(1)
        .run(move |until| view(&page, &wish, until))
        .await
        .unwrap();
    assert_eq!((last.content.len(), last.more), (50, false));
}

#[tokio::test]
async fn quotes_within_quotes_do_not_multiply_a_page() {
    let lines = "line<br>".repeat(100_000);
    let html = format!("{}{lines}", "<blockquote>".repeat(300));
    let view = show(&html, Format::Markdown, None).await.unwrap();
    assert!(view.content.concat().len() < 2 * html.len());
}

#[tokio::test]
async fn counts_siblings_in_linear_time() {
    let html = format!("<table>{}", "<tr><td>x".repeat(50_000));
    for selector in ["tr:nth-child(50000)", "tr:nth-last-of-type(50000)"] {
        let view = show(&html, Format::Text, Some(selector)).await.unwrap();
        assert_eq!(view.content, ["x"], "{selector}");
    }
}

#[tokio::test]
async fn a_quadratic_selector_ends() {
    let html = format!("<div>{}</div>", "<p><b></b></p>".repeat(20_000));
    let selector = Some("p:not(:has(~ p i)):not(:has(~ p u))");
    match show(&html, Format::Text, selector).await {
        Ok(_) | Err(PageError::TimedOut { .. }) => {}
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn says_what_is_wrong_with_a_selector() {
    for (text, reason) in [
        ("", "empty selector"),
        ("p >", "dangling combinator"),
        ("p:unknown", "unsupported pseudo class or element"),
        ("p[", "end of input"),
        (&":not(".repeat(200), "too many brackets"),
    ] {
        let error = Selector::parse(text).unwrap_err().to_string();
        assert_eq!(error, format!("not a valid CSS selector: {reason}"));
    }
    // Such nesting as is let through must not exhaust the stack of a test's thread.
    assert!(Selector::parse(&format!("{}p{}", ":not(".repeat(64), ")".repeat(64))).is_ok());
}

#[tokio::test]
async fn text_keeps_lines_and_paragraphs_apart() {
    for (html, expected) in [
        ("<header>A</header><main>B</main>", "A\n\nB"),
        ("a<div>b</div>c", "a\nb\n\nc"),
        ("<p>a <i> b</i>\n c</p>", "a b c"),
        ("a<br><br><br>b", "a\n\nb"),
        ("<pre>a\n  b </pre>c", "a\n  b\n\nc"),
        (
            "<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>d",
            "a\nb\n\nc\n\nd",
        ),
        (
            "<table><tr><td>a</td><td>b</td></tr><tr><td>c</table>",
            "a b\nc",
        ),
        ("a<template>b<a href=/>c</a></template>d", "ad"),
    ] {
        let view = show(html, Format::Text, None).await.unwrap();
        assert_eq!(view.content, [expected], "{html}");
        assert_eq!(view.links, [], "{html}");
    }
}

#[tokio::test]
async fn selectors_match_nothing_in_a_template() {
    let html = "<p>a</p><template><p>b</p></template><p>c</p>";
    let view = show(html, Format::Text, Some("p")).await.unwrap();
    assert_eq!(view.content, ["a", "c"]);
}

#[tokio::test]
async fn shows_parts_of_a_table_as_markdown() {
    let html = "<table><tr><th>a</th><th>b</th></tr><tr><td>c</td><td>d</td></tr></table>";
    let view = show(html, Format::Markdown, Some("tr, td")).await.unwrap();
    let rows = ["| a | b |\n| - | - |", "|   |   |\n| - | - |\n| c | d |"];
    assert_eq!(view.content, [rows[0], rows[1], "c", "d"]);
}

#[tokio::test]
async fn matches_within_matches_do_not_multiply_a_page() {
    let html = format!("{}{}", "<div>".repeat(200), "x".repeat(3_000_000));
    let view = show(&html, Format::Html, Some("div")).await.unwrap();
    assert!(view.more);
    assert!(view.content.len() < 10);
}

#[tokio::test]
async fn text_that_is_slow_to_escape_is_shown_as_it_is() {
    let text = "&".repeat(1_000_000);
    let page = format!("<p>{text}</p>");
    for selector in [None, Some("p")] {
        let view = show(&page, Format::Markdown, selector).await;
        assert_eq!(view.map(|view| view.content), Ok(vec![text.clone()]));
    }
    let view = show(&page, Format::Html, Some("p")).await;
    assert_eq!(view, Err(PageError::TooCostly));
    let attribute = format!("<p title='{text}'>x</p>");
    let view = show(&attribute, Format::Html, Some("p")).await;
    assert_eq!(view, Err(PageError::TooCostly));
}
