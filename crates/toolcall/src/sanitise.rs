//! What leaves: text without secrets or terminal control, within the size of one message.

use mcp_security::redaction::Redactor;
use serde_json::Value;

use crate::{Code, ToolError, json};

/// A reply that may leave the process: the only type that does.
#[derive(Debug, Clone, PartialEq)]
pub struct Sanitized {
    structured: Value,
    text: String,
}

impl Sanitized {
    /// The reply as a JSON value.
    pub fn structured(&self) -> &Value {
        &self.structured
    }

    /// The reply as JSON text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Both, without a copy.
    pub fn into_parts(self) -> (Value, String) {
        (self.structured, self.text)
    }

    /// Bytes that it holds in memory, roughly.
    pub(crate) fn weight(&self) -> usize {
        self.text.len().saturating_mul(3)
    }
}

/// What was read and may leave the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clean<T>(T);

impl<T> Clean<T> {
    /// What was read.
    pub fn into_inner(self) -> T {
        self.0
    }
}

/// What consists of texts, each of which leaves once.
pub(crate) trait Texts: Send + 'static {
    /// Visits every text that is not a constant.
    fn each(&mut self, visit: &mut dyn FnMut(&mut String));
}

/// Makes [`Sanitized`] replies and clean errors.
#[derive(Debug)]
pub struct Sanitiser {
    redactor: Redactor,
    max_bytes: usize,
}

impl Sanitiser {
    /// Replies of at most `max_bytes` on the wire, structured content and its text together.
    pub fn new(redactor: Redactor, max_bytes: usize) -> Self {
        Self {
            redactor,
            max_bytes,
        }
    }

    /// Cleans a reply; one that is too large becomes `too_large`.
    pub fn clean(&self, mut reply: Value) -> Result<Sanitized, ToolError> {
        self.clean_value(&mut reply);
        let text = json::to_text(&reply);
        let escapes = json::marks_in(&text);
        let size = text.len().saturating_mul(2).saturating_add(escapes);
        self.bound(size)?;
        Ok(Sanitized {
            structured: reply,
            text,
        })
    }

    /// Cleans what was read; what is too large becomes `too_large`.
    pub(crate) fn clean_texts<T: Texts>(&self, mut texts: T) -> Result<Clean<T>, ToolError> {
        let mut size = 0_usize;
        texts.each(&mut |text| {
            if let std::borrow::Cow::Owned(clean) = self.redactor.clean(text) {
                *text = clean;
            }
            let escapes = |byte: &u8| *byte < b' ' || matches!(byte, b'"' | b'\\');
            size = size.saturating_add(text.len() + text.bytes().filter(escapes).count());
        });
        self.bound(size)?;
        Ok(Clean(texts))
    }

    fn bound(&self, size: usize) -> Result<(), ToolError> {
        if size <= self.max_bytes {
            return Ok(());
        }
        let message = format!("the reply would take {size} bytes on the wire");
        Err(ToolError::new(Code::TooLarge, message)
            .with_limit(u64::try_from(self.max_bytes).unwrap_or(u64::MAX))
            .with_hint("ask for less at once: fewer entries, a smaller max_bytes or a page"))
    }

    /// What keeps known secrets out.
    pub(crate) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Cleans an error's texts.
    pub fn clean_error(&self, error: ToolError) -> ToolError {
        error.map_text(|text| self.redactor.clean(text).into_owned())
    }

    fn clean_value(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let std::borrow::Cow::Owned(clean) = self.redactor.clean(text) {
                    *text = clean;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.clean_value(item)),
            Value::Object(fields) => {
                let unclean: Vec<String> = fields
                    .keys()
                    .filter(|key| matches!(self.redactor.clean(key), std::borrow::Cow::Owned(_)))
                    .cloned()
                    .collect();
                for key in unclean {
                    if let Some(field) = fields.remove(&key) {
                        fields.insert(self.redactor.clean(&key).into_owned(), field);
                    }
                }
                fields
                    .values_mut()
                    .for_each(|field| self.clean_value(field));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn control_characters_become_visible_in_values_and_names() {
        let sanitiser = Sanitiser::new(Redactor::default(), 1000);
        let clean = sanitiser
            .clean(json!({ "a\u{1b}": ["\u{1b}[31mred", 1] }))
            .unwrap();
        assert_eq!(
            clean.structured(),
            &json!({ "a\u{241b}": ["\u{241b}[31mred", 1] })
        );
        assert_eq!(clean.text(), "{\"a\u{241b}\":[\"\u{241b}[31mred\",1]}");
    }

    #[test]
    fn refuses_a_reply_larger_than_one_message() {
        let sanitiser = Sanitiser::new(Redactor::default(), 100);
        let error = sanitiser
            .clean(json!({ "content": "x".repeat(50) }))
            .unwrap_err();
        assert_eq!(error.code(), Code::TooLarge);
    }
}
