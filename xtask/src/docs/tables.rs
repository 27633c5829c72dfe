//! The reference as Markdown.

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Name with parameters, what it does, what it may touch, how long its answer is remembered.
pub(super) fn tools(reference: &Value) -> Result<String> {
    table(
        reference,
        "tools",
        &["Tool", "What it does", "Effects", "Cache"],
        |tool| {
            Ok([
                code(&format!("{}({})", string(tool, "name")?, parameters(tool))),
                string(tool, "summary")?,
                effects(tool)?,
                phrase(tool, "cache"),
            ])
        },
    )
}

/// Key in the file, its default, and what it does.
pub(super) fn config(reference: &Value) -> Result<String> {
    table(
        reference,
        "config",
        &["Key", "Default", "Meaning"],
        |entry| {
            Ok([
                code(&string(entry, "key")?),
                code(&default(entry)),
                phrase(entry, "description"),
            ])
        },
    )
}

/// Name and arguments of each prompt, and what it asks the model for.
pub(super) fn prompts(reference: &Value) -> Result<String> {
    table(
        reference,
        "prompts",
        &["Prompt", "What it asks for"],
        |prompt| {
            let arguments = prompt.get("arguments").and_then(Value::as_array);
            let named = arguments.into_iter().flatten().map(|argument| {
                let mark = if argument["required"] == true {
                    ""
                } else {
                    "?"
                };
                Ok(format!("{}{mark}", string(argument, "name")?))
            });
            let named = named.collect::<Result<Vec<_>>>()?.join(", ");
            Ok([
                code(&format!("{}({named})", string(prompt, "name")?)),
                string(prompt, "description")?,
            ])
        },
    )
}

/// Id of each built-in rule, why it refuses, and one command line that it refuses.
pub(super) fn command_rules(reference: &Value) -> Result<String> {
    table(
        reference,
        "command_rules",
        &["Rule", "Refuses what", "For example"],
        |rule| {
            let example = rule.get("must_deny").and_then(|examples| examples.get(0));
            let example = example.and_then(Value::as_str);
            Ok([
                code(&string(rule, "id")?),
                string(rule, "reason")?,
                code(example.context("a rule has no example")?),
            ])
        },
    )
}

/// The two answers a person wants before allowing a tool: does it change things, and where.
fn effects(tool: &Value) -> Result<String> {
    let effects = tool
        .get("effects")
        .context("the reference lacks `effects`")?;
    let change = match string(effects, "change")?.as_str() {
        "none" => "reads",
        "reversible" => "changes",
        "destructive" => "may destroy",
        other => bail!("unknown change `{other}`"),
    };
    let reach = match string(effects, "reach")?.as_str() {
        "machine" => "this machine",
        "world" => "other machines too",
        other => bail!("unknown reach `{other}`"),
    };
    Ok(format!("{change}; {reach}"))
}

/// Defaults are quoted as JSON, so that an empty list or text is seen; null is no default. A long
/// list is left to `--print-config`.
fn default(entry: &Value) -> String {
    const LONGEST: usize = 60;
    match entry.get("default") {
        None | Some(Value::Null) => String::new(),
        Some(Value::Array(items)) if entry["default"].to_string().len() > LONGEST => {
            format!("{} entries", items.len())
        }
        Some(value) => value.to_string(),
    }
}

/// Required parameters by name, the others with their default or a question mark.
fn parameters(tool: &Value) -> String {
    let schema = tool.get("input_schema");
    let required = schema
        .and_then(|schema| schema.get("required"))
        .and_then(Value::as_array);
    let is_required = |name: &String| {
        required.is_some_and(|required| required.iter().any(|listed| listed == name.as_str()))
    };
    let properties = schema
        .and_then(|schema| schema.get("properties"))
        .and_then(Value::as_object);
    let mut parameters: Vec<(bool, String)> = Vec::new();
    for (name, property) in properties.into_iter().flatten() {
        let shown = match property.get("default") {
            _ if is_required(name) => name.clone(),
            Some(default) => format!("{name}={default}"),
            None => format!("{name}?"),
        };
        parameters.push((!is_required(name), shown));
    }
    parameters.sort();
    parameters
        .into_iter()
        .map(|(_, shown)| shown)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Name, kind, labels and meaning of each series.
pub(super) fn metrics(reference: &Value) -> Result<String> {
    table(
        reference,
        "metrics",
        &["Metric", "Kind", "Labels", "Meaning"],
        |metric| {
            Ok([
                code(&string(metric, "name")?),
                string(metric, "kind")?,
                phrase(metric, "labels"),
                string(metric, "help")?,
            ])
        },
    )
}

/// One row for each element of the list at `key`.
fn table<const N: usize>(
    reference: &Value,
    key: &str,
    headings: &[&str; N],
    row: fn(&Value) -> Result<[String; N]>,
) -> Result<String> {
    let entries = reference.get(key).and_then(Value::as_array);
    let entries = entries.with_context(|| format!("the reference lacks `{key}`"))?;
    let mut lines = vec![line(headings), line(&["---"; N])];
    for entry in entries {
        lines.push(line(&row(entry)?.map(|cell| escape(&cell))));
    }
    Ok(lines.join("\n"))
}

fn line(cells: &[impl AsRef<str>]) -> String {
    let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
    format!("| {} |", cells.join(" | "))
}

/// A cell is one line, and a bar would end it.
fn escape(cell: &str) -> String {
    cell.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

fn code(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("`{text}`")
    }
}

fn string(entry: &Value, key: &str) -> Result<String> {
    let value = entry.get(key).and_then(Value::as_str);
    Ok(value
        .with_context(|| format!("the reference lacks `{key}`"))?
        .to_owned())
}

/// Any value as a person writes it: lists with commas, nothing for null.
fn phrase(entry: &Value, key: &str) -> String {
    match entry.get(key) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Some(other) => other.to_string(),
    }
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn writes_one_row_for_each_tool() {
        let reference = json!({ "tools": [{
            "name": "read", "summary": "Reads a\nfile | range.",
            "effects": { "change": "none", "reach": "machine" }, "cache": "30s",
            "input_schema": {
                "properties": { "a": { "default": 5 }, "b": {}, "path": {} }, "required": ["path"]
            }
        }] });
        let expected = "| Tool | What it does | Effects | Cache |\n\
                        | --- | --- | --- | --- |\n\
                        | `read(path, a=5, b?)` | Reads a file \\| range. | reads; this machine | 30s |";
        assert_eq!(tools(&reference).unwrap(), expected);
    }

    #[test]
    fn shows_an_empty_default_and_leaves_out_a_missing_one() {
        let check = |default: Value, expected: &str| {
            let entry = json!({
                "key": "a.b", "default": default, "description": "How many."
            });
            let text = config(&json!({ "config": [entry] })).unwrap();
            assert_eq!(text.lines().last(), Some(expected));
        };
        check(json!(3), "| `a.b` | `3` | How many. |");
        check(json!([]), "| `a.b` | `[]` | How many. |");
        check(json!("30s"), "| `a.b` | `\"30s\"` | How many. |");
        check(
            json!(vec!["0123456789"; 9]),
            "| `a.b` | `9 entries` | How many. |",
        );
        check(Value::Null, "| `a.b` |  | How many. |");
    }

    #[test]
    fn names_a_missing_field() {
        let error = metrics(&json!({ "metrics": [{ "name": "m" }] })).unwrap_err();
        assert_eq!(error.to_string(), "the reference lacks `kind`");
    }
}
