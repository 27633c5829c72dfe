//! Tools that do many things in one call.

pub mod batch_recall;
pub mod batch_remember;
pub mod batch_search;

use std::borrow::Cow;

use mcp_toolcall::{Code, ToolError};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// An item that may be wrong without the others being so: published as `T`, and parsed on its own.
#[derive(Debug, Clone)]
pub(crate) struct Item<T>(pub(crate) Result<T, BadItem>);

/// Why an item is none: where in it, and the reason.
#[derive(Debug, Clone)]
pub(crate) struct BadItem {
    field: String,
    reason: String,
}

impl BadItem {
    /// As an error of the item at `index` of the argument `list`.
    pub(crate) fn of(&self, list: &str, index: usize) -> ToolError {
        let field = match self.field.as_str() {
            "" | "." => format!("{list}[{index}]"),
            field => format!("{list}[{index}].{field}"),
        };
        ToolError::invalid(field, &self.reason)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Item<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if value.is_array() {
            return Ok(Self(Err(BadItem {
                field: String::new(),
                reason: "a list is no item".to_owned(),
            })));
        }
        let parsed = serde_path_to_error::deserialize(value).map_err(|error| BadItem {
            field: error.path().to_string(),
            reason: error.into_inner().to_string(),
        });
        Ok(Self(parsed))
    }
}

impl<T: JsonSchema> JsonSchema for Item<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// Why one item failed, in the shape of a whole call's error.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ItemError {
    /// The code that the call alone would have failed with.
    #[schemars(with = "String")]
    code: Code,
    /// Why.
    error: String,
}

impl From<&ToolError> for ItemError {
    fn from(error: &ToolError) -> Self {
        Self {
            code: error.code(),
            error: error.message().to_owned(),
        }
    }
}
