//! A model of the server's own: loaded when it is needed, one load at a time, let go when idle.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::encoder::{Encoder, Open};
use super::{EmbedError, Unavailable};

/// How long a model that could not be loaded is not tried again.
const AFTER_FAILURE: Duration = Duration::from_mins(1);

pub(super) struct Local {
    /// The file; `None` when it is in the program.
    pub(super) file: Option<PathBuf>,
    open: Open,
    idle: Duration,
    state: Mutex<State>,
    /// Held while it is loaded.
    loading: tokio::sync::Mutex<()>,
}

enum State {
    Unloaded,
    Loaded {
        encoder: Arc<dyn Encoder>,
        used: Instant,
    },
    Failed {
        reason: String,
        at: Instant,
    },
}

impl Local {
    pub(super) fn new(file: Option<PathBuf>, open: Open, idle: Duration) -> Self {
        Self {
            file,
            open,
            idle,
            state: Mutex::new(State::Unloaded),
            loading: tokio::sync::Mutex::new(()),
        }
    }

    /// The encoder, loaded now if need be.
    pub(super) async fn encoder(&self) -> Result<Arc<dyn Encoder>, Unavailable> {
        if let Some(settled) = self.settled() {
            return settled;
        }
        let _loading = self.loading.lock().await;
        if let Some(settled) = self.settled() {
            return settled;
        }
        let open = Arc::clone(&self.open);
        let begun = Instant::now();
        let opened = tokio::task::spawn_blocking(move || open()).await;
        let opened = opened.unwrap_or_else(|_| Err("loading it panicked".to_owned()));
        let mut state = self.state();
        match opened {
            Ok(encoder) => {
                let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                tracing::debug!(model = encoder.id(), milliseconds, "the model is loaded");
                *state = State::Loaded {
                    encoder: Arc::clone(&encoder),
                    used: Instant::now(),
                };
                Ok(encoder)
            }
            Err(reason) => {
                tracing::warn!(%reason, "the model cannot be used");
                let at = Instant::now();
                *state = State::Failed {
                    reason: reason.clone(),
                    at,
                };
                Err(Unavailable::Model { reason })
            }
        }
    }

    /// What is known without loading it.
    fn settled(&self) -> Option<Result<Arc<dyn Encoder>, Unavailable>> {
        match &mut *self.state() {
            State::Loaded { encoder, used } => {
                *used = Instant::now();
                Some(Ok(Arc::clone(encoder)))
            }
            State::Failed { reason, at } if at.elapsed() < AFTER_FAILURE => {
                let reason = reason.clone();
                Some(Err(Unavailable::Model { reason }))
            }
            State::Unloaded | State::Failed { .. } => None,
        }
    }

    /// Why it cannot be used, as far as that is known.
    pub(super) fn trouble(&self) -> Option<Unavailable> {
        match &*self.state() {
            State::Failed { reason, at } if at.elapsed() < AFTER_FAILURE => {
                let reason = reason.clone();
                Some(Unavailable::Model { reason })
            }
            State::Unloaded | State::Loaded { .. } | State::Failed { .. } => None,
        }
    }

    pub(super) fn is_loaded(&self) -> bool {
        matches!(&*self.state(), State::Loaded { .. })
    }

    /// Lets the model go when it was not used for long; how long it may stay otherwise.
    pub(super) fn unload_idle(&self) -> Option<Duration> {
        let mut state = self.state();
        let State::Loaded { used, .. } = &*state else {
            return None;
        };
        let left = self.idle.saturating_sub(used.elapsed());
        if left.is_zero() {
            *state = State::Unloaded;
            tracing::debug!("the model is let go");
            return None;
        }
        Some(left)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs the encoder on a thread that may block.
pub(super) async fn run<T: Send + 'static>(
    encoder: Arc<dyn Encoder>,
    work: impl FnOnce(&dyn Encoder) -> T + Send + 'static,
) -> Result<T, EmbedError> {
    let done = tokio::task::spawn_blocking(move || work(&*encoder)).await;
    done.map_err(|_| EmbedError::Text {
        reason: "the encoder panicked".to_owned(),
    })
}
