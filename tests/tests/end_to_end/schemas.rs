//! What input schemas advertise is enforced: wrong arguments are made from the schemas themselves.

use jsonschema::draft202012;
use mcp_tests::{Era, Peer, Reply, Setup, Stdio};
use serde_json::{Map, Value, json};

use crate::samples::required;

/// Longer values are not made: no message may carry them.
const LONGEST: u64 = 12_000_000;

#[test]
fn every_advertised_bound_is_enforced_and_named() {
    let mut server = Setup::unlimited().stdio(Era::Modern);
    let mut checked = 0;
    for tool in server.tools() {
        let name = tool["name"].as_str().unwrap();
        let schema = &tool["inputSchema"];
        let validator = draft202012::new(schema).unwrap();
        for (property, arguments) in wrong_arguments(name, schema) {
            assert!(
                !validator.is_valid(&arguments),
                "{name} `{property}`: the schema allows it"
            );
            assert_refused(&mut server, name, &property, &arguments);
            checked += 1;
        }
    }
    assert!(checked > 150, "only {checked} wrong arguments were made");
}

/// Calls the tool and checks that the refusal names the argument.
fn assert_refused(server: &mut Stdio, tool: &str, property: &str, arguments: &Value) {
    let shown = format!("{tool} with {arguments:.200}");
    let call = server.send(
        "tools/call",
        json!({ "name": tool, "arguments": arguments }),
    );
    let reply = Reply::new(server.answer(call));
    assert!(reply.is_error(), "{shown} was answered");
    let error = reply.error();
    assert_eq!(error["code"], "invalid_argument", "{shown}: {error}");
    let field = error["field"].as_str().unwrap_or_default();
    let named = field == property
        || field
            .strip_prefix(property)
            .is_some_and(|rest| rest.starts_with(['[', '.']))
        || error["error"]
            .as_str()
            .unwrap()
            .contains(&format!("`{property}`"));
    assert!(named, "{shown}: `{property}` is not named in {error}");
}

/// Sets of arguments with one thing wrong each, and the argument that is.
fn wrong_arguments(tool: &str, schema: &Value) -> Vec<(String, Value)> {
    let right = required(tool);
    let mut sets = Vec::new();
    let mut unknown = right.clone();
    unknown["no_such_argument"] = json!(1);
    sets.push(("no_such_argument".to_owned(), unknown));
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap();
        let mut missing = right.clone();
        missing.as_object_mut().unwrap().remove(name);
        sets.push((name.to_owned(), missing));
    }
    let none = Map::new();
    for (name, schema) in schema["properties"].as_object().unwrap_or(&none) {
        for value in wrong_values(schema) {
            let mut wrong = right.clone();
            wrong[name] = value;
            sets.push((name.clone(), wrong));
        }
    }
    sets
}

/// Values that a schema does not allow, one for each thing it says.
fn wrong_values(schema: &Value) -> Vec<Value> {
    let bound = |key: &str| schema[key].as_u64();
    match schema["type"].as_str() {
        Some("integer") => {
            let below = i64::try_from(bound("minimum").unwrap()).unwrap() - 1;
            let above = bound("maximum").unwrap() + 1;
            vec![
                json!(below),
                json!(above),
                json!(1.5),
                json!("7"),
                json!([]),
                json!(true),
            ]
        }
        Some("boolean") => vec![json!("true"), json!(1), json!([])],
        Some("array") => wrong_lists(schema),
        Some("object") => vec![json!([]), json!("x"), json!({ "A": 5 }), json!({ "A": [] })],
        Some("string") | None => wrong_texts(schema),
        Some(other) => panic!("no wrong value is known for the type {other}"),
    }
}

fn wrong_texts(schema: &Value) -> Vec<Value> {
    let mut wrong = vec![json!(5), json!([]), json!({}), json!(true)];
    if schema.get("enum").is_some() || schema.get("oneOf").is_some() {
        wrong.push(json!("no such value"));
        return wrong;
    }
    let longest = schema["maxLength"].as_u64().unwrap();
    if longest < LONGEST {
        wrong.push("x".repeat(usize::try_from(longest).unwrap() + 1).into());
    }
    if let Some(shortest) = schema["minLength"].as_u64() {
        wrong.push("x".repeat(usize::try_from(shortest).unwrap() - 1).into());
    }
    wrong
}

fn wrong_lists(schema: &Value) -> Vec<Value> {
    let longest = usize::try_from(schema["maxItems"].as_u64().unwrap()).unwrap();
    let mut wrong = vec![
        json!(5),
        json!("x"),
        json!({}),
        json!(vec!["x"; longest + 1]),
    ];
    if schema["minItems"]
        .as_u64()
        .is_some_and(|shortest| shortest > 0)
    {
        wrong.push(json!([]));
    }
    wrong.extend(
        wrong_values(&schema["items"])
            .into_iter()
            .map(|item| json!([item])),
    );
    wrong
}
