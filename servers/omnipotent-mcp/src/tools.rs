//! The tools: one file each, one line each in [`catalog`].

pub mod commands;
pub mod environment;
pub mod files;
pub mod machine;
pub mod operations;
pub mod text;
pub mod web;

use std::time::{Duration, Instant};

use mcp_audit::Audit;
use mcp_egress::Egress;
use mcp_metrics::Recorder;
use mcp_sandbox::Runner;
use mcp_security::commands::CommandPolicy;
use mcp_security::environment::{EnvironmentPolicy, EnvironmentSnapshot};
use mcp_security::paths::Roots;
use mcp_security::processes::ProcessPolicy;
use mcp_toolcall::{Catalog, ReplyCache};

use crate::enclosure::Enclosure;
use crate::host::Host;
use commands::execute_command::ExecuteCommand;
use environment::get_env_var::GetEnvVar;
use files::batch_read_files::BatchReadFiles;
use files::read_file_secure::ReadFileSecure;
use files::write_file_secure::WriteFileSecure;
use machine::kill_process::KillProcess;
use machine::list_processes::ListProcesses;
use machine::system_info::SystemInfo;
use operations::Caches;
use operations::clear_cache::ClearCache;
use operations::get_metrics::GetMetrics;
use operations::health_check::HealthCheck;
use text::analyze_text::AnalyzeText;
use web::http_request_secure::HttpRequestSecure;
use web::scrape_webpage_secure::{ScrapeConfig, ScrapeWebpageSecure};

/// How long `kill_process` waits for the process to end.
const KILL_PATIENCE: Duration = Duration::from_secs(2);

/// What the tools are made of.
#[derive(Debug)]
pub struct Parts {
    /// Where files may be touched.
    pub roots: Roots,
    /// Which commands may run.
    pub commands: CommandPolicy,
    /// What runs them.
    pub runner: Runner,
    /// What they are confined to.
    pub enclosure: Enclosure,
    /// The way out to the network.
    pub egress: Egress,
    /// Which processes may be ended.
    pub processes: ProcessPolicy,
    /// Which variables may be read.
    pub environment: EnvironmentPolicy,
    /// The variables as they were at start.
    pub variables: EnvironmentSnapshot,
    /// Replies of reading tools.
    pub replies: ReplyCache,
    /// Where measurements are.
    pub recorder: Recorder,
    /// What records the calls.
    pub audit: Audit,
    /// How pages are fetched and remembered.
    pub scrape: ScrapeConfig,
}

/// The list of tools.
pub fn catalog(parts: Parts) -> Catalog {
    let Parts {
        roots,
        runner,
        enclosure,
        egress,
        recorder,
        ..
    } = parts;
    let host = Host::new();
    let scrape = ScrapeWebpageSecure::new(egress.clone(), &parts.scrape);
    let caches = Caches {
        replies: parts.replies,
        pages: scrape.pages.clone(),
    };
    let health = HealthCheck {
        host: host.clone(),
        runner: runner.clone(),
        enclosure: enclosure.clone(),
        roots: roots.clone(),
        caches: caches.clone(),
        recorder: recorder.clone(),
        audit: parts.audit,
        started: Instant::now(),
    };
    let execute = ExecuteCommand {
        policy: parts.commands,
        roots: roots.clone(),
        runner: runner.clone(),
        enclosure: enclosure.clone(),
    };
    Catalog::default()
        .with(AnalyzeText)
        .with(BatchReadFiles {
            roots: roots.clone(),
        })
        .with(ClearCache {
            caches: caches.clone(),
        })
        .with(execute)
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
