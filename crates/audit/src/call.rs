//! The record of one call, from its arrival to its end.

use std::sync::Arc;
use std::time::Instant;

use crate::audit::{Effect, Inner, Unrecordable};
use crate::record::{CallBody, Decision, Outcome};

/// What is known of a call when it arrives.
#[derive(Debug, Clone)]
pub struct Begun<'a> {
    /// Who calls.
    pub caller: &'a str,
    /// The tool's name in the catalogue, or "unknown".
    pub tool: &'static str,
    /// What the tool may do.
    pub effect: Effect,
    /// The arguments as JSON, without secrets and within [`MAX_ARGUMENTS_BYTES`]; empty for none.
    ///
    /// [`MAX_ARGUMENTS_BYTES`]: crate::MAX_ARGUMENTS_BYTES
    pub arguments: String,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Whether the policy let it run.
    pub decision: Decision,
    /// With a reply or not.
    pub outcome: Outcome,
    /// The error's code.
    pub code: Option<&'static str>,
}

/// The record of one call. One that is dropped before it is finished was cancelled.
#[derive(Debug)]
pub struct CallRecord {
    state: Option<State>,
}

#[derive(Debug)]
struct State {
    audit: Arc<Inner>,
    started: Instant,
    caller: String,
    tool: &'static str,
    effect: Effect,
    arguments: String,
}

impl CallRecord {
    pub(crate) fn new(audit: Option<Arc<Inner>>, begun: Begun<'_>) -> Self {
        Self {
            state: audit.map(|audit| State {
                audit,
                started: Instant::now(),
                caller: begun.caller.to_owned(),
                tool: begun.tool,
                effect: begun.effect,
                arguments: begun.arguments,
            }),
        }
    }

    /// Asks whether the call may run.
    ///
    /// # Errors
    /// When it cannot be recorded and the configuration refuses such calls.
    pub async fn admit(&self) -> Result<(), Unrecordable> {
        match &self.state {
            Some(state) => state.audit.admit(state.effect).await,
            None => Ok(()),
        }
    }

    /// Records how the call ended. That of a changing call is written when this returns.
    pub async fn finish(mut self, ended: Ended) {
        if let Some(state) = self.state.take()
            && state.push(ended)
        {
            state.audit.write_out().await;
        }
    }
}

impl Drop for CallRecord {
    fn drop(&mut self) {
        if let Some(state) = self.state.take() {
            state.push(Ended {
                decision: Decision::Allowed,
                outcome: Outcome::Cancelled,
                code: Some("cancelled"),
            });
        }
    }
}

impl State {
    /// Queues the record; returns whether it must be written now.
    fn push(&self, ended: Ended) -> bool {
        let policy = self.audit.policy();
        let body = CallBody {
            caller: &self.caller,
            tool: self.tool,
            decision: ended.decision,
            outcome: ended.outcome,
            code: ended.code,
            policy: policy.as_deref(),
            duration_ms: self.started.elapsed(),
        };
        let body = self.audit.origin().call(&body, &self.arguments);
        self.audit.push(&body, self.effect)
    }
}
