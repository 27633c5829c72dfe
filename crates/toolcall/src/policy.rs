//! What the operator's policy decides about calls.

use std::sync::Arc;

use mcp_ratelimit::Limiter;

use crate::Catalog;

/// Everything about a call that depends on the policy. It never changes: another policy is another
/// value, and a call keeps to the one that it started with.
#[derive(Debug)]
pub struct Policy {
    /// Which policy it is: a short hash of what it was made from.
    pub version: Arc<str>,
    /// The tools, each with the part of the policy that it asks.
    pub catalog: Catalog,
    /// How often callers may call; shared with the policy before when the rate is the same.
    pub limiter: Arc<Limiter>,
}
