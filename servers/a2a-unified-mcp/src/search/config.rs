//! What the operator may set.

use mcp_cache::CacheConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How entries are searched.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SearchConfig {
    /// What meaning counts in a hybrid search, from 0 to 1; words count the rest. Default 0.5.
    pub meaning: Weight,
    /// Memory for results. Default 4 MiB.
    pub cache: CacheConfig,
}

impl Default for SearchConfig {
    fn default() -> Self {
        Self {
            meaning: Weight(0.5),
            cache: CacheConfig { max_bytes: 4 << 20 },
        }
    }
}

/// A share of a whole, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "f64", into = "f64")]
pub struct Weight(f64);

impl TryFrom<f64> for Weight {
    type Error = &'static str;

    fn try_from(number: f64) -> Result<Self, &'static str> {
        if (0.0..=1.0).contains(&number) {
            Ok(Self(number))
        } else {
            Err("a weight is a number from 0 to 1")
        }
    }
}

impl From<Weight> for f64 {
    fn from(weight: Weight) -> Self {
        weight.0
    }
}
