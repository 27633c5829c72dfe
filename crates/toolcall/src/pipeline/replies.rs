//! Replies of reading tools, remembered until something writes to their topic.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mcp_cache::{Cache, CacheConfig};
use serde_json::{Map, Value};

use crate::{Caching, Caller, Catalog, Sanitized, Topic};

/// Replies of reading tools, by tool, topic generation, arguments and caller.
pub type ReplyCache = Cache<String, Arc<Sanitized>>;

/// An empty cache of replies.
pub fn reply_cache(config: &CacheConfig) -> ReplyCache {
    Cache::build("replies", config, |reply: &Arc<Sanitized>| reply.weight())
}

/// Remembered replies, forgotten by topic.
#[derive(Debug)]
pub(super) struct Replies {
    pub(super) cache: ReplyCache,
    generations: Generations,
}

impl Replies {
    pub(super) fn new(cache: ReplyCache, catalog: &Catalog) -> Self {
        Self {
            cache,
            generations: Generations::of(catalog),
        }
    }

    pub(super) fn key(
        &self,
        tool: &str,
        topic: Topic,
        arguments: &Map<String, Value>,
        caller: &Caller,
    ) -> String {
        let generation = self.generations.current(topic);
        let arguments = serde_json::to_string(arguments).unwrap_or_default();
        format!("{tool}\n{caller}\n{generation}\n{arguments}")
    }

    pub(super) fn forget_on_drop(&self, topic: Topic) -> impl Drop {
        ForgetOnDrop {
            generations: &self.generations,
            topic,
        }
    }
}

/// How often each topic was written to.
#[derive(Debug)]
struct Generations(HashMap<Topic, AtomicU64>);

impl Generations {
    fn of(catalog: &Catalog) -> Self {
        let topics = catalog.iter().filter_map(|tool| match tool.spec().caching {
            Caching::Reads { topic, .. } | Caching::Writes { topic } => Some(topic),
            Caching::None => None,
        });
        Self(topics.map(|topic| (topic, AtomicU64::new(0))).collect())
    }

    fn current(&self, topic: Topic) -> u64 {
        self.0
            .get(&topic)
            .map_or(0, |generation| generation.load(Ordering::Acquire))
    }

    fn bump(&self, topic: Topic) {
        if let Some(generation) = self.0.get(&topic) {
            generation.fetch_add(1, Ordering::AcqRel);
        }
    }
}

/// Forgets a topic's replies when a write ends, also one that fails or is cancelled half way.
struct ForgetOnDrop<'a> {
    generations: &'a Generations,
    topic: Topic,
}

impl Drop for ForgetOnDrop<'_> {
    fn drop(&mut self) {
        self.generations.bump(self.topic);
    }
}
