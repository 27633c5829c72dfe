//! The vectors as what a search needs of the meaning.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::meaning::{Failed, Meaning, Near};
use crate::embeddings::{Availability, Unavailable};
use crate::vectors::{Among, Nearest, Semantic, SemanticError};

impl Meaning for Semantic {
    fn unavailable(&self) -> Option<String> {
        match self.availability() {
            Availability::Ready => None,
            // Where it was looked for is for health_check to say.
            Availability::Not(Unavailable::NoModel { .. }) => {
                Some("there is no model for the meaning of texts".to_owned())
            }
            Availability::Not(reason) => Some(reason.to_string()),
        }
    }

    fn nearest<'a>(
        &'a self,
        query: &'a str,
        among: Option<Arc<[i64]>>,
        most: usize,
    ) -> BoxFuture<'a, Result<Box<dyn Near>, Failed>> {
        let among = among.map_or(Among::All, Among::Ids);
        async move {
            let nearest: Box<dyn Near> = Box::new(self.search(query, among, most).await?);
            Ok(nearest)
        }
        .boxed()
    }
}

impl Near for Nearest {
    fn best(&self) -> &[(i64, f32)] {
        Self::best(self)
    }

    fn cosines<'a>(&'a self, ids: &'a [i64]) -> BoxFuture<'a, Result<Vec<Option<f32>>, Failed>> {
        async move { Ok(Self::cosines(self, ids).await?) }.boxed()
    }
}

impl From<SemanticError> for Failed {
    fn from(error: SemanticError) -> Self {
        Self(error.to_string())
    }
}
