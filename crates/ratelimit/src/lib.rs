//! How often a caller may call: GCRA (generic cell rate algorithm) per caller, by governor.
//!
//! It knows callers only as names. Generic over its clock, so that tests need not wait.
//!
//! ```
//! use std::num::NonZeroU32;
//! use mcp_ratelimit::{Limiter, RateConfig};
//!
//! let config = RateConfig { requests: NonZeroU32::MIN, ..RateConfig::default() };
//! let limiter = Limiter::build(&config);
//! assert!(limiter.check("someone").is_ok());
//! assert!(limiter.check("someone").is_err());
//! assert!(limiter.check("someone else").is_ok());
//! ```

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How often each caller may call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RateConfig {
    /// Calls a caller may make in each `per`, sustained. Default 100.
    pub requests: NonZeroU32,
    /// The time that `requests` is counted over, e.g. "60s"; at least 1 ms. Default 60 seconds.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub per: Duration,
    /// Calls a rested caller may make at once. Default: as many as `requests`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<NonZeroU32>,
}

impl Default for RateConfig {
    fn default() -> Self {
        Self {
            requests: NonZeroU32::MIN.saturating_add(99),
            per: Duration::from_mins(1),
            burst: None,
        }
    }
}

/// A caller is over its rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {limit} calls per {per:?}")]
pub struct RateLimited {
    /// Calls allowed per `per`.
    pub limit: u32,
    /// The time they are counted over.
    pub per: Duration,
    /// When the next call would be let in.
    pub retry_after: Duration,
}

/// Counts calls by caller.
pub struct Limiter<C: Clock = DefaultClock> {
    config: RateConfig,
    clock: C,
    callers: RateLimiter<String, DefaultKeyedStateStore<String>, C, NoOpMiddleware<C::Instant>>,
}

impl Limiter {
    /// A limiter on the system's monotonic clock.
    pub fn build(config: &RateConfig) -> Self {
        Self::with_clock(config, DefaultClock::default())
    }
}

impl<C: Clock + Clone> Limiter<C> {
    /// A limiter on a clock of the caller's choice.
    pub fn with_clock(config: &RateConfig, clock: C) -> Self {
        let interval = (config.per / config.requests.get()).max(Duration::from_nanos(1));
        let burst = config.burst.unwrap_or(config.requests);
        let quota = Quota::with_period(interval)
            .unwrap_or_else(|| Quota::per_second(config.requests))
            .allow_burst(burst);
        let callers = RateLimiter::new(quota, DefaultKeyedStateStore::default(), clock.clone());
        Self {
            config: config.clone(),
            clock,
            callers,
        }
    }

    /// Counts one call by `caller`.
    ///
    /// # Errors
    /// [`RateLimited`] when the caller is over its rate; such a call is not counted.
    pub fn check(&self, caller: &str) -> Result<(), RateLimited> {
        self.callers
            .check_key(&caller.to_owned())
            .map_err(|refused| RateLimited {
                limit: self.config.requests.get(),
                per: self.config.per,
                retry_after: Duration::from(
                    refused.earliest_possible().duration_since(self.clock.now()),
                ),
            })
    }

    /// The rate that it keeps.
    pub fn config(&self) -> &RateConfig {
        &self.config
    }
}

impl<C: Clock> fmt::Debug for Limiter<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;

    #[test]
    fn lets_a_burst_in_and_then_the_sustained_rate() {
        let clock = FakeRelativeClock::default();
        let limiter = Limiter::with_clock(&RateConfig::default(), clock.clone());
        for _ in 0..100 {
            limiter.check("a").unwrap();
        }
        let refused = limiter.check("a").unwrap_err();
        assert_eq!(
            (refused.limit, refused.retry_after),
            (100, Duration::from_millis(600))
        );
        clock.advance(Duration::from_millis(600));
        limiter.check("a").unwrap();
        limiter.check("a").unwrap_err();
        limiter.check("b").unwrap();
    }

    #[test]
    fn a_smaller_burst_is_kept() {
        let burst = NonZeroU32::new(2);
        let limiter = Limiter::with_clock(
            &RateConfig {
                burst,
                ..RateConfig::default()
            },
            FakeRelativeClock::default(),
        );
        limiter.check("a").unwrap();
        limiter.check("a").unwrap();
        assert!(limiter.check("a").is_err());
    }
}
