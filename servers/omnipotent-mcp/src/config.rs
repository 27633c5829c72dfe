//! The server's configuration: one section for each crate that has something to configure.

use mcp_audit::AuditConfig;
use mcp_cache::CacheConfig;
use mcp_egress::EgressConfig;
use mcp_ratelimit::RateConfig;
use mcp_sandbox::SandboxConfig;
use mcp_security::commands::CommandsConfig;
use mcp_security::environment::EnvironmentConfig;
use mcp_security::paths::FilesConfig;
use mcp_security::processes::ProcessesConfig;
use mcp_serve::{HttpConfig, LogConfig, OpsConfig, ServeConfig, TracingConfig, TransportConfig};
use mcp_toolcall::PipelineConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::tools::web::scrape_webpage_secure::ScrapeConfig;

/// Prefix of the environment variables that configure the server: `OMNIPOTENT_RATE__REQUESTS` is
/// `rate.requests`.
pub const ENVIRONMENT_PREFIX: &str = "OMNIPOTENT_";

/// Everything that can be configured. An unknown key is an error.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Which files calls may touch.
    pub files: FilesConfig,
    /// Which commands may be run.
    pub commands: CommandsConfig,
    /// What a running command is confined to.
    pub sandbox: SandboxConfig,
    /// Which hosts may be asked, and how long and how much.
    pub egress: EgressConfig,
    /// How web pages are fetched and remembered.
    pub scrape: ScrapeConfig,
    /// Which environment variables may be read.
    pub environment: EnvironmentConfig,
    /// Which processes may be ended.
    pub processes: ProcessesConfig,
    /// How often a caller may call.
    pub rate: RateConfig,
    /// How many calls may run and how long.
    pub calls: PipelineConfig,
    /// How many replies of reading tools may be remembered.
    pub cache: CacheConfig,
    /// What is recorded of calls.
    pub audit: AuditConfig,
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

impl Default for Config {
    fn default() -> Self {
        let user_agent = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")).to_owned();
        Self {
            egress: EgressConfig {
                user_agent,
                ..EgressConfig::default()
            },
            files: FilesConfig::default(),
            commands: CommandsConfig::default(),
            sandbox: SandboxConfig::default(),
            scrape: ScrapeConfig::default(),
            environment: EnvironmentConfig::default(),
            processes: ProcessesConfig::default(),
            rate: RateConfig::default(),
            calls: PipelineConfig::default(),
            cache: CacheConfig::default(),
            audit: AuditConfig::default(),
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
