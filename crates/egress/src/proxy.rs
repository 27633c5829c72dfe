//! The way out for a command: an HTTP proxy on a listener that only that command can reach.
//!
//! A command asks for a tunnel (`CONNECT`, RFC 9110, section 9.3.6) or sends a request with an
//! absolute URL (RFC 9112, section 3.2.2). Both are judged as the tools' requests are, resolved
//! once and dialled at the judged address. What flows through a tunnel is not looked at.

mod client;
mod forward;
mod meter;
mod refusal;

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::{Egress, observe};
use meter::Allowance;
use refusal::Refusal;

pub use refusal::Refused;

/// Refusals that are remembered; a command that tries more hosts has shown enough.
const MOST_REFUSALS: usize = 16;
/// Characters of one that are kept: a host name has 253 at most, but a command may send anything.
const LONGEST_REFUSAL: usize = 400;
/// Pause after the kernel refused to hand over a connection, e.g. for lack of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What one command may use of the network.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProxyConfig {
    /// Connections of one command at once; more wait. Default: 64.
    pub max_connections: NonZeroUsize,
    /// Bytes that one command may send and receive together. Default: 1 GiB.
    pub max_bytes: u64,
    /// How long a connection may carry nothing. Default: 2m.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub idle_timeout: Duration,
}

impl Default for ProxyConfig {
    fn default() -> Self {
        Self {
            max_connections: const { NonZeroUsize::new(64).unwrap() },
            max_bytes: 1024 * 1024 * 1024,
            idle_timeout: Duration::from_mins(2),
        }
    }
}

/// A proxy that serves one command. Dropping it closes the listener and every connection.
pub struct CommandProxy(Arc<Shared>);

struct Shared {
    egress: Egress,
    places: Arc<Semaphore>,
    allowance: Arc<Allowance>,
    /// None once the command has ended.
    tasks: Mutex<Option<JoinSet<()>>>,
    refusals: Mutex<Vec<Refused>>,
}

impl Egress {
    /// Serves a proxy on `listener` until the returned value is dropped. Whoever can connect to
    /// the listener is served. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the listener cannot be watched.
    pub fn proxy(&self, listener: std::net::TcpListener) -> io::Result<CommandProxy> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let config = &self.config().proxy;
        let shared = Arc::new(Shared {
            egress: self.clone(),
            places: Arc::new(Semaphore::new(
                config.max_connections.get().min(Semaphore::MAX_PERMITS),
            )),
            allowance: Arc::new(Allowance::new(config.max_bytes)),
            tasks: Mutex::new(Some(JoinSet::new())),
            refusals: Mutex::default(),
        });
        shared.spawn(accept(Arc::clone(&shared), listener));
        Ok(CommandProxy(shared))
    }
}

impl CommandProxy {
    /// What the policy refused to the command so far; at most sixteen of them, each once.
    pub fn refusals(&self) -> Vec<Refused> {
        lock(&self.0.refusals).clone()
    }
}

impl Drop for CommandProxy {
    fn drop(&mut self) {
        drop(lock(&self.0.tasks).take());
    }
}

impl fmt::Debug for CommandProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandProxy")
            .field("refusals", &self.refusals().len())
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(tasks) = &mut *lock(&self.tasks) {
            while tasks.try_join_next().is_some() {}
            tasks.spawn(task);
        }
    }

    fn note(&self, refusal: &Refusal) {
        if let Some(setting) = refusal.setting() {
            observe::refused();
            let what = refusal.to_string();
            let what = what.chars().take(LONGEST_REFUSAL).collect();
            let refused = Refused { what, setting };
            let mut refusals = lock(&self.refusals);
            if refusals.len() < MOST_REFUSALS && !refusals.contains(&refused) {
                refusals.push(refused);
            }
        }
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    while let Ok(place) = Arc::clone(&shared.places).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => shared.spawn(client::serve(Arc::clone(&shared), stream, place)),
            Err(error) => {
                tracing::warn!(%error, "a command's connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
