//! The way out to the network.

use mcp_tests::{Era, Peer, Setup, Website};
use serde_json::json;

/// The tools that reach out.
const TOOLS: [&str; 2] = ["http_request_secure", "scrape_webpage_secure"];

#[test]
fn addresses_that_are_not_public_are_refused() {
    let site = Website::open(&[("/", "secret".to_owned())]);
    let local = site.url("/");
    let port = local
        .trim_start_matches("http://127.0.0.1:")
        .trim_end_matches('/');
    let mut server = Setup::unlimited().stdio(Era::Modern);
    for host in [
        "127.0.0.1",
        "localhost",
        "0.0.0.0",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "[fe80::1]",
        "[fd00::1]",
        "224.0.0.1",
    ] {
        for tool in TOOLS {
            let url = format!("http://{host}:{port}/");
            let refusal = server.refused(tool, json!({ "url": url }));
            assert_eq!(refusal["code"], "egress_denied", "{tool} {url}: {refusal}");
        }
    }
}

#[test]
fn an_allowed_network_is_reached() {
    let page = "<title>Hi</title><p>Some <b>text</b></p><a href='/next'>on</a>".to_owned();
    let site = Website::open(&[("/page", page.clone())]);
    let mut server = Setup::default()
        .configuration("[egress]\nallow_networks = [\"127.0.0.0/8\"]\n")
        .stdio(Era::Modern);
    let answer = server.succeed("http_request_secure", json!({ "url": site.url("/page") }));
    assert_eq!(
        (
            &answer["status_code"],
            &answer["content"],
            &answer["encoding"],
            &answer["redirects"]
        ),
        (&json!(200), &json!(page), &json!("utf-8"), &json!([]))
    );
    let arguments = json!({ "url": site.url("/page"), "selector": "b" });
    let found = server.succeed("scrape_webpage_secure", arguments);
    assert_eq!(
        (&found["title"], &found["content"]),
        (&json!("Hi"), &json!(["text"]))
    );
    let missing = server.succeed("http_request_secure", json!({ "url": site.url("/none") }));
    assert_eq!(
        (&missing["status_code"], &missing["success"]),
        (&json!(404), &json!(false))
    );
}

#[test]
fn robots_txt_is_respected_when_the_operator_says_so() {
    let rules = "User-agent: omnipotent-mcp\nDisallow: /private\n";
    let pages = [
        ("/robots.txt", rules),
        ("/private", "hidden"),
        ("/open", "shown"),
    ];
    let site = Website::open(&pages.map(|(path, page)| (path, page.to_owned())));
    let scrape = |path: &str| json!({ "url": site.url(path) });
    let mut respecting = Setup::default()
        .with_loopback()
        .variable("OMNIPOTENT_SCRAPE__ROBOTS", "respect")
        .stdio(Era::Modern);
    let refusal = respecting.refused("scrape_webpage_secure", scrape("/private"));
    assert_eq!(refusal["code"], "egress_denied", "{refusal}");
    let words = refusal["error"].as_str().unwrap();
    assert!(words.ends_with("disallows this URL"), "{refusal}");
    let page = respecting.succeed("scrape_webpage_secure", scrape("/open"));
    assert_eq!(page["content"], "shown");
    let asked = json!({ "url": site.url("/private") });
    assert_eq!(
        respecting.succeed("http_request_secure", asked)["content"],
        "hidden"
    );

    let mut ignoring = Setup::default().with_loopback().stdio(Era::Modern);
    let page = ignoring.succeed("scrape_webpage_secure", scrape("/private"));
    assert_eq!(page["content"], "hidden");
}

#[test]
fn urls_that_are_no_web_addresses_are_refused() {
    let mut server = Setup::unlimited().stdio(Era::Modern);
    for url in [
        "file:///etc/passwd",
        "ftp://example.com/",
        "gopher://127.0.0.1/",
        "javascript:alert(1)",
        "http://",
        "no url",
        "http://user:password@example.com/",
    ] {
        for tool in TOOLS {
            let refusal = server.refused(tool, json!({ "url": url }));
            let code = refusal["code"].as_str().unwrap();
            assert!(
                ["invalid_argument", "egress_denied"].contains(&code),
                "{url}: {refusal}"
            );
        }
    }
}

#[test]
fn headers_of_the_connection_are_refused() {
    let site = Website::open(&[("/", "x".to_owned())]);
    let mut server = Setup::default().with_loopback().stdio(Era::Modern);
    for name in [
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "Connection",
        "Bad Name",
    ] {
        let arguments = json!({ "url": site.url("/"), "headers": { name: "1" } });
        let refusal = server.refused("http_request_secure", arguments);
        assert_eq!(refusal["code"], "invalid_argument", "{name}: {refusal}");
    }
    let injected = json!({ "url": site.url("/"), "headers": { "X-A": "1\r\nX-B: 2" } });
    assert_eq!(
        server.refused("http_request_secure", injected)["code"],
        "invalid_argument"
    );
}
