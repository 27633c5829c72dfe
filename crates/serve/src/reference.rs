//! What a server offers, as data: the README's tables are made from it.

use mcp_toolcall::{Caching, Pipeline};
use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// Tools, configuration keys and metrics as one JSON object, and `resources` (how their URIs are
/// made) and `prompts` of a server that has a library. `C` is the server's configuration;
/// `environment_prefix` starts the names of its variables.
pub fn reference<C: JsonSchema + Serialize + Default>(
    pipeline: &Pipeline,
    environment_prefix: &str,
) -> Value {
    let policy = pipeline.policy();
    let mut reference = json!({
        "tools": policy.catalog.iter().map(tool).collect::<Vec<_>>(),
        "config": config_keys::<C>(environment_prefix),
        "metrics": mcp_metrics::METRICS.iter().map(metric).collect::<Vec<_>>(),
    });
    if let Some(library) = pipeline.library()
        && let Some(parts) = reference.as_object_mut()
    {
        let spec = library.spec();
        parts.insert("resources".to_owned(), json!(spec.templates));
        parts.insert("prompts".to_owned(), json!(spec.prompts));
    }
    reference
}

fn tool(entry: &mcp_toolcall::Entry) -> Value {
    let spec = entry.spec();
    let cache = match spec.caching {
        Caching::Reads { ttl, .. } => Some(humantime(ttl)),
        Caching::None | Caching::Writes { .. } => None,
    };
    json!({
        "name": spec.name,
        "title": spec.title,
        "summary": spec.summary,
        "effects": spec.effects,
        "cache": cache,
        "deadline": humantime(spec.deadline),
        "input_schema": entry.input_schema(),
        "output_schema": entry.output_schema(),
    })
}

fn humantime(duration: std::time::Duration) -> String {
    humantime_serde::re::humantime::format_duration(duration).to_string()
}

fn metric(metric: &mcp_metrics::Metric) -> Value {
    json!({
        "name": metric.name,
        "kind": metric.kind.as_str(),
        "labels": metric.labels,
        "help": metric.help,
    })
}

fn config_keys<C: JsonSchema + Serialize + Default>(environment_prefix: &str) -> Vec<Value> {
    let settings = schemars::generate::SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true);
    let schema = SchemaGenerator::new(settings).into_root_schema_for::<C>();
    let mut keys = Vec::new();
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        let defaults = serde_json::to_value(C::default()).unwrap_or_default();
        flatten(properties, &defaults, "", &mut keys);
    }
    for key in &mut keys {
        let name = key["key"]
            .as_str()
            .unwrap_or_default()
            .replace('.', "__")
            .to_uppercase();
        key["environment"] = format!("{environment_prefix}{name}").into();
    }
    keys
}

fn flatten(properties: &Map<String, Value>, defaults: &Value, above: &str, keys: &mut Vec<Value>) {
    for (name, schema) in properties {
        let key = if above.is_empty() {
            name.clone()
        } else {
            format!("{above}.{name}")
        };
        let default = defaults.get(name).unwrap_or(&Value::Null);
        match schema.get("properties").and_then(Value::as_object) {
            Some(inner) => flatten(inner, default, &key, keys),
            None => keys.push(json!({
                "key": key,
                "default": default,
                "description": schema.get("description").unwrap_or(&Value::Null),
            })),
        }
    }
}
