//! Prompts find what they tell as `search_knowledge` does.

use std::num::NonZeroU32;

use mcp_toolcall::ToolError;

use super::Find;
use crate::knowledge::Entry;
use crate::search::{Mode, Query, Request, Searcher};
use crate::store::Filter;
use crate::tools::search_knowledge::refused;

impl Find for Searcher {
    async fn find(&self, topic: &str, limit: NonZeroU32) -> Result<Vec<Entry>, ToolError> {
        let request = Request {
            query: Query::parse(topic).map_err(|error| refused(&error))?,
            filter: Filter::default(),
            mode: Mode::Hybrid,
            limit,
            min_score: None,
        };
        let hits = self
            .search(&request)
            .await
            .map_err(|error| refused(&error))?;
        Ok(hits.hits.into_iter().map(|hit| hit.entry).collect())
    }
}
