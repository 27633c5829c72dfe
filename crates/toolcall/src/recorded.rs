//! What the audit is told of a call: its arguments without secrets and within bounds, and how it
//! ended.

use std::borrow::Cow;

use mcp_audit::{
    Audit, Begun, CallRecord, Decision, Effect, Ended, MAX_ARGUMENTS_BYTES, Outcome, Unrecordable,
};
use mcp_security::files::Digest;
use mcp_security::redaction::{HIDDEN, Redactor, hide_likely_secrets, is_secret_name};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::pipeline::Errand;
use crate::{Call, Change, Code, ToolError};

/// A text up to this is recorded as it is, in bytes; of a longer one its length and digest.
const LONGEST_TEXT: usize = 1024;

/// The same for arguments that would be too long together.
const SHORTER_TEXT: usize = 64;

/// Arguments past this are cleaned and digested on a thread of their own, in bytes.
const LARGE: usize = 64 * 1024;

/// Begins the record of a call, and gives its arguments back.
pub(crate) async fn begin(
    audit: &Audit,
    redactor: &Redactor,
    errand: &Errand<'_>,
    arguments: Map<String, Value>,
    call: &Call,
) -> (Map<String, Value>, CallRecord) {
    let (arguments, text) = if !audit.is_on() {
        (arguments, String::new())
    } else if arguments.values().map(weight).sum::<usize>() > LARGE {
        let redactor = redactor.clone();
        let summarised = tokio::task::spawn_blocking(move || {
            let text = summary(&arguments, &redactor);
            (arguments, text)
        });
        // The runtime is going down: nothing will run with them.
        summarised.await.unwrap_or_default()
    } else {
        let text = summary(&arguments, redactor);
        (arguments, text)
    };
    let record = audit.begin(Begun {
        caller: call.caller.as_str(),
        tool: errand.name,
        effect: match errand.change {
            Change::None => Effect::Reads,
            Change::Reversible | Change::Destructive => Effect::Changes,
        },
        arguments: text,
    });
    (arguments, record)
}

/// Records a call of a tool that nobody has; the client's text is not repeated.
pub(crate) async fn unknown_tool(audit: &Audit, call: &Call) {
    let record = audit.begin(Begun {
        caller: call.caller.as_str(),
        tool: "unknown",
        effect: Effect::Reads,
        arguments: String::new(),
    });
    let ended = Ended {
        decision: Decision::Refused,
        outcome: Outcome::Failed,
        code: Some("unknown_tool"),
    };
    record.finish(ended).await;
}

/// How a call ended, with that error or a reply, in the words of the audit.
pub(crate) fn ended(error: Option<&ToolError>) -> Ended {
    let Some(error) = error else {
        return Ended {
            decision: Decision::Allowed,
            outcome: Outcome::Succeeded,
            code: None,
        };
    };
    let code = error.code();
    Ended {
        decision: if code.is_denial() {
            Decision::Denied
        } else if code == Code::InvalidArgument {
            Decision::Refused
        } else {
            Decision::Allowed
        },
        outcome: if code == Code::Cancelled {
            Outcome::Cancelled
        } else {
            Outcome::Failed
        },
        code: Some(code.as_str()),
    }
}

/// The answer to a call that is not run because it cannot be recorded.
pub(crate) fn refusal(unrecordable: &Unrecordable) -> ToolError {
    ToolError::new(Code::Unavailable, unrecordable.to_string())
        .with_layer("audit")
        .with_hint(
            "put that right and call again; the operator decides with audit.on_failure which \
             calls need a record",
        )
}

/// The arguments as JSON of at most [`MAX_ARGUMENTS_BYTES`].
fn summary(arguments: &Map<String, Value>, redactor: &Redactor) -> String {
    let written = |longest| {
        let shown = Shown {
            fields: arguments,
            redactor,
            longest,
        };
        serde_json::to_string(&shown).unwrap_or_default()
    };
    let text = written(LONGEST_TEXT);
    if text.len() <= MAX_ARGUMENTS_BYTES {
        return text;
    }
    let shorter = written(SHORTER_TEXT);
    if shorter.len() <= MAX_ARGUMENTS_BYTES {
        return shorter;
    }
    digest(&text).to_string()
}

/// Bytes of text in a value.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, field)| name.len() + weight(field))
            .sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// What is recorded of a text that is too long.
fn digest(text: &str) -> Value {
    json!({ "bytes": text.len(), "sha256": Digest::of(text.as_bytes()).to_string() })
}

/// An object's fields as they are recorded.
#[derive(Clone, Copy)]
struct Shown<'a> {
    fields: &'a Map<String, Value>,
    redactor: &'a Redactor,
    longest: usize,
}

impl Shown<'_> {
    /// A field's name as it is recorded: most are plain words.
    fn name<'t>(&self, name: &'t str) -> Cow<'t, str> {
        let is_word = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        if name.len() <= SHORTER_TEXT && name.bytes().all(is_word) {
            return Cow::Borrowed(name);
        }
        let clean = self.clean(name);
        Cow::Owned(clean.chars().take(SHORTER_TEXT).collect())
    }

    fn clean<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.redactor.clean(text) {
            Cow::Borrowed(text) => hide_likely_secrets(text),
            Cow::Owned(text) => Cow::Owned(hide_likely_secrets(&text).into_owned()),
        }
    }
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.fields.iter().map(|(name, value)| {
            let name_shown = self.name(name);
            let hidden = is_secret_name(name) && !value.is_null();
            let value = if hidden {
                ShownValue::Hidden
            } else {
                ShownValue::Of(*self, value)
            };
            (name_shown, value)
        }))
    }
}

enum ShownValue<'a> {
    Hidden,
    Of(Shown<'a>, &'a Value),
}

impl Serialize for ShownValue<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Hidden => to.serialize_str(HIDDEN),
            Self::Of(shown, Value::String(text)) => {
                let clean = shown.clean(text);
                if clean.len() <= shown.longest {
                    to.serialize_str(&clean)
                } else {
                    digest(&clean).serialize(to)
                }
            }
            Self::Of(shown, Value::Array(items)) => {
                to.collect_seq(items.iter().map(|item| Self::Of(*shown, item)))
            }
            Self::Of(shown, Value::Object(fields)) => Shown { fields, ..*shown }.serialize(to),
            Self::Of(_, value @ (Value::Null | Value::Bool(_) | Value::Number(_))) => {
                value.serialize(to)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use mcp_security::redaction::Secret;

    use super::*;

    #[track_caller]
    fn check(arguments: Value, recorded: &Value) {
        let redactor = Redactor::build([Secret {
            name: "KNOWN".to_owned(),
            value: "known-secret".into(),
        }]);
        let Value::Object(arguments) = arguments else {
            panic!("arguments are an object")
        };
        let text = summary(&arguments, &redactor);
        assert!(text.len() <= MAX_ARGUMENTS_BYTES, "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), *recorded);
    }

    #[test]
    fn secrets_are_gone_before_anything_is_hashed() {
        check(
            json!({ "path": "a", "env": { "API_TOKEN": "abc", "LANG": "C" }, "n": 1 }),
            &json!({ "path": "a", "env": { "API_TOKEN": "[redacted]", "LANG": "C" }, "n": 1 }),
        );
        check(
            json!({ "headers": { "Authorization": ["x"] }, "body": "is known-secret" }),
            &json!({ "headers": { "Authorization": "[redacted]" }, "body": "is [redacted:KNOWN]" }),
        );
        let long = "known-secret ".repeat(200);
        let clean = long.replace("known-secret", "[redacted:KNOWN]");
        check(
            json!({ "content": long }),
            &json!({ "content": digest(&clean) }),
        );
    }

    #[test]
    fn what_is_long_becomes_its_digest() {
        let text = "x".repeat(LONGEST_TEXT + 1);
        check(json!({ "a": text }), &json!({ "a": digest(&text) }));
        let middling = "y".repeat(LONGEST_TEXT);
        check(
            json!({ "a": middling, "b": middling, "c": "short" }),
            &json!({ "a": digest(&middling), "b": digest(&middling), "c": "short" }),
        );
        let many: Vec<u32> = (0..2000).collect();
        let whole = serde_json::to_string(&json!({ "many": many })).unwrap();
        check(json!({ "many": many }), &digest(&whole));
    }
}
