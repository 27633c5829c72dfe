//! Arguments that a tool's input schema does not allow, made from the schema itself.

use serde_json::{Map, Value, json};

/// Longer values are not made: no message may carry them.
const LONGEST: u64 = 12_000_000;

/// Sets of arguments with one thing wrong each, and the argument that is. `right` is a set that the
/// tool takes.
pub fn wrong_arguments(right: &Value, schema: &Value) -> Vec<(String, Value)> {
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

/// Checks that a refusal is of invalid arguments and names this one.
#[track_caller]
pub fn assert_names(error: &Value, property: &str, shown: &str) {
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

/// Values that a schema does not allow, one for each thing it says.
fn wrong_values(schema: &Value) -> Vec<Value> {
    if let Some(choices) = schema["anyOf"].as_array() {
        return wrong_for_all(choices);
    }
    match schema["type"].as_str() {
        Some("integer") => wrong_integers(schema),
        Some("number") => vec![json!("7"), json!([]), json!(true)],
        Some("boolean") => vec![json!("true"), json!(1), json!([])],
        Some("array") => wrong_lists(schema),
        Some("object") => wrong_objects(schema),
        Some("string") | None => wrong_texts(schema),
        Some(other) => panic!("no wrong value is known for the type {other}"),
    }
}

/// What is wrong for each choice and right for none, because it is of another type.
fn wrong_for_all(choices: &[Value]) -> Vec<Value> {
    let allowed: Vec<&str> = choices
        .iter()
        .map(|choice| choice["type"].as_str().unwrap())
        .collect();
    let wrong = choices.iter().flat_map(wrong_values);
    let is_other = |value: &Value| {
        let own = match value {
            Value::String(text) => return !allowed.contains(&"string") || text.len() > 100,
            Value::Object(fields) => return !allowed.contains(&"object") || !fields.is_empty(),
            Value::Array(_) => "array",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "integer",
            Value::Null => "null",
        };
        !allowed.contains(&own)
    };
    wrong.filter(is_other).collect()
}

fn wrong_integers(schema: &Value) -> Vec<Value> {
    let mut wrong = vec![json!(1.5), json!("7"), json!([]), json!(true)];
    if let Some(least) = schema["minimum"].as_i64() {
        wrong.push(json!(least - 1));
    }
    if let Some(most) = schema["maximum"].as_u64() {
        wrong.push(json!(most + 1));
    }
    wrong
}

fn wrong_objects(schema: &Value) -> Vec<Value> {
    let mut wrong = vec![json!([]), json!("x"), json!(5)];
    match &schema["additionalProperties"] {
        Value::Bool(false) => wrong.push(json!({ "no_such_member": 5 })),
        Value::Object(_) => wrong.extend([json!({ "A": 5 }), json!({ "A": [] })]),
        Value::Null | Value::Bool(true) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
        }
    }
    wrong
}

fn wrong_texts(schema: &Value) -> Vec<Value> {
    let mut wrong = vec![json!(5), json!([]), json!({}), json!(true)];
    if schema.get("enum").is_some() || schema.get("oneOf").is_some() {
        wrong.push(json!("no such value"));
        return wrong;
    }
    if let Some(longest) = schema["maxLength"].as_u64()
        && longest < LONGEST
    {
        wrong.push("x".repeat(usize::try_from(longest).unwrap() + 1).into());
    }
    if let Some(shortest) = schema["minLength"].as_u64() {
        wrong.push("x".repeat(usize::try_from(shortest).unwrap() - 1).into());
    }
    wrong
}

fn wrong_lists(schema: &Value) -> Vec<Value> {
    let mut wrong = vec![json!(5), json!("x"), json!({})];
    if let Some(longest) = schema["maxItems"].as_u64() {
        let longest = usize::try_from(longest).unwrap();
        wrong.push(json!(vec!["x"; longest + 1]));
    }
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
