//! What the operator may set, and the defaults.
#![expect(
    clippy::disallowed_methods,
    reason = "reads the operator's CA file, never a caller's path"
)]

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use mcp_security::addresses::AddressPolicy;
use mcp_security::hosts::{HostPattern, HostPolicy, PortPolicy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::breaker::BreakerConfig;
use crate::client::LazyClient;
use crate::exchange::Egress;
use crate::proxy::ProxyConfig;
use crate::resolver::JudgingResolver;
use crate::vetted::Gate;

/// Bytes of the largest CA file: the whole Mozilla bundle has a quarter.
const LARGEST_CA_FILE: u64 = 1024 * 1024;
/// The longest `max_timeout`.
const LONGEST_TIMEOUT: Duration = Duration::from_hours(24);

/// Where requests may go and how much of an answer is taken.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EgressConfig {
    /// Hosts that may be reached: names, addresses or `*.domain`; empty means all. Default: empty.
    #[schemars(with = "Vec<String>")]
    pub allow_hosts: Vec<HostPattern>,
    /// Hosts that may not be reached; wins over `allow_hosts`. Default: empty.
    #[schemars(with = "Vec<String>")]
    pub deny_hosts: Vec<HostPattern>,
    /// Networks to open that are not public, such as `127.0.0.0/8` for local development. A
    /// metadata service opens only when its exact address is listed. Default: empty.
    #[schemars(with = "Vec<String>")]
    pub allow_networks: Vec<IpNet>,
    /// Networks that may not be reached; wins over `allow_networks`. Default: empty.
    #[schemars(with = "Vec<String>")]
    pub deny_networks: Vec<IpNet>,
    /// Ports that may be reached; empty means all but those the Fetch standard blocks. Default:
    /// empty.
    pub allow_ports: Vec<u16>,
    /// Ports that may not be reached; wins over `allow_ports`. Default: empty.
    pub deny_ports: Vec<u16>,
    /// Bytes of a body after decoding; what follows is cut off. Default: 10 MiB.
    pub max_body_bytes: u64,
    /// Redirects followed in one request. Default: 5.
    pub max_redirects: usize,
    /// Fields in the head of a response. Default: 100.
    pub max_headers: usize,
    /// Bytes of names and values in the head of a response. Default: 64 KiB.
    pub max_header_bytes: u32,
    /// Idle connections kept for each host. Default: 20.
    pub pool_per_host: usize,
    /// How long an idle connection is kept. Default: 90s.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub pool_idle_timeout: Duration,
    /// Time to resolve a name. Default: 5s.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub dns_timeout: Duration,
    /// Time to connect, the TLS handshake included. Default: 10s.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub connect_timeout: Duration,
    /// Time from sending a request to the head of its response. Default: 2m.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub first_byte_timeout: Duration,
    /// The longest time a caller may ask for one request with its redirects. Default: 10m.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub max_timeout: Duration,
    /// Decoded bytes per second that a body must bring on average over `rate_window`. Default: 64.
    pub min_rate_bytes_per_s: u64,
    /// The window of `min_rate_bytes_per_s`. Default: 10s.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub rate_window: Duration,
    /// The `User-Agent` sent when the caller sets none. Default: the server's name
    /// and version.
    pub user_agent: String,
    /// When a failing host is left alone.
    pub breaker: BreakerConfig,
    /// What one command may use of the network, where `sandbox.network` is `proxy`.
    pub proxy: ProxyConfig,
    /// A PEM file of certificate authorities trusted besides the system's. Default: none.
    pub extra_ca_file: Option<PathBuf>,
}

impl Default for EgressConfig {
    fn default() -> Self {
        Self {
            allow_hosts: Vec::new(),
            deny_hosts: Vec::new(),
            allow_networks: Vec::new(),
            deny_networks: Vec::new(),
            allow_ports: Vec::new(),
            deny_ports: Vec::new(),
            max_body_bytes: 10 * 1024 * 1024,
            max_redirects: 5,
            max_headers: 100,
            max_header_bytes: 64 * 1024,
            pool_per_host: 20,
            pool_idle_timeout: Duration::from_secs(90),
            dns_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(10),
            first_byte_timeout: Duration::from_mins(2),
            max_timeout: Duration::from_mins(10),
            min_rate_bytes_per_s: 64,
            rate_window: Duration::from_secs(10),
            user_agent: concat!("mcp-egress/", env!("CARGO_PKG_VERSION")).to_owned(),
            breaker: BreakerConfig::default(),
            proxy: ProxyConfig::default(),
            extra_ca_file: None,
        }
    }
}

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The CA file cannot be read.
    #[error("cannot read extra_ca_file {}", path.display())]
    CaFile {
        /// The configured path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The CA file holds no usable certificate.
    #[error("extra_ca_file {} holds no certificate in PEM form", path.display())]
    NoCertificate {
        /// The configured path.
        path: PathBuf,
    },
    /// The `User-Agent` cannot be sent.
    #[error("user_agent is not a valid header value")]
    UserAgent,
    /// A time that no caller waits for.
    #[error("max_timeout is longer than {} s", limit.as_secs())]
    Timeout {
        /// The longest time.
        limit: Duration,
    },
    /// A duration that may not be zero.
    #[error("{field} must not be zero")]
    Zero {
        /// The field's name.
        field: &'static str,
    },
}

impl EgressConfig {
    /// The way out. Reads the CA file; neither connects nor loads the system's certificates.
    pub fn build(self) -> Result<Egress, ConfigError> {
        if self.rate_window.is_zero() {
            return Err(ConfigError::Zero {
                field: "rate_window",
            });
        }
        if self.max_timeout > LONGEST_TIMEOUT {
            return Err(ConfigError::Timeout {
                limit: LONGEST_TIMEOUT,
            });
        }
        if http::HeaderValue::from_str(&self.user_agent).is_err() {
            return Err(ConfigError::UserAgent);
        }
        let authorities = match &self.extra_ca_file {
            Some(path) => authorities(path)?,
            None => Vec::new(),
        };
        let gate = Gate {
            hosts: HostPolicy {
                allow: self.allow_hosts.clone(),
                deny: self.deny_hosts.clone(),
                ports: PortPolicy {
                    allow: self.allow_ports.clone(),
                    deny: self.deny_ports.clone(),
                },
            },
            addresses: AddressPolicy::new(self.allow_networks.clone(), self.deny_networks.clone()),
        };
        let resolver = JudgingResolver {
            addresses: gate.addresses.clone(),
            timeout: self.dns_timeout,
        };
        let client = LazyClient::new(&self, authorities, resolver.clone());
        Ok(Egress::new(self, gate, resolver, client))
    }
}

fn authorities(path: &Path) -> Result<Vec<reqwest::Certificate>, ConfigError> {
    let mut pem = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST_CA_FILE).read_to_end(&mut pem))
        .map_err(|source| ConfigError::CaFile {
            path: path.to_owned(),
            source,
        })?;
    match reqwest::Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) | Err(_) => Err(ConfigError::NoCertificate {
            path: path.to_owned(),
        }),
    }
}
