//! Arguments that are allowed by their schema and mean harm.

use mcp_tests::{Era, Peer, Reply, Setup, Website};
use serde_json::{Value, json};

use crate::samples::{Props, required};

/// How deep hostile texts are nested.
const DEPTH: usize = 5000;

#[test]
fn a_zero_byte_in_any_text_is_survived() {
    let mut server = Setup::unlimited().stdio(Era::Modern);
    let mut tried = 0;
    for tool in server.tools() {
        let name = tool["name"].as_str().unwrap();
        let properties = tool["inputSchema"]["properties"].as_object().cloned();
        for (property, schema) in properties.unwrap_or_default() {
            let value = match schema["type"].as_str() {
                Some("array") => json!(["a\0b"]),
                Some("object") => json!({ "A\0B": "a\0b" }),
                Some("string") | None => json!("a\0b"),
                Some(_) => continue,
            };
            let mut arguments = required(name);
            arguments[&property] = value;
            let call = server.send_call(name, &arguments);
            let reply = Reply::new(server.answer(call));
            assert!(
                !reply.text().contains('\0'),
                "{name} `{property}`: {}",
                reply.text()
            );
            tried += 1;
        }
    }
    assert!(tried > 20, "{tried}");
    server.assert_alive();
    let rest: Vec<_> = std::fs::read_dir(server.stage.root()).unwrap().collect();
    assert_eq!(rest.len(), 1, "only `written.txt` was allowed: {rest:?}");
}

#[test]
fn deeply_nested_command_lines_are_survived() {
    let mut server = Setup::unlimited().stdio(Era::Modern);
    for (open, close) in [
        ("(", ")"),
        ("{ ", ";}"),
        ("$(", ")"),
        ("`", ""),
        ("\"$(", ")\""),
        ("[", "]"),
        ("if true; then ", "; fi"),
        ("a <<E\n", "\nE"),
        ("sh -c '", "'"),
        ("$((", "))"),
        ("${a:-", "}"),
    ] {
        let command = format!("{}true{}", open.repeat(DEPTH), close.repeat(DEPTH));
        for shell in [true, false] {
            let arguments = json!({ "command": command, "shell": shell, "timeout": 5 });
            let call = server.send_call("execute_command", &arguments);
            Reply::new(server.answer(call));
        }
        server.assert_alive();
    }
}

#[test]
fn deeply_nested_pages_and_selectors_are_survived() {
    let nested = |tag: &str, end: &str| format!("{}x{}", tag.repeat(DEPTH), end.repeat(DEPTH));
    let site = Website::open(&[
        ("/div", nested("<div>", "</div>")),
        ("/open", nested("<b><i><table><tr><td>", "")),
        ("/list", nested("<ul><li>", "</li></ul>")),
        ("/svg", nested("<svg><g>", "")),
        ("/template", nested("<template>", "</template>")),
    ]);
    let mut server = Setup::unlimited().with_loopback().stdio(Era::Modern);
    for page in ["/div", "/open", "/list", "/svg", "/template"] {
        for format in ["text", "markdown", "html", "links"] {
            let arguments = json!({ "url": site.url(page), "format": format });
            server.call("scrape_webpage_secure", arguments);
        }
        server.assert_alive();
    }
    for selector in [
        nested(":not(", ")"),
        nested("div > ", "p"),
        nested("[", "]"),
    ] {
        let selector: String = selector.chars().take(1000).collect();
        let arguments = json!({ "url": site.url("/div"), "selector": selector });
        server.call("scrape_webpage_secure", arguments);
        server.assert_alive();
    }
}

#[test]
fn arguments_that_are_no_object_are_protocol_errors() {
    let mut server = Setup::default().stdio(Era::Legacy);
    for arguments in [json!([]), json!("x"), json!(5)] {
        let call = json!({ "name": "health_check", "arguments": arguments });
        assert!(server.request("tools/call", call).is_err(), "{arguments}");
    }
    server.assert_alive();
}

#[test]
fn replies_hold_no_terminal_control() {
    let setup = Setup::default();
    setup.stage.file(
        "root/escape.txt",
        "\u{1b}]0;owned\u{7}\u{1b}[31mred\u{9b}2J\u{8}\r\n",
    );
    let mut server = setup.stdio(Era::Modern);
    let is_control = |c: char| c.is_control() && !"\n\t\r".contains(c);
    for (tool, arguments) in [
        ("read_file_secure", json!({ "path": "escape.txt" })),
        (
            "batch_read_files",
            json!({ "paths": ["escape.txt", "\u{1b}[31m"] }),
        ),
        (
            "execute_command",
            json!({ "command": "cat escape.txt; printf '\\033[2J' >&2" }),
        ),
        ("read_file_secure", json!({ "path": "\u{1b}[31mmissing" })),
        (
            "execute_command",
            json!({ "command": "'unclosed \u{1b}[31m" }),
        ),
    ] {
        let reply = server.call(tool, arguments);
        let texts: Value = serde_json::from_str(reply.text()).unwrap();
        let unclean = texts_in(&texts)
            .into_iter()
            .find(|text| text.contains(is_control));
        assert_eq!(unclean, None, "{tool}");
    }
}

/// Every string in a value, names of fields included.
fn texts_in(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(texts_in).collect(),
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| [vec![name.clone()], texts_in(value)].concat())
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

#[test]
fn a_second_kill_of_one_process_says_that_it_is_gone() {
    let setup = Setup::default();
    let props = Props::on(&setup.stage);
    let mut server = setup.stdio(Era::Modern);
    let killed = server.succeed("kill_process", props.arguments("kill_process"));
    assert_eq!(
        (&killed["exited"], &killed["method"]),
        (&json!(true), &json!("SIGTERM"))
    );
    let again = server.refused("kill_process", props.arguments("kill_process"));
    assert_eq!(again["code"], "not_found");
}
