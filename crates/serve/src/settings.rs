//! What can be configured about serving. Every field has a default and says it.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Identity, TracingConfig};

/// [`HttpConfig::write_timeout`] when none is configured.
pub(crate) const DEFAULT_WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// How a server is reached: the sections of its configuration that this crate owns.
#[derive(Debug, Clone, Default)]
pub struct ServeConfig {
    /// Messages and stopping.
    pub transport: TransportConfig,
    /// Streamable HTTP.
    pub http: HttpConfig,
    /// The operations endpoint.
    pub ops: OpsConfig,
    /// Traces of calls.
    pub tracing: TracingConfig,
}

impl ServeConfig {
    /// Where the operations endpoint listens: where it is configured to, beside HTTP on the server's own
    /// loopback port otherwise.
    pub(crate) fn ops_address(&self, identity: Identity) -> Option<SocketAddr> {
        let own = SocketAddr::from((Ipv4Addr::LOCALHOST, identity.ops_port));
        self.ops.listen.or(self.http.listen.map(|_| own))
    }
}

/// Messages and stopping, on every transport.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TransportConfig {
    /// Largest message in or out, in bytes. Default 16 MiB.
    pub max_message_bytes: NonZeroUsize,
    /// How long running calls may go on once the server is told to stop, e.g. "200ms".
    /// Default 200 ms; then they are cancelled.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub stop_grace: Duration,
}

impl Default for TransportConfig {
    fn default() -> Self {
        Self {
            max_message_bytes: const { NonZeroUsize::new(16 * 1024 * 1024).unwrap() },
            stop_grace: Duration::from_millis(200),
        }
    }
}

/// Streamable HTTP at `/mcp`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// Address to listen on instead of stdio, e.g. "127.0.0.1:8931". Default: none, stdio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// Whether callers must show the bearer token. Default true; false only on loopback.
    pub auth: bool,
    /// File with the bearer token; made with mode 0600 when it does not exist.
    /// Default: `token` in the server's folder under the user's state directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// Values of the `Host` header that are served besides the address listened on, with or without
    /// port. Default: localhost, 127.0.0.1 and `[::1]`.
    pub allowed_hosts: Vec<String>,
    /// Values of the `Origin` header that are served, e.g. `https://app.example:443`.
    /// Default: none but the server's own.
    pub allowed_origins: Vec<String>,
    /// Time that a request's body may take to arrive, e.g. "30s". Default 30 seconds.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub body_timeout: Duration,
    /// Time in which a client must read what is sent to it, or at least 256 KiB of it, e.g. "30s".
    /// Default 30 seconds; then its connection ends.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub write_timeout: Duration,
    /// Connections at once; more wait in the kernel's queue. Default 512.
    pub max_connections: NonZeroUsize,
    /// Sessions of initialize-era clients at once. Default 256.
    pub max_sessions: usize,
    /// How long such a session may be idle, e.g. "30m". Default 30 minutes.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub session_idle: Duration,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: None,
            auth: true,
            token_file: None,
            allowed_hosts: ["localhost", "127.0.0.1", "[::1]"]
                .map(str::to_owned)
                .to_vec(),
            allowed_origins: Vec::new(),
            body_timeout: Duration::from_secs(30),
            max_connections: const { NonZeroUsize::new(512).unwrap() },
            write_timeout: DEFAULT_WRITE_TIMEOUT,
            max_sessions: 256,
            session_idle: Duration::from_mins(30),
        }
    }
}

/// `/metrics`, `/healthz` and `/readyz`, without authentication, on a port of their own.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OpsConfig {
    /// Address to listen on, e.g. "127.0.0.1:9931". Default: the server's own loopback port
    /// with HTTP, none with stdio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// Names in the `Host` header that are served besides localhost and addresses, e.g. the name
    /// of the container that a scraper asks. Default: none.
    pub allowed_hosts: Vec<String>,
}

/// The log, on standard error.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// Least level that is written. Default "info".
    pub level: LogLevel,
    /// How it is written. Default "text".
    pub format: LogFormat,
}

/// Least level of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What a person should look at.
    Error,
    /// What may become a problem.
    Warn,
    /// What the server does as a whole.
    #[default]
    Info,
    /// Single calls.
    Debug,
    /// Everything, arguments included.
    Trace,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// A line of text.
    #[default]
    Text,
    /// A line of JSON.
    Json,
}
