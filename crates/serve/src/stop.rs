//! Being told to stop: SIGTERM, SIGINT, or the end of input.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::ServeError;

/// Fires once when the process is asked to stop. The listening ends when this is dropped.
#[derive(Debug)]
pub struct Stop {
    token: CancellationToken,
    _listening: AbortOnDropHandle<()>,
}

impl Stop {
    /// Stops on SIGTERM and SIGINT.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn on_signals() -> Result<Self, ServeError> {
        let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signals)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signals)?;
        let token = CancellationToken::new();
        let fired = token.clone();
        let listening = crate::run::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            fired.cancel();
        });
        Ok(Self {
            token,
            _listening: listening,
        })
    }

    pub(crate) fn token(&self) -> &CancellationToken {
        &self.token
    }
}
