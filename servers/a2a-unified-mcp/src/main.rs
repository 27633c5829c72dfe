//! The `a2a-unified-mcp` program: command line, configuration, then serving.
#![expect(
    clippy::disallowed_methods,
    reason = "reads the operator's configuration and the process's own surroundings, once"
)]

mod cli;
mod queries;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use a2a_unified_mcp::config::ENVIRONMENT_PREFIX;
use a2a_unified_mcp::server::{Start, data_directory, data_file};
use a2a_unified_mcp::{Config, IDENTITY, Server};
use anyhow::Context;
use clap::{CommandFactory, Parser};
use cli::{Cli, Command};
use mcp_serve::config::{ConfigError, Loaded};
use mcp_serve::program::{self, Configured, EX_CONFIG, show};
use mcp_serve::{MissingToken, Traces};

fn main() -> ExitCode {
    mcp_serve::give_back_large_blocks();
    mcp_serve::use_more_descriptors();
    let cli = Cli::parse();
    if let Some(Command::Papers(papers)) = &cli.command {
        return match papers.make(IDENTITY.name, Cli::command()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error.into(), 1),
        };
    }
    let Configured { loaded, file } = match configure(&cli) {
        Ok(configured) => configured,
        Err(error) => return fail(&error.into(), EX_CONFIG),
    };
    if cli.print_config {
        return match print(&loaded) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error, 1),
        };
    }
    let config = &loaded.config;
    let traces = mcp_serve::start_telemetry(IDENTITY, &config.log, &config.serve());
    if let Some(Command::Running(running)) = &cli.command {
        let environment: Vec<(OsString, OsString)> = std::env::vars_os().collect();
        return running.run(IDENTITY, &loaded.config.serve(), &environment);
    }
    match run(&cli, (loaded.config, file), traces) {
        Ok(code) => code,
        Err(error) => fail(&error, 1),
    }
}

fn print(loaded: &Loaded<Config>) -> anyhow::Result<()> {
    show(&loaded.print()?).context("cannot print")
}

/// A current-thread runtime: one thread answers cheap calls three times faster than a pool does
/// over pipes; SQLite has threads of its own.
fn run(
    cli: &Cli,
    configured: (Config, Option<PathBuf>),
    traces: Traces,
) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(16)
        .build()
        .context("the runtime cannot be started")?;
    let outcome = runtime.block_on(act(cli, configured, traces));
    // Work on blocking threads cannot be interrupted; it must not hold up the end of the process.
    runtime.shutdown_background();
    outcome
}

async fn act(
    cli: &Cli,
    (config, config_file): (Config, Option<PathBuf>),
    traces: Traces,
) -> anyhow::Result<ExitCode> {
    mcp_serve::outlive_file_size_limit().context("signals cannot be handled")?;
    let serving = !cli.check && cli.command.is_none();
    let start = Start {
        config_file: config_file.clone(),
        environment: std::env::vars_os().collect(),
        missing_token: if serving {
            MissingToken::Make
        } else {
            MissingToken::Leave
        },
    };
    let file = data_file(&data_directory(&config, &start.environment)?);
    match &cli.command {
        Some(Command::Backup { file: to }) => queries::back_up(&file, to, &config).await,
        Some(Command::Restore { file: from }) => queries::restore(&file, from, &config).await,
        Some(Command::Doctor { repair }) => queries::diagnose(&file, &config, *repair).await,
        Some(Command::Import(import)) => queries::import(&file, import, &config).await,
        Some(Command::Reference) => queries::reference(config, start).await,
        // Needs no server of its own, so it was run before.
        Some(Command::Running(_) | Command::Papers(_)) => Ok(ExitCode::SUCCESS),
        None if cli.check => {
            Server::build(config, start).await?.store().close().await;
            let text = format!(
                "the configuration is valid\nentries are kept in {}\n",
                file.display()
            );
            show(&text).context("cannot print")?;
            Ok(ExitCode::SUCCESS)
        }
        None => {
            let cli = cli.clone();
            let load = move || configure(&cli)?.unless_gone(config_file.as_deref());
            let server = Server::build(config, start).await?;
            let serving = Box::pin(server.run(Box::new(load)));
            traces.delivered_while(serving).await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn configure(cli: &Cli) -> Result<Configured<Config>, ConfigError> {
    let (named, flags) = (cli.config.as_deref(), cli.overrides.settings());
    let environment = std::env::vars_os().collect();
    program::configure(IDENTITY.name, ENVIRONMENT_PREFIX, named, environment, flags)
}

fn fail(error: &anyhow::Error, code: u8) -> ExitCode {
    program::fail(IDENTITY.name, error, code)
}
