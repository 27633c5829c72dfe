//! What a search needs of the meaning of texts.

use std::fmt::Debug;
use std::sync::Arc;

use futures_util::future::BoxFuture;

/// Something that finds entries by their meaning.
pub(super) trait Meaning: Debug + Send + Sync {
    /// Why it cannot, when that is known without trying.
    fn unavailable(&self) -> Option<String>;

    /// The entries nearest to the query, among all or among these numbers, which are sorted.
    fn nearest<'a>(
        &'a self,
        query: &'a str,
        among: Option<Arc<[i64]>>,
        most: usize,
    ) -> BoxFuture<'a, Result<Box<dyn Near>, Failed>>;
}

/// Entries near to a query.
pub(super) trait Near: Send + Sync {
    /// With their cosine, best first.
    fn best(&self) -> &[(i64, f32)];

    /// The cosine of each of these entries; `None` for one that has no vector yet.
    fn cosines<'a>(&'a self, ids: &'a [i64]) -> BoxFuture<'a, Result<Vec<Option<f32>>, Failed>>;
}

/// Why the meaning could not be searched.
#[derive(Debug, Clone)]
pub(super) struct Failed(pub(super) String);
