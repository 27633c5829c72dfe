//! The `omnipotent-mcp` program: command line, configuration, then serving.
#![expect(
    clippy::disallowed_methods,
    reason = "reads the operator's configuration and the process's own surroundings, once"
)]

mod cli;
mod queries;
mod record;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{CommandFactory, Parser};
use cli::{Cli, Command};
use mcp_serve::config::{ConfigError, Loaded};
use mcp_serve::program::{self, Configured, EX_CONFIG, show};
use mcp_serve::{MissingToken, Traces};
use omnipotent_mcp::config::ENVIRONMENT_PREFIX;
use omnipotent_mcp::server::Start;
use omnipotent_mcp::{Config, IDENTITY, Server, policy};

fn main() -> ExitCode {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|arg| arg == mcp_sandbox::HELPER_ARG)
    {
        return mcp_sandbox::helper::main();
    }
    mcp_serve::give_back_large_blocks();
    mcp_serve::use_more_descriptors();
    let cli = Cli::parse();
    if let Some(Command::Papers(papers)) = &cli.command {
        return match papers.make(IDENTITY.name, Cli::command()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error.into(), 1),
        };
    }
    let Configured {
        loaded,
        file: config_file,
    } = match configure(&cli) {
        Ok(configured) => configured,
        Err(error) => return fail(&error.into(), EX_CONFIG),
    };
    if cli.print_config {
        return match print(&loaded, config_file) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error, 1),
        };
    }
    if let Some(Command::Audit(command)) = &cli.command {
        let environment: Vec<(OsString, OsString)> = std::env::vars_os().collect();
        let usual = loaded.config.audit.place(IDENTITY.name, &environment);
        return match record::run(command, usual) {
            Ok(code) => code,
            Err(error) => fail(&error.into(), 2),
        };
    }
    let config = &loaded.config;
    let traces = mcp_serve::start_telemetry(IDENTITY, &config.log, &config.serve());
    if let Some(Command::Running(running)) = &cli.command {
        let environment: Vec<(OsString, OsString)> = std::env::vars_os().collect();
        return running.run(IDENTITY, &loaded.config.serve(), &environment);
    }
    match serve(&cli, (loaded.config, config_file), traces) {
        Ok(code) => code,
        Err(error) => fail(&error, 1),
    }
}

fn print(loaded: &Loaded<Config>, config_file: Option<PathBuf>) -> anyhow::Result<()> {
    let start = surroundings(config_file, MissingToken::Leave)?;
    let version = policy::version(&loaded.config, &start);
    let effective = loaded.print()?;
    show(&format!("# policy {version}\n{effective}")).context("cannot print")
}

/// A current-thread runtime: one thread answers cheap calls three times faster than a pool does
/// over pipes; what takes long runs on the blocking pool.
fn serve(
    cli: &Cli,
    (config, config_file): (Config, Option<PathBuf>),
    traces: Traces,
) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(16)
        .build()
        .context("the runtime cannot be started")?;
    let outcome = runtime.block_on(async {
        let missing_token = if cli.check || cli.command.is_some() {
            MissingToken::Leave
        } else {
            MissingToken::Make
        };
        if cli.check {
            let commands = config.commands.clone().build(Vec::new())?;
            commands.check_built_in()?;
        }
        let asked = cli.command.is_some().then(|| config.clone());
        let server = Server::build(config, surroundings(config_file.clone(), missing_token)?)?;
        if let (Some(command), Some(config)) = (&cli.command, &asked) {
            return answer(command, &server, config).await;
        }
        if cli.check {
            let held = server.confinement().await?;
            let tier = held.tier;
            show(&format!(
                "the configuration is valid\ncommands run in the sandbox tier `{tier}`\n"
            ))?;
            return Ok(ExitCode::SUCCESS);
        }
        let (cli, started_with) = (cli.clone(), config_file);
        let load = move || configure(&cli)?.unless_gone(started_with.as_deref());
        let serving = server.run(Box::new(load));
        traces.delivered_while(serving).await?;
        Ok(ExitCode::SUCCESS)
    });
    // Work on blocking threads cannot be interrupted; it must not hold up the end of the process.
    runtime.shutdown_background();
    outcome
}

/// Runs a sub-command that asks the server instead of serving it.
async fn answer(command: &Command, server: &Server, config: &Config) -> anyhow::Result<ExitCode> {
    match command {
        Command::Doctor { json } => queries::diagnose(server, *json).await,
        Command::Explain { call, json } => {
            queries::explain_call(server, config, (call, *json)).await
        }
        Command::Reference => queries::reference(server),
        // These need no server of their own, so they were run before there was one.
        Command::Audit(_) | Command::Running(_) | Command::Papers(_) => Ok(ExitCode::SUCCESS),
    }
}

fn configure(cli: &Cli) -> Result<Configured<Config>, ConfigError> {
    let (named, flags) = (cli.config.as_deref(), cli.overrides.settings());
    let environment = std::env::vars_os().collect();
    program::configure(IDENTITY.name, ENVIRONMENT_PREFIX, named, environment, flags)
}

fn surroundings(
    config_file: Option<PathBuf>,
    missing_token: MissingToken,
) -> anyhow::Result<Start> {
    Ok(Start {
        missing_token,
        working_directory: std::env::current_dir().context("there is no working directory")?,
        config_file,
        environment: std::env::vars_os().collect(),
        passwd: std::fs::read_to_string("/etc/passwd").unwrap_or_default(),
    })
}

fn fail(error: &anyhow::Error, code: u8) -> ExitCode {
    program::fail(IDENTITY.name, error, code)
}
