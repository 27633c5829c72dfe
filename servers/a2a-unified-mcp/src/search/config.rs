//! What the operator may set.

use mcp_cache::CacheConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How entries are searched.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SearchConfig {
    /// Memory for the results of searches. Default 4 MiB.
    pub cache: CacheConfig,
}

impl Default for SearchConfig {
    fn default() -> Self {
        Self {
            cache: CacheConfig { max_bytes: 4 << 20 },
        }
    }
}
