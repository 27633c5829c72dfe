//! What a model of the server's own does.

use std::ops::Range;
use std::sync::Arc;

use crate::store::ModelName;

/// Turns text into vectors, on the thread that calls.
pub(crate) trait Encoder: Send + Sync {
    /// What it is called, its version included.
    fn id(&self) -> &str;
    /// Numbers in each vector.
    fn dimension(&self) -> usize;
    /// Parts of the text that each fit into its window, and overlap; one at least.
    fn chunks(&self, text: &str) -> Vec<Range<usize>>;
    /// A vector of length 1 of a text that fits into its window.
    fn embed(&self, text: &str) -> Vec<f32>;
}

/// Loads an encoder, or says why it cannot be.
pub(crate) type Open = Arc<dyn Fn() -> Result<Arc<dyn Encoder>, String> + Send + Sync>;

pub(super) fn name(encoder: &dyn Encoder) -> ModelName {
    ModelName {
        name: encoder.id().to_owned(),
        dimension: encoder.dimension(),
    }
}
