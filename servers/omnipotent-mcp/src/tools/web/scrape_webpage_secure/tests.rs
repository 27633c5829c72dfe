//! The tool against a server on loopback.

use mcp_toolcall::Caller;
use serde_json::{Value, json};

use super::*;
use crate::tools::web::loopback::{Server, egress};

const HTML: &str = "Content-Type: text/html\r\n";

fn tool() -> ScrapeWebpageSecure {
    ScrapeWebpageSecure::new(egress(), &ScrapeConfig::default())
}

fn call() -> Call {
    Call::unwatched(Caller::new("test"))
}

async fn try_scrape(tool: &ScrapeWebpageSecure, arguments: Value) -> Result<Value, ToolError> {
    let arguments =
        serde_json::from_value(arguments).map_err(|error| ToolError::invalid("", error))?;
    let plan = tool.vet(arguments, &call()).await?;
    let reply = tool.run(plan, &call()).await?;
    Ok(serde_json::to_value(reply).unwrap())
}

async fn scrape(tool: &ScrapeWebpageSecure, arguments: Value) -> Value {
    try_scrape(tool, arguments).await.unwrap()
}

#[tokio::test]
async fn answers_with_what_a_selector_matches() {
    let page = "<title>T</title><p class=a>One</p><p>Two</p><a href=/x>Link</a>";
    let server = Server::start(HTML, page).await;
    let reply = scrape(&tool(), json!({ "url": server.url, "selector": "p" })).await;
    let expected = json!({
        "url": server.url,
        "status_code": 200,
        "title": "T",
        "content": ["One", "Two"],
        "links": [],
        "truncated": false,
        "next_index": null,
    });
    assert_eq!(reply, expected);
    for whole in [
        json!({ "url": server.url }),
        json!({ "url": server.url, "selector": null }),
    ] {
        let reply = scrape(&tool(), whole).await;
        assert_eq!(reply["content"], json!("One\n\nTwo\n\nLink"));
        let links = json!([{ "text": "Link", "url": format!("{}x", server.url) }]);
        assert_eq!(reply["links"], links);
    }
}

#[tokio::test]
async fn pages_through_a_page_that_it_fetched_once() {
    let text = "añb".repeat(1000);
    let server = Server::start(HTML, format!("<p>{text}</p>")).await;
    let tool = tool();
    let mut whole = String::new();
    let mut next = json!(0);
    while !next.is_null() {
        let arguments = json!({ "url": server.url, "start_index": next, "max_length": 999 });
        let reply = scrape(&tool, arguments).await;
        whole.push_str(reply["content"].as_str().unwrap());
        assert_eq!(reply["truncated"], json!(!reply["next_index"].is_null()));
        next = reply["next_index"].clone();
    }
    assert_eq!(whole, text);
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn pages_through_matches() {
    let server = Server::start(HTML, "<li>x</li>".repeat(250)).await;
    let tool = tool();
    let mut lengths = Vec::new();
    let mut next = json!(0);
    while !next.is_null() {
        let arguments = json!({ "url": server.url, "selector": "li", "start_index": next });
        let reply = scrape(&tool, arguments).await;
        lengths.push(reply["content"].as_array().unwrap().len());
        next = reply["next_index"].clone();
    }
    assert_eq!(lengths, [100, 100, 50]);
    let arguments = json!({ "url": server.url, "selector": "li", "max_length": 3 });
    let reply = scrape(&tool, arguments).await;
    assert_eq!(
        (&reply["content"], &reply["next_index"]),
        (&json!(["x", "x", "x"]), &json!(3))
    );
}

#[tokio::test]
async fn remembers_pages_as_long_as_they_allow() {
    for (control, requests) in [
        ("", 1),
        ("Cache-Control: max-age=60\r\n", 1),
        ("Cache-Control: no-store\r\n", 2),
        ("Cache-Control: public, Max-Age=0\r\n", 2),
        ("Cache-Control: private\r\n", 2),
        ("Vary: *\r\n", 2),
    ] {
        let server = Server::start(&format!("{HTML}{control}"), "<p>x</p>").await;
        let tool = tool();
        for _ in 0..2 {
            scrape(&tool, json!({ "url": server.url })).await;
        }
        assert_eq!(server.requests(), requests, "{control}");
    }
}

#[tokio::test]
async fn shows_text_that_is_no_markup_as_it_is() {
    let server = Server::start("Content-Type: application/json\r\n", r#"{"a":"<b>"}"#).await;
    let reply = scrape(&tool(), json!({ "url": server.url, "format": "markdown" })).await;
    assert_eq!(reply["content"], json!(r#"{"a":"<b>"}"#));
}

#[tokio::test]
async fn says_what_it_cannot_show() {
    let deep = Server::start(HTML, "<div>".repeat(100_000)).await;
    let binary = Server::start("Content-Type: image/png\r\n", "x").await;
    let gone = Server::start(HTML, "").await.url;
    for (arguments, code, part) in [
        (
            json!({ "url": deep.url }),
            Code::TooLarge,
            "deeper than 512",
        ),
        (
            json!({ "url": binary.url }),
            Code::UnsupportedEncoding,
            "image/png",
        ),
        (
            json!({ "url": deep.url, "selector": "p >" }),
            Code::InvalidArgument,
            "dangling",
        ),
        (
            json!({ "url": deep.url, "format": "pdf" }),
            Code::InvalidArgument,
            "pdf",
        ),
        (json!({ "url": gone }), Code::Unavailable, "cannot connect"),
        (
            json!({ "url": "http://192.168.0.1/" }),
            Code::EgressDenied,
            "192.168.0.0/16",
        ),
    ] {
        let error = try_scrape(&tool(), arguments.clone()).await.unwrap_err();
        assert_eq!(error.code(), code, "{arguments}: {error:?}");
        assert!(
            error.message().contains(part),
            "{arguments}: {}",
            error.message()
        );
    }
}

#[tokio::test]
async fn cuts_a_page_that_is_too_large() {
    let server = Server::start(HTML, "<p>word</p>".repeat(600_000)).await;
    let reply = scrape(&tool(), json!({ "url": server.url, "selector": "title" })).await;
    assert_eq!(
        (&reply["truncated"], &reply["next_index"]),
        (&json!(true), &Value::Null)
    );
}
