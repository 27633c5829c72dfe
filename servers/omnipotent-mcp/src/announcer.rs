//! Says in the log and the metrics what holds commands: when the server starts, and when that changes.

use std::convert::Infallible;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mcp_metrics::{Sandbox, sandbox_in_force};
use mcp_sandbox::{Runner, Tier};
use tokio::sync::Notify;

use crate::enclosure::Enclosure;
use crate::server::confinement;

/// When the sandbox is tried out, so that the first answers do not wait for it.
const BEFORE_TRIAL: Duration = Duration::from_millis(200);

/// Where new policies are handed to whoever announces. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Announcer(Arc<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    next: Mutex<Option<(Runner, Enclosure)>>,
    is_there: Notify,
}

impl Announcer {
    /// Has the sandbox of a policy that came into force tried out. A later one takes its place.
    pub(crate) fn look(&self, runner: Runner, enclosure: Enclosure) {
        let mut next = self.0.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next = Some((runner, enclosure));
        self.0.is_there.notify_one();
    }

    /// Announces for as long as it is polled.
    pub(crate) async fn run(self) -> Infallible {
        let mut before = Held::Unknown;
        loop {
            self.0.is_there.notified().await;
            tokio::time::sleep(BEFORE_TRIAL).await;
            let next = self
                .0
                .next
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            let Some((runner, enclosure)) = next else {
                continue;
            };
            let tried = confinement(&runner, &enclosure).await.map(|held| held.tier);
            let now = match &tried {
                Ok(tier) => {
                    sandbox_in_force(Sandbox::Tier(tier.as_str()));
                    Held::In(*tier)
                }
                Err(error) => {
                    let error: &dyn Error = error;
                    tracing::error!(error, "commands are refused; see `omnipotent-mcp doctor`");
                    sandbox_in_force(Sandbox::Missing);
                    Held::Refused
                }
            };
            announce(before, now);
            before = now;
        }
    }
}

/// What was found last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Held {
    Unknown,
    /// Commands are refused, which has been said already.
    Refused,
    In(Tier),
}

fn announce(before: Held, now: Held) {
    let Held::In(tier) = now else { return };
    let tier = tier.as_str();
    match before {
        Held::Unknown => tracing::info!(tier, "sandbox"),
        Held::In(before) if before.as_str() == tier => {}
        Held::In(stronger) if before > now => {
            let before = stronger.as_str();
            tracing::warn!(tier, before, "the sandbox is weaker now");
        }
        Held::In(weaker) => {
            let before = weaker.as_str();
            tracing::info!(tier, before, "the sandbox is stronger now");
        }
        Held::Refused => tracing::info!(tier, "commands are no longer refused"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metrics_know_every_tier() {
        for tier in Tier::ALL {
            sandbox_in_force(Sandbox::Tier(tier.as_str()));
            let shown = mcp_metrics::Recorder::new("test").render();
            let line = format!("mcp_sandbox_tier{{tier=\"{tier}\"}} 1\n");
            assert!(shown.contains(&line), "{line}");
        }
    }
}
