//! What leaves is cleaned; a lot of it on a thread of its own, because other calls would wait.

use std::sync::Arc;

use serde_json::Value;

use super::{Pipeline, panicked};
use crate::sanitise::{Clean, Texts};
use crate::{Sanitiser, Sanitized, ToolError};

/// Replies with so much text are cleaned on a thread of their own.
const LARGE_BYTES: usize = 512 * 1024;

impl Pipeline {
    /// Cleans a reply.
    pub(super) async fn clean(&self, reply: Value) -> Result<Sanitized, ToolError> {
        let large = is_large(&reply);
        self.clean_with(large, move |sanitiser| sanitiser.clean(reply))
            .await
    }

    /// Cleans what was read, as a reply of a tool is cleaned.
    pub(super) async fn clean_texts<T: Texts>(&self, mut texts: T) -> Result<Clean<T>, ToolError> {
        let mut bytes = 0_usize;
        texts.each(&mut |text| bytes += text.len());
        self.clean_with(bytes >= LARGE_BYTES, |sanitiser| {
            sanitiser.clean_texts(texts)
        })
        .await
    }

    async fn clean_with<T: Send + 'static>(
        &self,
        large: bool,
        clean: impl FnOnce(&Sanitiser) -> Result<T, ToolError> + Send + 'static,
    ) -> Result<T, ToolError> {
        if !large {
            return clean(&self.sanitiser);
        }
        let sanitiser = Arc::clone(&self.sanitiser);
        let cleaning = tokio::task::spawn_blocking(move || clean(&sanitiser));
        cleaning.await.unwrap_or_else(|_panic| Err(panicked()))
    }
}

/// Whether the texts of a reply take [`LARGE_BYTES`] together.
fn is_large(reply: &Value) -> bool {
    fn add(value: &Value, sum: &mut usize) {
        match value {
            Value::String(text) => *sum += text.len(),
            Value::Array(items) => items.iter().for_each(|item| add(item, sum)),
            Value::Object(fields) => fields.values().for_each(|field| add(field, sum)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut sum = 0;
    add(reply, &mut sum);
    sum >= LARGE_BYTES
}
