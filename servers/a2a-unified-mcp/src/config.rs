//! The server's configuration: one section for each part that has something to configure.

use std::num::NonZeroU32;
use std::path::PathBuf;

use mcp_cache::CacheConfig;
use mcp_egress::EgressConfig;
use mcp_ratelimit::RateConfig;
use mcp_serve::{HttpConfig, LogConfig, OpsConfig, ServeConfig, TracingConfig, TransportConfig};
use mcp_toolcall::PipelineConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::embeddings::EmbeddingConfig;
use crate::search::SearchConfig;
use crate::store::StoreConfig;

/// Prefix of the environment variables that configure the server: `A2A_RATE__REQUESTS` is
/// `rate.requests`.
pub const ENVIRONMENT_PREFIX: &str = "A2A_";

/// Everything that can be configured. An unknown key is an error.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where everything is kept.
    pub data: DataConfig,
    /// How the file is used.
    pub store: StoreConfig,
    /// How entries are searched.
    pub search: SearchConfig,
    /// Where vectors come from, which searching by meaning needs.
    pub embedding: EmbeddingConfig,
    /// Which hosts may be asked, for an embeddings endpoint, and how long and how much.
    pub egress: EgressConfig,
    /// Files that calls may write and read.
    pub exports: ExportsConfig,
    /// How often a caller may call.
    pub rate: RateConfig,
    /// How many calls may run and how long.
    pub calls: PipelineConfig,
    /// How much each cache may hold.
    pub cache: CacheConfig,
    /// Messages and stopping.
    pub transport: TransportConfig,
    /// Streamable HTTP.
    pub http: HttpConfig,
    /// The operations endpoint.
    pub ops: OpsConfig,
    /// The log.
    pub log: LogConfig,
    /// Traces of calls.
    pub tracing: TracingConfig,
}

/// Where everything is kept.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// Directory of `knowledge.db`; made with mode 0700 when it does not exist. Default: the server's
    /// folder under the user's data directory (`$XDG_DATA_HOME`, `~/.local/share`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
}

/// Files that calls may write and read.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExportsConfig {
    /// Directory that exports are written to and imports are read from. Default: `exports` in
    /// `data.directory`; made when it is first needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<PathBuf>,
    /// Largest export, in bytes. Default 4 GiB.
    pub max_bytes: u64,
}

impl Default for ExportsConfig {
    fn default() -> Self {
        Self {
            root: None,
            max_bytes: 4 << 30,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        let user_agent = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")).to_owned();
        Self {
            data: DataConfig::default(),
            store: StoreConfig::default(),
            search: SearchConfig::default(),
            embedding: EmbeddingConfig::default(),
            egress: EgressConfig {
                user_agent,
                pool_per_host: 30,
                ..EgressConfig::default()
            },
            exports: ExportsConfig::default(),
            rate: RateConfig {
                requests: NonZeroU32::MIN.saturating_add(149),
                ..RateConfig::default()
            },
            calls: PipelineConfig::default(),
            cache: CacheConfig::default(),
            transport: TransportConfig::default(),
            http: HttpConfig::default(),
            ops: OpsConfig::default(),
            log: LogConfig::default(),
            tracing: TracingConfig::default(),
        }
    }
}

impl Config {
    /// The sections that say how the server is reached.
    pub fn serve(&self) -> ServeConfig {
        ServeConfig {
            transport: self.transport.clone(),
            http: self.http.clone(),
            ops: self.ops.clone(),
            tracing: self.tracing.clone(),
        }
    }
}
