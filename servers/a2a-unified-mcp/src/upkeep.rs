//! What the server does beside calls: it looks over a file that a process left in a hurry, and frees
//! the room of what expired.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::knowledge::Timestamp;
use crate::store::{Depth, Store};

/// How long room is left to what expired, and subscribers are not told of it, at most; no read sees it.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// How long at least.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);
/// How long calls have the machine for themselves after the start.
const QUIET: Duration = Duration::from_secs(2);

/// What is known of the soundness of the file. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Soundness(Arc<Mutex<Option<Finding>>>);

/// What looking over the file found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    /// Nothing.
    Sound,
    /// The first thing that is wrong.
    Damaged(String),
    /// It could not be looked over.
    Unknown(String),
}

impl Soundness {
    /// What was found, once the file was looked over.
    pub(crate) fn finding(&self) -> Option<Finding> {
        let finding = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        finding.clone()
    }

    fn set(&self, finding: Finding) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(finding);
    }
}

/// Runs for as long as the server does.
pub(crate) async fn run(store: &Store, soundness: &Soundness) -> std::convert::Infallible {
    tokio::time::sleep(QUIET).await;
    if store.opening().log_left {
        soundness.set(look_over(store).await);
    }
    loop {
        if let Err(error) = store.sweep_all().await {
            tracing::warn!(%error, "expired entries were not swept");
        }
        tokio::time::sleep(until_next(store).await).await;
    }
}

/// Until the next entry is past its time, within bounds.
async fn until_next(store: &Store) -> Duration {
    let Ok(Some(next)) = store.next_expiry().await else {
        return SWEEP_EVERY;
    };
    let wait = next
        .as_millis()
        .saturating_sub(Timestamp::now().as_millis());
    let wait = Duration::from_millis(u64::try_from(wait).unwrap_or(0));
    wait.clamp(SWEEP_PAUSE, SWEEP_EVERY)
}

async fn look_over(store: &Store) -> Finding {
    match store.check(Depth::Pages).await {
        Ok(wrong) => wrong.into_iter().next().map_or(Finding::Sound, |reason| {
            tracing::error!(reason, "the file is damaged");
            Finding::Damaged(reason)
        }),
        Err(error) => Finding::Unknown(error.to_string()),
    }
}
