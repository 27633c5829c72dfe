//! What can be configured about traces.

use std::num::NonZeroUsize;
use std::time::Duration;

use axum::http::Uri;
use axum::http::uri::Scheme;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Traces of calls, sent to an OpenTelemetry collector.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TracingConfig {
    /// Where spans are posted by OTLP over HTTP (protobuf), e.g. `http://127.0.0.1:4318/v1/traces`. Only
    /// `http://`: a collector on this host or its network speaks TLS to what is further away.
    /// Default: none, and nothing is traced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<CollectorUrl>,
    /// Share of the calls that are traced, 0 to 1. Where a caller sends a trace context, its `sampled`
    /// flag decides instead: callers that sample are not bounded by it, only by
    /// `tracing.max_queue`. Default 1.
    pub sample_ratio: SampleRatio,
    /// Whether the spans of outgoing requests name the host, which a call asked for. Default false.
    pub hosts: bool,
    /// Spans that may wait to be sent; more are dropped and counted. Default 2048.
    pub max_queue: NonZeroUsize,
    /// How long spans are gathered before they are sent together, e.g. "1s". Default 1 second, and at
    /// once when 512 wait.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub interval: Duration,
    /// Time that the collector may take for them, e.g. "5s". Default 5 seconds; then they are lost, and
    /// counted.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub timeout: Duration,
}

impl Default for TracingConfig {
    fn default() -> Self {
        Self {
            endpoint: None,
            sample_ratio: SampleRatio(1.0),
            hosts: false,
            max_queue: const { NonZeroUsize::new(2048).unwrap() },
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(5),
        }
    }
}

/// Where a collector takes spans.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct CollectorUrl(Uri);

/// A URL cannot be that of a collector.
#[derive(Debug, thiserror::Error)]
pub enum CollectorUrlError {
    /// The program cannot send traces.
    #[error("this program was built without the feature `otlp`, so it cannot send traces")]
    NotBuilt,
    /// It is no URL.
    #[error("the collector's URL must look like http://127.0.0.1:4318/v1/traces")]
    Malformed,
    /// It is not http.
    #[error("the collector's URL must begin with http://; one beside the server can speak TLS")]
    Scheme,
    /// It has a user, a password or a query, which would be printed with the configuration.
    #[error("the collector's URL must have no user, password or query")]
    Credentials,
}

impl CollectorUrl {
    #[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "nothing is sent"))]
    pub(super) fn as_uri(&self) -> &Uri {
        &self.0
    }

    fn parse(text: &str) -> Result<Self, CollectorUrlError> {
        let url: Uri = text.parse().map_err(|_| CollectorUrlError::Malformed)?;
        match url.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => {}
            Some(_) => return Err(CollectorUrlError::Scheme),
            None => return Err(CollectorUrlError::Malformed),
        }
        let has_user = url.authority().is_some_and(|at| at.as_str().contains('@'));
        if has_user || url.query().is_some() {
            return Err(CollectorUrlError::Credentials);
        }
        // What is no port is otherwise passed over, and spans would go to port 80.
        let is_whole = url.authority().is_some_and(|at| {
            let host = at.host();
            let port = at.port_u16().map(|port| format!(":{port}"));
            !host.is_empty()
                && at.as_str().strip_prefix(host) == Some(port.as_deref().unwrap_or(""))
        });
        if !is_whole {
            return Err(CollectorUrlError::Malformed);
        }
        Ok(Self(url))
    }
}

impl TryFrom<String> for CollectorUrl {
    type Error = CollectorUrlError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let url = Self::parse(&text)?;
        if cfg!(feature = "otlp") {
            Ok(url)
        } else {
            Err(CollectorUrlError::NotBuilt)
        }
    }
}

impl From<CollectorUrl> for String {
    fn from(url: CollectorUrl) -> Self {
        url.0.to_string()
    }
}

/// A share of all calls, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "f64", into = "f64")]
#[schemars(with = "f64")]
pub struct SampleRatio(f64);

/// A share is not between 0 and 1.
#[derive(Debug, thiserror::Error)]
#[error("a share must be between 0 and 1")]
pub struct NoShare;

impl TryFrom<f64> for SampleRatio {
    type Error = NoShare;

    fn try_from(share: f64) -> Result<Self, NoShare> {
        (0.0..=1.0)
            .contains(&share)
            .then_some(Self(share))
            .ok_or(NoShare)
    }
}

impl From<SampleRatio> for f64 {
    fn from(ratio: SampleRatio) -> Self {
        ratio.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_reached_by_http_without_secrets_in_its_name() {
        let check = |text: &str, expect: &str| {
            let parsed = CollectorUrl::parse(text);
            let said = parsed.map_or_else(|error| error.to_string(), String::from);
            assert!(said.contains(expect), "{text}: {said}");
        };
        let local = "http://127.0.0.1:4318/v1/traces";
        check(local, local);
        check("http://[::1]:4318/v1/traces", "http://[::1]:4318/v1/traces");
        check("https://collector/v1/traces", "must begin with http://");
        check("http://user:pw@host/v1/traces", "no user");
        check("http://host/v1/traces?key=1", "no user");
        check("127.0.0.1:4318", "must look like");
        check("/v1/traces", "must look like");
        check("http://", "must look like");
        check("http://collector/v1/traces", "http://collector/v1/traces");
        check("http://host:99999/v1/traces", "must look like");
        check("http://host:otlp/v1/traces", "must look like");
        check("http://host:/v1/traces", "must look like");
        check("http://:4318/v1/traces", "must look like");
        check("http://[::1]:x/v1/traces", "must look like");
    }

    #[test]
    fn a_build_without_traces_says_so() {
        let url = CollectorUrl::try_from("http://127.0.0.1:4318/v1/traces".to_owned());
        assert_eq!(url.is_ok(), cfg!(feature = "otlp"), "{url:?}");
    }

    #[test]
    fn a_share_is_between_none_and_all() {
        for (share, is_one) in [(0.0, true), (0.5, true), (1.0, true), (-0.1, false)] {
            assert_eq!(SampleRatio::try_from(share).is_ok(), is_one, "{share}");
        }
        assert!(SampleRatio::try_from(1.1).is_err());
        assert!(SampleRatio::try_from(f64::NAN).is_err());
    }
}
