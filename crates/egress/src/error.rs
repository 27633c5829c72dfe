//! Why a request failed, recovered from the client's error chain.

use std::error::Error;
use std::io;
use std::time::Duration;

use crate::{ResolveError, RobotsRefusal, UrlRefusal};

/// What a caller whom the policy refused can do.
pub const POLICY_HINT: &str = "only public addresses and hosts that the operator allows can be \
                               reached; the operator opens others with `allow_networks` and \
                               `allow_hosts`";

/// What an HTTP client or the system said: for the log, not for a program to judge.
pub(crate) type Cause = Box<dyn Error + Send + Sync>;

/// A request brought no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// The client could not be built.
    #[error("the HTTP client cannot be built")]
    Client {
        /// What the client said.
        #[source]
        source: reqwest::Error,
    },
    /// Work on another thread panicked.
    #[error("the request failed in the server itself")]
    Panicked,
    /// The host failed too often lately and is left alone.
    #[error("{host} failed repeatedly and is left alone for now")]
    BreakerOpen {
        /// Host and port.
        host: String,
        /// When it will be tried again.
        retry_after: Duration,
    },
    /// The name leads to no address that may be reached.
    #[error("{host} cannot be reached")]
    Resolve {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: ResolveError,
    },
    /// No connection came about.
    #[error("cannot connect to {host}")]
    Connect {
        /// The host.
        host: String,
        /// What the client or the system said.
        #[source]
        source: Cause,
    },
    /// The TLS handshake failed.
    #[error("no secure connection to {host}")]
    Tls {
        /// The host.
        host: String,
        /// What the TLS library said.
        #[source]
        source: rustls::Error,
    },
    /// The connection broke, or what came is no HTTP or does not decode.
    #[error("the exchange with {host} broke off")]
    Transport {
        /// The host.
        host: String,
        /// What the client said.
        #[source]
        source: Cause,
    },
    /// The head of the response is larger than allowed.
    #[error("the head of the response of {host} is too large")]
    HeadTooLarge {
        /// The host.
        host: String,
    },
    /// A bound on time was met.
    #[error("no answer after {} s ({phase})", limit.as_secs_f32())]
    TimedOut {
        /// What was waited for.
        phase: Phase,
        /// The time it had.
        limit: Duration,
    },
    /// The body came too slowly.
    #[error("the body came too slowly: {received_bytes} bytes in {} s", window.as_secs_f32())]
    TooSlow {
        /// Decoded bytes in the last window.
        received_bytes: u64,
        /// The window.
        window: Duration,
    },
    /// The chain of redirects is too long.
    #[error("more than {limit} redirects")]
    TooManyRedirects {
        /// The most redirects of one request.
        limit: usize,
    },
    /// A redirect leads to a URL that may not be requested.
    #[error("the redirect to {location} is refused")]
    Redirect {
        /// The `Location` as sent, shortened.
        location: String,
        /// Why.
        #[source]
        source: UrlRefusal,
    },
    /// A redirect leads from `https` to `http`.
    #[error("the redirect to {location} is refused: it leaves the encrypted connection")]
    Downgrade {
        /// The target's origin.
        location: String,
    },
    /// The site's robots.txt forbids the request.
    #[error("the robots.txt of {host} {refusal}")]
    Robots {
        /// Host and port.
        host: String,
        /// Why.
        refusal: RobotsRefusal,
    },
}

/// What was waited for when time ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The connection.
    Connect,
    /// The head of the response.
    FirstByte,
    /// Everything together.
    Total,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::FirstByte => "waiting for the response to start",
            Self::Total => "whole request",
        })
    }
}

impl EgressError {
    /// The error with its cause, where the cause helps the caller; other causes are for the log.
    pub fn explained(&self) -> String {
        let cause = match self {
            Self::Resolve { source, .. } => source.to_string(),
            Self::Redirect { source, .. } => source.to_string(),
            Self::Tls { source, .. } => source.to_string(),
            Self::Client { .. }
            | Self::Panicked
            | Self::BreakerOpen { .. }
            | Self::Connect { .. }
            | Self::Transport { .. }
            | Self::HeadTooLarge { .. }
            | Self::TimedOut { .. }
            | Self::TooSlow { .. }
            | Self::TooManyRedirects { .. }
            | Self::Downgrade { .. }
            | Self::Robots { .. } => return self.to_string(),
        };
        format!("{self}: {cause}")
    }

    /// Whether the policy refused the request, rather than the network failing.
    pub fn is_policy(&self) -> bool {
        match self {
            Self::Resolve {
                source: ResolveError::Refused { .. },
                ..
            }
            | Self::Redirect { .. }
            | Self::Downgrade { .. }
            | Self::Robots { .. } => true,
            Self::Client { .. }
            | Self::Panicked
            | Self::BreakerOpen { .. }
            | Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::Tls { .. }
            | Self::Transport { .. }
            | Self::HeadTooLarge { .. }
            | Self::TimedOut { .. }
            | Self::TooSlow { .. }
            | Self::TooManyRedirects { .. } => false,
        }
    }
}

/// Names what stands behind a client's error. The URL is removed: its query may hold tokens.
pub(crate) fn classify(error: reqwest::Error, host: &str) -> EgressError {
    let error = error.without_url();
    let host = host.to_owned();
    let causes = || causes_of(&error);
    if let Some(source) = causes().find_map(|cause| cause.downcast_ref::<ResolveError>()) {
        return EgressError::Resolve {
            host,
            source: source.clone(),
        };
    }
    if let Some(source) = causes().find_map(tls_error) {
        return EgressError::Tls { host, source };
    }
    if causes().any(is_head_too_large) {
        return EgressError::HeadTooLarge { host };
    }
    if error.is_connect() {
        return EgressError::Connect {
            host,
            source: error.into(),
        };
    }
    EgressError::Transport {
        host,
        source: error.into(),
    }
}

fn causes_of(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    let mut next = error.source();
    std::iter::from_fn(move || {
        let cause = next?;
        next = cause.source();
        Some(cause)
    })
}

/// An I/O error hides the error it was made of from the chain, and here one hides in another.
fn tls_error(cause: &(dyn Error + 'static)) -> Option<rustls::Error> {
    match cause.downcast_ref::<io::Error>() {
        Some(outer) => tls_error(outer.get_ref()?),
        None => cause.downcast_ref::<rustls::Error>().cloned(),
    }
}

/// hyper tells this kind of error from others by its text only.
fn is_head_too_large(cause: &(dyn Error + 'static)) -> bool {
    cause.to_string() == "message head is too large"
}
