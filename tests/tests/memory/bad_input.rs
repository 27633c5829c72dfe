//! Arguments that no tool takes: each is refused by its name, and nothing is kept of it.

use jsonschema::draft202012;
use mcp_tests::{Era, Peer, Reply, Setup, Stdio, assert_names, wrong_arguments};
use serde_json::{Value, json};

/// The least that a tool asks for.
fn required(tool: &str) -> Value {
    match tool {
        "batch_recall" => json!({ "keys": ["a"] }),
        "batch_remember" => json!({ "items": [{ "key": "b", "value": "x" }] }),
        "batch_search" => json!({ "queries": ["x"] }),
        "export_knowledge" | "import_knowledge" => json!({ "path": "all.jsonl" }),
        "forget" | "memory_history" | "recall" => json!({ "key": "a" }),
        "forget_where" => json!({ "category": "general" }),
        "remember" => json!({ "key": "b", "value": "x" }),
        "restore_memory" => json!({ "key": "a", "revision": 1 }),
        "search_knowledge" => json!({ "query": "x" }),
        _ => json!({}),
    }
}

fn server() -> Stdio {
    let mut server = Setup::memory().stdio(Era::Modern);
    server.succeed("remember", json!({ "key": "a", "value": "kept" }));
    server
}

#[track_caller]
fn assert_untouched(server: &mut Stdio) {
    let history = server.succeed("memory_history", json!({ "key": "a" }));
    assert_eq!(history["count"], 1, "{history}");
    assert_eq!(server.succeed("list_memories", json!({}))["total"], 1);
    assert!(!server.stage.path("home/memory/exports/all.jsonl").exists());
    server.assert_alive();
}

#[test]
fn every_advertised_bound_is_enforced_and_named() {
    let mut server = server();
    let mut checked = 0;
    for tool in server.tools() {
        let name = tool["name"].as_str().unwrap();
        let schema = &tool["inputSchema"];
        let validator = draft202012::new(schema).unwrap();
        for (property, arguments) in wrong_arguments(&required(name), schema) {
            let shown = format!("{name} with {arguments:.200}");
            assert!(!validator.is_valid(&arguments), "the schema allows {shown}");
            let call = server.send_call(name, &arguments);
            let reply = Reply::new(server.answer(call));
            assert!(reply.is_error(), "{shown} was answered");
            assert_names(&reply.error(), &property, &shown);
            checked += 1;
        }
    }
    assert!(checked > 300, "only {checked} wrong arguments were made");
    assert_untouched(&mut server);
}

#[test]
fn what_a_schema_cannot_say_is_refused_too() {
    let mut server = server();
    let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
    for (tool, property, value) in [
        ("remember", "key", json!(" \t ")),
        ("remember", "key", json!("a\nb")),
        ("remember", "key", json!("a\u{0}")),
        ("remember", "category", json!("\u{1b}[31m")),
        ("remember", "source", json!("\u{85}")),
        ("remember", "value", json!("a\u{0}b")),
        ("remember", "value", json!("x".repeat((1 << 20) + 1))),
        ("remember", "metadata", json!({ "deep": deep })),
        ("remember", "tags", json!(["a", "\u{7}"])),
        ("list_memories", "since", json!("yesterday")),
        ("list_memories", "cursor", json!("1f-0")),
        ("search_knowledge", "since", json!("2026-13-01T00:00:00Z")),
        ("forget_where", "older_than", json!("soon")),
        ("memory_history", "before", json!(1_u64 << 32)),
        ("restore_memory", "revision", json!(u64::MAX)),
        ("export_knowledge", "path", json!("a\u{0}")),
    ] {
        let mut arguments = required(tool);
        arguments[property] = value;
        let error = server.refused(tool, arguments.clone());
        assert_names(&error, property, &format!("{tool} with {arguments:.200}"));
    }
    assert_untouched(&mut server);
}

#[test]
fn a_query_of_search_syntax_is_words() {
    let mut server = server();
    for query in [
        "\"",
        "\"\"\"",
        "a AND",
        "OR NOT",
        "NEAR(a b, 2)",
        "a*",
        "*",
        "^a",
        "{a b} : c",
        "key:",
        ":",
        "key : a",
        "- a",
        "+",
        "a + b",
        "(",
        ")",
        "((((",
        "a) OR (b",
        "'; DROP TABLE knowledge; --",
        "%",
        "_",
        "\\",
        "a\u{0}b",
        "\u{202e}abc",
        "\u{300}",
        "🦀",
        "key:\"",
        "tag:",
        "category:*",
        "knowledge_fts MATCH",
    ] {
        for mode in ["text", "hybrid"] {
            let arguments = json!({ "query": query, "mode": mode });
            let reply = server.call("search_knowledge", arguments);
            if reply.is_error() {
                assert_names(&reply.error(), "query", &format!("{query:?}"));
                assert!(query.contains('\0'), "{query:?} was refused");
            }
        }
    }
    server.succeed(
        "remember",
        json!({ "key": "odd", "value": "NEAR AND \"quoted\" OR -minus*" }),
    );
    for query in ["near AND", "\"quoted\"", "-minus*", "NEAR(minus quoted)"] {
        let found = server.succeed(
            "search_knowledge",
            json!({ "query": query, "mode": "text" }),
        );
        assert_eq!(found["results"][0]["key"], "odd", "{query}: {found}");
    }
    server.succeed("forget", json!({ "key": "odd" }));
    assert_untouched(&mut server);
}
