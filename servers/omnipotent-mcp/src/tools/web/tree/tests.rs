//! Hostile pages.

use std::time::Instant;

use super::*;
use crate::tools::web::page::{LIMIT, Parsers};

async fn check(html: String, expected: Result<(), PageError>) {
    let started = Instant::now();
    let parsed = Parsers::new(1)
        .run(move |until| parse(&html, until).map(drop))
        .await;
    assert_eq!(parsed, expected);
    assert!(started.elapsed() < LIMIT);
}

#[tokio::test]
async fn refuses_deep_nesting() {
    check("<div>".repeat(300), Ok(())).await;
    for tag in [
        "<div>",
        "<b>",
        "<ul><li>",
        "<table><tr><td>",
        "<svg>",
        "<blockquote>",
        "<math><annotation-xml encoding=text/html><p></p>",
    ] {
        let too_deep = PageError::TooDeep { limit: DEEPEST };
        check(tag.repeat(100_000), Err(too_deep)).await;
    }
}

#[tokio::test]
async fn refuses_a_page_that_multiplies_its_elements() {
    let open: String = (0..400)
        .map(|i| format!("<b id={i}>"))
        .collect::<Vec<_>>()
        .concat();
    let bomb = format!("<p>{open}{}", "<p>x".repeat(100_000));
    check(bomb, Err(PageError::TooLarge { limit: LARGEST })).await;
    let attributes: String = (0..30_000)
        .map(|i| format!(" a{i}"))
        .collect::<Vec<_>>()
        .concat();
    let bomb = format!("<p><b{attributes}>{}", "<p>x".repeat(100_000));
    check(bomb, Err(PageError::TooLarge { limit: LARGEST })).await;
}

#[tokio::test]
async fn survives_attributes_added_one_by_one() {
    let attributes: String = (0..5_000_u32)
        .rev()
        .map(|i| format!(" a{i:05}"))
        .collect::<Vec<_>>()
        .concat();
    check(format!("<body{attributes}>").repeat(20), Ok(())).await;
}

#[tokio::test]
async fn survives_nested_templates() {
    let html = "<template>".repeat(20_000);
    let parsed = Parsers::new(1)
        .run(move |until| parse(&html, until).map(drop))
        .await;
    assert_ne!(parsed, Err(PageError::Failed));
}

#[tokio::test]
async fn parses_an_ordinary_large_page() {
    check(
        "<p class=a>text <a href=x>link</a>\n".repeat(20_000),
        Ok(()),
    )
    .await;
}
