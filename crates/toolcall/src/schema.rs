//! JSON Schemas (2020-12) of arguments and replies, in the plain form that clients understand.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value};

/// The schema of what a caller sends: `null` is not advertised for what may be left out.
pub(crate) fn of_arguments<T: JsonSchema>() -> Map<String, Value> {
    let mut schema = generate::<T>();
    RecursiveTransform(without_null).transform(&mut schema);
    into_object(schema)
}

/// The schema of what a tool answers.
pub(crate) fn of_reply<T: JsonSchema>() -> Map<String, Value> {
    into_object(generate::<T>())
}

fn generate<T: JsonSchema>() -> Schema {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    RecursiveTransform(without_noise).transform(&mut schema);
    schema
}

/// Rust type names and integer widths say nothing to a caller and confuse strict validators.
fn without_noise(schema: &mut Schema) {
    schema.remove("title");
    if schema.get("type").is_some_and(is_number) {
        schema.remove("format");
    }
}

fn is_number(kind: &Value) -> bool {
    match kind {
        Value::String(kind) => kind == "integer" || kind == "number",
        Value::Array(kinds) => kinds.iter().any(is_number),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

fn without_null(schema: &mut Schema) {
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
    if let Some(Value::Array(kinds)) = schema.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [only] = kinds.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(options)) = schema.get_mut("anyOf") {
        options.retain(|option| option.get("type").is_none_or(|kind| kind != "null"));
        if let [Value::Object(_)] = options.as_slice()
            && let Some(Value::Array(mut options)) = schema.remove("anyOf")
            && let Some(Value::Object(only)) = options.pop()
        {
            for (key, value) in only {
                schema.ensure_object().entry(key).or_insert(value);
            }
        }
    }
}

fn into_object(mut schema: Schema) -> Map<String, Value> {
    std::mem::take(schema.ensure_object())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounded::Int;

    #[derive(serde::Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its schema is of interest")]
    struct Args {
        /// How many.
        #[serde(default)]
        limit: Option<Int<1, 5>>,
        width: u64,
    }

    #[test]
    fn arguments_are_plain_and_closed() {
        let schema = Value::Object(of_arguments::<Args>());
        let expected = serde_json::json!({
            "type": "object",
            "properties": {
                "limit": {
                    "description": "How many.",
                    "type": "integer", "minimum": 1, "maximum": 5,
                },
                "width": { "type": "integer", "minimum": 0 },
            },
            "required": ["width"],
            "additionalProperties": false,
        });
        assert_eq!(schema, expected);
    }
}
