//! Leaves a host alone that keeps failing.
//!
//! Closed, failures in a row are counted; at the threshold the breaker opens and refuses for a
//! while; then one request probes the host and its outcome closes or opens the breaker again.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// Hosts with failures that are remembered; beyond it the one untouched longest is forgotten.
const MOST_HOSTS: usize = 1024;
/// What a caller is told to wait while another request probes the host.
const PROBE_WAIT: Duration = Duration::from_secs(1);

/// When a failing host is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerConfig {
    /// Failures in a row (network errors and 5xx) that open the breaker. Default: 5.
    pub failures: NonZeroU32,
    /// How long an open breaker refuses before one request may probe the host. Default: 30s.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub open_for: Duration,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            failures: const { NonZeroU32::new(5).unwrap() },
            open_for: Duration::from_secs(30),
        }
    }
}

/// One breaker per host and port. Only hosts with failures take room.
#[derive(Debug)]
pub(crate) struct Breakers {
    config: BreakerConfig,
    hosts: Mutex<HashMap<String, Breaker>>,
}

#[derive(Debug)]
struct Breaker {
    state: State,
    touched: Instant,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant },
    Probing,
}

/// How an exchange ended, as the breaker sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// The host answered.
    Good,
    /// The host failed.
    Bad,
    /// Nothing was learnt about the host.
    Unknown,
}

/// Leave to make one request; [`Pass::settle`] says how it ended. Dropped unsettled, as when the
/// caller gives up, it counts as [`Health::Unknown`].
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    breakers: &'a Breakers,
    host: String,
    health: Health,
}

impl Breakers {
    pub(crate) fn new(config: BreakerConfig) -> Self {
        Self {
            config,
            hosts: Mutex::default(),
        }
    }

    /// Leave to make a request to `host`, or how long to wait for it.
    pub(crate) fn admit(&self, host: String) -> Result<Pass<'_>, Duration> {
        let now = Instant::now();
        if let Some(breaker) = self.lock().get_mut(&host) {
            match breaker.state {
                State::Closed { .. } => {}
                State::Open { until } if now < until => return Err(until - now),
                State::Open { .. } => {
                    *breaker = Breaker {
                        state: State::Probing,
                        touched: now,
                    }
                }
                State::Probing => return Err(PROBE_WAIT),
            }
        }
        Ok(Pass {
            breakers: self,
            host,
            health: Health::Unknown,
        })
    }

    /// Hosts that are left alone now.
    pub(crate) fn open(&self) -> usize {
        let now = Instant::now();
        let is_open = |breaker: &&Breaker| match breaker.state {
            State::Closed { .. } => false,
            State::Open { until } => now < until,
            State::Probing => true,
        };
        self.lock().values().filter(is_open).count()
    }

    fn record(&self, host: &str, health: Health) {
        let mut hosts = self.lock();
        let state = hosts
            .get(host)
            .map_or(State::Closed { failures: 0 }, |known| known.state);
        match self.after(state, health) {
            None => {
                hosts.remove(host);
            }
            Some(state) => {
                make_room(&mut hosts, host);
                hosts.insert(
                    host.to_owned(),
                    Breaker {
                        state,
                        touched: Instant::now(),
                    },
                );
            }
        }
    }

    /// The state that follows; `None` when the host is as good as unknown.
    fn after(&self, state: State, health: Health) -> Option<State> {
        let now = Instant::now();
        let open = State::Open {
            until: now + self.config.open_for,
        };
        match (state, health) {
            (_, Health::Good) | (State::Closed { failures: 0 }, Health::Unknown) => None,
            (State::Closed { failures }, Health::Bad)
                if failures + 1 < self.config.failures.get() =>
            {
                Some(State::Closed {
                    failures: failures + 1,
                })
            }
            (_, Health::Bad) => Some(open),
            // The probe taught nothing: the next request may probe at once.
            (State::Probing, Health::Unknown) => Some(State::Open { until: now }),
            (state @ (State::Closed { .. } | State::Open { .. }), Health::Unknown) => Some(state),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Breaker>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_room(hosts: &mut HashMap<String, Breaker>, newcomer: &str) {
    if hosts.len() < MOST_HOSTS || hosts.contains_key(newcomer) {
        return;
    }
    let oldest = hosts
        .iter()
        .min_by_key(|(_, breaker)| breaker.touched)
        .map(|(host, _)| host.clone());
    if let Some(host) = oldest {
        hosts.remove(&host);
    }
}

impl Pass<'_> {
    /// Says how the exchange ended.
    pub(crate) fn settle(mut self, health: Health) {
        self.health = health;
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.breakers.record(&self.host, self.health);
    }
}

#[cfg(test)]
mod tests;
