//! What clients are promised before they call anything.

use jsonschema::draft202012;
use mcp_tests::{Era, Peer, Setup, assert_snapshot};
use serde_json::{Value, json};

#[test]
fn the_list_of_tools_is_the_one_that_was_agreed_on() {
    let mut server = Setup::memory().stdio(Era::Modern);
    let listed = server.request("tools/list", json!({})).unwrap();
    assert_snapshot("a2a-tools.json", &listed);
}

#[test]
fn replies_are_what_their_schemas_say() {
    let mut server = Setup::memory().stdio(Era::Modern);
    let tools = server.tools();
    server.succeed(
        "remember",
        json!({ "key": "a", "value": "v", "ttl_seconds": 1000 }),
    );
    server.succeed(
        "remember",
        json!({ "key": "a", "value": "w", "tags": ["t"] }),
    );
    for (tool, arguments) in samples() {
        let found = tools.iter().find(|found| found["name"] == tool);
        let found = found.unwrap_or_else(|| panic!("{tool} is not listed"));
        let input = draft202012::new(&found["inputSchema"]).unwrap();
        assert!(input.is_valid(&arguments), "{tool} {arguments}");
        let reply = server.succeed(tool, arguments);
        let output = draft202012::new(&found["outputSchema"]).unwrap();
        let faults: Vec<String> = output
            .iter_errors(&reply)
            .map(|fault| fault.to_string())
            .collect();
        assert!(faults.is_empty(), "{tool}: {faults:?} in {reply}");
    }
    let sampled: Vec<&str> = samples().into_iter().map(|(tool, _)| tool).collect();
    for tool in &tools {
        let name = tool["name"].as_str().unwrap();
        assert!(sampled.contains(&name), "{name} has no sample");
        let closed = tool["inputSchema"]["additionalProperties"] == false;
        assert!(closed, "{name} takes anything");
        let error = server.refused(name, json!({ "no_such_argument": 1 }));
        assert_eq!(error["code"], "invalid_argument", "{name}");
    }
}

/// A call of each tool that succeeds, in this order.
fn samples() -> Vec<(&'static str, Value)> {
    vec![
        (
            "remember",
            json!({ "key": "b", "value": "v", "metadata": { "a": null }, "tags": ["x"] }),
        ),
        ("recall", json!({ "key": "a" })),
        (
            "batch_recall",
            json!({ "keys": ["a", "none", { "key": "b" }] }),
        ),
        (
            "batch_remember",
            json!({ "items": [{ "key": "c", "value": "v" }, { "key": "c", "value": "v", "if_revision": 7 }], "partial": true }),
        ),
        (
            "search_knowledge",
            json!({ "query": "v", "mode": "text", "tags": ["x"], "min_score": 0 }),
        ),
        (
            "batch_search",
            json!({ "queries": ["v", { "query": "v", "limit": 1 }] }),
        ),
        ("list_memories", json!({ "limit": 1 })),
        ("memory_history", json!({ "key": "a" })),
        ("restore_memory", json!({ "key": "a", "revision": 1 })),
        ("export_knowledge", json!({ "path": "all.jsonl" })),
        ("import_knowledge", json!({ "path": "all.jsonl" })),
        ("forget", json!({ "key": "b" })),
        (
            "forget_where",
            json!({ "category": "general", "dry_run": true }),
        ),
        ("knowledge_stats", json!({})),
        ("health_check", json!({})),
        ("get_metrics", json!({})),
        ("clear_cache", json!({})),
    ]
}
