//! Placeholders in the texts of a case: `@{name}`, and `@{1000*text}` for a text many times.

use std::collections::BTreeMap;

use serde_json::Value;

/// What the names stand for.
#[derive(Debug, Default)]
pub(crate) struct Words(BTreeMap<String, String>);

impl Words {
    /// Lets `name` stand for `text`, in which placeholders are put in when it is used.
    pub(crate) fn define(&mut self, name: &str, text: &str) {
        self.0.insert(name.to_owned(), text.to_owned());
    }

    /// `text` with its placeholders put in. A name that nothing defines fails the case.
    pub(crate) fn put_in(&self, text: &str) -> String {
        let mut parts = text.split("@{");
        let mut whole = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').expect("a placeholder ends with `}`");
            match name.split_once('*') {
                Some((times, text)) => {
                    whole += &text.repeat(times.parse().expect("a number before `*`"));
                }
                None => whole += &self.meaning(name),
            }
            whole += rest;
        }
        whole
    }

    fn meaning(&self, name: &str) -> String {
        let meaning = self.0.get(name);
        self.put_in(meaning.unwrap_or_else(|| panic!("no word `{name}`")))
    }

    /// `value` with the placeholders in all its strings put in. A string that is `@{name}` alone
    /// and stands for a number becomes one when its field is named `pid`.
    pub(crate) fn put_into(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.put_in(text).into(),
            Value::Array(items) => items.iter().map(|item| self.put_into(item)).collect(),
            Value::Object(fields) => {
                let put = |(name, value): (&String, &Value)| {
                    let value = self.put_into(value);
                    let pid = value.as_str().filter(|_| name == "pid");
                    let number = pid.and_then(|text| text.parse::<i64>().ok());
                    (self.put_in(name), number.map_or(value, Value::from))
                };
                Value::Object(fields.iter().map(put).collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }
}
