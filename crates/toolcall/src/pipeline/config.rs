//! Bounds of the pipeline as a whole.

use std::num::NonZeroUsize;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bounds of the pipeline as a whole.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PipelineConfig {
    /// Calls in progress at once, of all callers; more are refused with `unavailable`.
    /// Default 256.
    pub max_in_flight: NonZeroUsize,
    /// Longest time a call may run whatever the tool allows, e.g. "15m". Default 15 minutes.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub max_deadline: Duration,
}

impl Default for PipelineConfig {
    fn default() -> Self {
        Self {
            max_in_flight: const { NonZeroUsize::new(256).unwrap() },
            max_deadline: Duration::from_mins(15),
        }
    }
}
