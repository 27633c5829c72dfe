//! From a configuration to a pipeline that can be served.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp_audit::Audit;
use mcp_egress::ConfigError as EgressConfigError;
use mcp_metrics::Recorder;
use mcp_ratelimit::Limiter;
use mcp_sandbox::{BuildError as SandboxError, Confinement, RunError, Runner};
use mcp_security::commands::CommandsConfigError;
use mcp_security::names::NameListError;
use mcp_security::paths::{ProtectedPath, Protection, RootsError, Surroundings, home_directories};
use mcp_security::redaction::{Redactor, Secret, secrets_in_environment};
use mcp_serve::{Access, Identity, MissingToken, ServeConfig, ServeError, Stop};
use mcp_toolcall::{Pipeline, Sanitiser, reply_cache};

use crate::Config;
use crate::enclosure::Enclosure;
use crate::tools::{self, Parts};

/// When the sandbox is tried out after the start, so that the first answers do not wait for it.
const BEFORE_TRIAL: Duration = Duration::from_millis(200);

/// What the server says of itself.
pub const IDENTITY: Identity = Identity {
    name: env!("CARGO_PKG_NAME"),
    title: "Omnipotent",
    version: env!("CARGO_PKG_VERSION"),
    instructions: "Tools for the machine this server runs on: files below configured roots, \
        commands, processes, HTTP, system information. Paths may be relative to the first root \
        (health_check lists the roots). A refused call is answered with a JSON object: `code` \
        says why, `hint` says the smallest change that would work. Large content comes in pages: \
        follow next_offset or next_index.",
    ops_port: 9931,
};

/// What the process was started with. Read once, by `main`.
#[derive(Debug)]
pub struct Start {
    /// The working directory.
    pub working_directory: PathBuf,
    /// The configuration file that was read.
    pub config_file: Option<PathBuf>,
    /// The environment.
    pub environment: Vec<(OsString, OsString)>,
    /// What becomes of a bearer token that does not exist yet.
    pub missing_token: MissingToken,
    /// The text of `/etc/passwd`, which tells home directories; empty when there is none.
    pub passwd: String,
}

/// A server that is ready to be served.
#[derive(Debug)]
pub struct Server {
    pipeline: Pipeline,
    recorder: Recorder,
    audit: Audit,
    access: Access,
    serve: ServeConfig,
    sandbox: (Runner, Enclosure),
}

/// The configuration cannot be put in force.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file root cannot be used.
    #[error("files")]
    Files(#[from] RootsError),
    /// The command rules cannot be used.
    #[error("commands")]
    Commands(#[from] CommandsConfigError),
    /// Commands cannot be run.
    #[error("sandbox")]
    Sandbox(#[from] SandboxError),
    /// The network policy cannot be used.
    #[error("egress")]
    Egress(#[from] EgressConfigError),
    /// A list of names cannot be used.
    #[error("environment or processes")]
    Names(#[from] NameListError),
    /// The server cannot be reached in the way that is asked for.
    #[error("http")]
    Serve(#[from] ServeError),
}

impl Server {
    /// Puts a configuration in force.
    ///
    /// # Errors
    /// Names the section that cannot be used.
    pub fn build(mut config: Config, start: Start) -> Result<Self, BuildError> {
        let serve = config.serve();
        let access = Access::prepare(
            IDENTITY.name,
            &serve,
            &start.environment,
            start.missing_token,
        )?;
        let audit_file = config.audit.place(IDENTITY.name, &start.environment);
        let audit = Audit::build(&config.audit, IDENTITY.name, audit_file.clone());
        let audit_directory = audit.directory();
        let own = own_files(&[
            start.config_file.as_deref(),
            access.token_file(),
            audit_file.as_deref(),
            audit_file.as_deref().and_then(Path::parent),
            audit_directory.as_deref(),
        ]);
        config.files.extra_protected.extend(own);
        let mut secrets = secrets_in_environment(&start.environment);
        secrets.extend(access.secret().map(|token| Secret {
            name: "bearer token".to_owned(),
            value: token.into(),
        }));
        let recorder = Recorder::new(IDENTITY.version);
        let home = start.environment.iter().find(|(name, _)| name == "HOME");
        let homes = home_directories(&start.passwd, home.map(|(_, home)| home.as_os_str()));
        let around = Surroundings {
            working_directory: &start.working_directory,
            homes: &homes,
        };
        let replies = reply_cache(&config.cache);
        let roots = config.files.build(&around)?;
        let runner = Runner::build(&config.sandbox)?;
        let home = home.map(|(_, home)| Path::new(home));
        let enclosure = Enclosure::new(&config.sandbox, &roots, home);
        let catalog = tools::catalog(Parts {
            roots,
            enclosure: enclosure.clone(),
            commands: config.commands.build(start.environment.clone())?,
            runner: runner.clone(),
            egress: config.egress.build()?,
            processes: config.processes.build()?,
            environment: config.environment.build()?,
            variables: start.environment.into_iter().collect(),
            replies: replies.clone(),
            recorder: recorder.clone(),
            audit: audit.clone(),
            scrape: config.scrape,
        });
        let limiter = Limiter::build(&config.rate);
        let sanitiser = Sanitiser::new(
            Redactor::build(secrets),
            config.transport.max_message_bytes.get(),
        );
        let pipeline = Pipeline::new(config.calls, catalog, limiter, replies, sanitiser);
        Ok(Self {
            pipeline: pipeline.recorded_by(audit.clone()),
            recorder,
            audit,
            access,
            serve,
            sandbox: (runner, enclosure),
        })
    }

    /// What it offers.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// Serves until the input ends or the process is told to stop.
    ///
    /// # Errors
    /// When an address cannot be bound or signals cannot be listened for.
    pub async fn run(self) -> Result<(), ServeError> {
        let stop = Stop::on_signals()?;
        let recording = self.audit.start(IDENTITY.version);
        let (runner, enclosure) = self.sandbox;
        let announced = async {
            tokio::time::sleep(BEFORE_TRIAL).await;
            match confinement(&runner, &enclosure).await {
                Ok(held) => tracing::info!(tier = held.tier.as_str(), "sandbox"),
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(error, "commands are refused; see `omnipotent-mcp doctor`");
                }
            }
            std::future::pending().await
        };
        let served = (self.pipeline, self.recorder);
        let outcome = tokio::select! {
            outcome = mcp_serve::run(IDENTITY, self.serve, self.access, served, stop) => outcome,
            outcome = announced => outcome,
        };
        recording.stop().await;
        outcome
    }

    /// What holds commands on this host. Tries it out.
    ///
    /// # Errors
    /// When commands would be refused.
    pub async fn confinement(&self) -> Result<Confinement, RunError> {
        let (runner, enclosure) = &self.sandbox;
        confinement(runner, enclosure).await
    }
}

/// What would hold a command that is started now.
///
/// # Errors
/// When it would be refused.
pub(crate) async fn confinement(
    runner: &Runner,
    enclosure: &Enclosure,
) -> Result<Confinement, RunError> {
    let boundary = enclosure
        .outline()
        .map_err(|source| RunError::Directory { source })?;
    runner.confinement(&boundary).await
}

/// Rules that keep the server's own files out of reach, whatever the roots are.
fn own_files(paths: &[Option<&Path>]) -> Vec<ProtectedPath> {
    let rule = |path: String| ProtectedPath {
        path,
        access: Protection::ReadWrite,
    };
    let absolute = |path: &Path| Some(rule(std::path::absolute(path).ok()?.to_str()?.to_owned()));
    let usual =
        [".config", ".local/state"].map(|parent| rule(format!("{parent}/{}", IDENTITY.name)));
    let own = paths.iter().copied().flatten();
    own.filter_map(absolute).chain(usual).collect()
}
