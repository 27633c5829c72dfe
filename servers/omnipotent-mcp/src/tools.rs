//! The tools: one file each, one line each in `catalog`.

pub mod commands;
pub mod environment;
pub mod files;
pub mod machine;
pub mod operations;
pub mod text;
pub mod web;

use std::sync::Arc;
use std::time::Duration;

use mcp_egress::Egress;
use mcp_sandbox::Runner;
use mcp_security::commands::CommandPolicy;
use mcp_security::environment::{EnvironmentPolicy, EnvironmentSnapshot};
use mcp_security::paths::Roots;
use mcp_security::processes::ProcessPolicy;
use mcp_toolcall::Catalog;
use mcp_toolcall::operations::{ClearCache, GetMetrics, HealthCheck};

use crate::enclosure::Enclosure;
use crate::policy::Lasting;
use commands::execute_command::ExecuteCommand;
use commands::way_out::WayOut;
use environment::get_env_var::GetEnvVar;
use files::batch_read_files::BatchReadFiles;
use files::read_file_secure::ReadFileSecure;
use files::write_file_secure::WriteFileSecure;
use machine::kill_process::KillProcess;
use machine::list_processes::ListProcesses;
use machine::system_info::SystemInfo;
use operations::Caches;
use operations::health::MachineChecks;
use text::analyze_text::AnalyzeText;
use web::http_request_secure::HttpRequestSecure;
use web::scrape_webpage_secure::{ScrapeConfig, ScrapeWebpageSecure};

/// How long `kill_process` waits for the process to end.
const KILL_PATIENCE: Duration = Duration::from_secs(2);

/// What the tools are made of.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    /// Where files may be touched.
    pub(crate) roots: Roots,
    /// Which commands may run.
    pub(crate) commands: CommandPolicy,
    /// What runs them.
    pub(crate) runner: Runner,
    /// What they are confined to.
    pub(crate) enclosure: Enclosure,
    /// The way out to the network.
    pub(crate) egress: Egress,
    /// Which processes may be ended.
    pub(crate) processes: ProcessPolicy,
    /// Which variables may be read.
    pub(crate) environment: EnvironmentPolicy,
    /// The variables as they were at start.
    pub(crate) variables: EnvironmentSnapshot,
    /// How pages are fetched and remembered.
    pub(crate) scrape: ScrapeConfig,
    /// Which policy this is.
    pub(crate) policy: Arc<str>,
    /// What does not depend on the policy.
    pub(crate) lasting: &'a Lasting,
}

/// The list of tools.
pub(crate) fn catalog(parts: Parts<'_>) -> Catalog {
    let host = parts.lasting.host.clone();
    let recorder = parts.lasting.recorder.clone();
    let scrape = ScrapeWebpageSecure::new(parts.egress.clone(), &parts.scrape);
    let caches = Caches {
        replies: parts.lasting.replies.clone(),
        pages: scrape.pages.clone(),
    };
    let health = health_check(&parts, &caches);
    let Parts {
        roots,
        runner,
        enclosure,
        egress,
        ..
    } = parts;
    Catalog::default()
        .with(AnalyzeText)
        .with(BatchReadFiles {
            roots: roots.clone(),
        })
        .with(ClearCache {
            caches: caches.clone(),
        })
        .with(ExecuteCommand {
            policy: parts.commands,
            roots: roots.clone(),
            runner: runner.clone(),
            enclosure: enclosure.clone(),
            gateway: Arc::new(WayOut(egress.clone())),
        })
        .with(GetEnvVar {
            policy: parts.environment,
            environment: parts.variables,
        })
        .with(GetMetrics { recorder, caches })
        .with(health)
        .with(HttpRequestSecure { egress })
        .with(KillProcess {
            policy: parts.processes,
            patience: KILL_PATIENCE,
        })
        .with(ListProcesses { host: host.clone() })
        .with(ReadFileSecure {
            roots: roots.clone(),
        })
        .with(scrape)
        .with(SystemInfo {
            host,
            runner,
            enclosure,
        })
        .with(WriteFileSecure { roots })
}

fn health_check(parts: &Parts<'_>, caches: &Caches) -> HealthCheck<MachineChecks, Caches> {
    let lasting = parts.lasting;
    HealthCheck {
        checks: MachineChecks {
            host: lasting.host.clone(),
            runner: parts.runner.clone(),
            enclosure: parts.enclosure.clone(),
            roots: parts.roots.clone(),
            audit: lasting.audit.clone(),
            policy: Arc::clone(&parts.policy),
            standing: lasting.standing.clone(),
        },
        caches: caches.clone(),
        recorder: lasting.recorder.clone(),
        version: env!("CARGO_PKG_VERSION"),
        started: lasting.started,
    }
}
