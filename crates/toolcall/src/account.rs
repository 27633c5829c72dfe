//! What the policy says of a call, for an operator who asks before it is made.

use crate::ToolError;

/// What the policy says of a plan: of a call that would run.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// Why it may run, a sentence each. Empty: the policy has nothing to say about such calls.
    pub because: Vec<String>,
    /// What is left out of the answer because the policy refuses it.
    pub left_out: Vec<ToolError>,
    /// What is judged only while the call runs.
    pub judged_later: Option<&'static str>,
}
