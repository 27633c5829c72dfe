//! What clients are promised before they call anything.

use jsonschema::draft202012;
use mcp_tests::{Era, Peer, Setup, assert_snapshot};
use serde_json::{Value, json};

use crate::samples::{TOOLS, required};

#[test]
fn the_list_of_tools_is_the_one_that_was_agreed_on() {
    let mut server = Setup::default().stdio(Era::Modern);
    let listed = server.request("tools/list", json!({})).unwrap();
    assert_snapshot("omnipotent-tools.json", &listed);
}

#[test]
fn the_list_of_tools_is_the_same_for_everyone_and_every_time() {
    let mut modern = Setup::default().stdio(Era::Modern);
    let tools = modern.tools();
    assert_eq!(modern.tools(), tools);
    assert_eq!(Setup::default().stdio(Era::Legacy).tools(), tools);
    assert_eq!(Setup::default().http().tools(), tools);
    let names: Vec<_> = tools
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, TOOLS);
}

#[test]
fn every_tool_says_what_it_does_takes_and_answers() {
    for tool in Setup::default().stdio(Era::Modern).tools() {
        let name = tool["name"].as_str().unwrap();
        for field in ["title", "description"] {
            assert!(
                tool[field].as_str().is_some_and(|text| !text.is_empty()),
                "{name}: {field}"
            );
        }
        let hints = &tool["annotations"];
        for hint in ["readOnlyHint", "openWorldHint"] {
            assert!(hints[hint].is_boolean(), "{name}: {hint}");
        }
        assert!(
            hints["readOnlyHint"] == true || hints["destructiveHint"].is_boolean(),
            "{name}: a tool that changes something says how"
        );
        assert_closed(name, &tool["inputSchema"]);
        assert_eq!(tool["outputSchema"]["type"], "object", "{name}");
        draft202012::meta::validate(&tool["inputSchema"]).unwrap();
        draft202012::meta::validate(&tool["outputSchema"]).unwrap();
        let input = draft202012::new(&tool["inputSchema"]).unwrap();
        assert!(
            input.is_valid(&required(name)),
            "{name} takes {}",
            required(name)
        );
    }
}

/// Checks that a schema lists its properties, describes each, and refuses others.
fn assert_closed(name: &str, schema: &Value) {
    assert_eq!(schema["type"], "object", "{name}");
    assert_eq!(schema["additionalProperties"], false, "{name}");
    for (property, schema) in schema["properties"].as_object().into_iter().flatten() {
        assert!(
            schema["description"].is_string(),
            "{name}: `{property}` is not described"
        );
    }
}

#[test]
fn annotations_tell_the_truth() {
    let hints = |tool: &str| match tool {
        "write_file_secure" | "kill_process" => (false, Some(true), false),
        "execute_command" | "http_request_secure" => (false, Some(true), true),
        "clear_cache" => (false, Some(false), false),
        "scrape_webpage_secure" => (true, None, true),
        _ => (true, None, false),
    };
    for tool in Setup::default().stdio(Era::Modern).tools() {
        let name = tool["name"].as_str().unwrap();
        let said = |hint: &str| tool["annotations"][hint].as_bool();
        let said = (
            said("readOnlyHint"),
            said("destructiveHint"),
            said("openWorldHint"),
        );
        let (read_only, destructive, open_world) = hints(name);
        assert_eq!(
            said,
            (Some(read_only), destructive, Some(open_world)),
            "{name}"
        );
    }
}

#[test]
fn both_eras_are_told_who_the_server_is() {
    let mut legacy = Setup::default().stdio_unopened(Era::Legacy);
    let welcome = legacy.initialize();
    assert_eq!(welcome["protocolVersion"], "2025-11-25");
    assert_eq!(welcome["serverInfo"]["name"], "omnipotent-mcp");
    let found = Setup::default()
        .stdio(Era::Modern)
        .request("server/discover", json!({}))
        .unwrap();
    assert_eq!(found["instructions"], welcome["instructions"]);
    assert!(
        found["supportedVersions"]
            .as_array()
            .unwrap()
            .contains(&json!("2026-07-28"))
    );
}
