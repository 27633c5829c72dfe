//! From a configuration to a pipeline that can be served.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use mcp_audit::Audit;
use mcp_egress::ConfigError as EgressConfigError;
use mcp_metrics::Recorder;
use mcp_sandbox::{BuildError as SandboxError, Confinement, RunError, Runner};
use mcp_security::commands::CommandsConfigError;
use mcp_security::names::NameListError;
use mcp_security::paths::RootsError;
use mcp_security::redaction::{Redactor, Secret, secrets_in_environment};
use mcp_serve::program::default_configuration;
use mcp_serve::{
    Access, Identity, Load, MissingToken, Reloading, Renewal, Sections, ServeConfig, ServeError,
    Standing, Stop,
};
use mcp_toolcall::{Pipeline, Sanitiser, reply_cache};

use crate::Config;
use crate::announcer::Announcer;
use crate::doctor::{self, Diagnosis};
use crate::enclosure::Enclosure;
use crate::host::Host;
use crate::own::OwnFiles;
use crate::policy::{self, Lasting, Made};

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
    pipeline: Arc<Pipeline>,
    lasting: Lasting,
    started_with: Sections,
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
    pub fn build(config: Config, start: Start) -> Result<Self, BuildError> {
        let serve = config.serve();
        let access = Access::prepare(
            IDENTITY.name,
            &serve,
            &start.environment,
            start.missing_token,
        )?;
        let audit_file = config.audit.place(IDENTITY.name, &start.environment);
        let audit = Audit::build(&config.audit, IDENTITY.name, audit_file.clone());
        let audit_directory = match start.missing_token {
            MissingToken::Make => audit.directory(),
            MissingToken::Leave => None,
        };
        if let Some(file) = audit_file.as_deref().filter(|_| config.audit.enabled) {
            // A file's name alone lies in the working directory.
            let directory = start.working_directory.join(file.parent().unwrap_or(file));
            mcp_metrics::disk_in_use("audit", directory);
        }
        let own = own_files(&start, &access, [audit_file, audit_directory]);
        let mut secrets = secrets_in_environment(&start.environment);
        secrets.extend(access.secret().map(|token| Secret {
            name: "bearer token".to_owned(),
            value: token.into(),
        }));
        let sanitiser = Sanitiser::new(
            Redactor::build(secrets),
            config.transport.max_message_bytes.get(),
        );
        let replies = reply_cache(&config.cache);
        let lasting = Lasting {
            own,
            audit,
            start,
            host: Host::new(),
            recorder: Recorder::new(IDENTITY.version),
            replies: replies.clone(),
            started: Instant::now(),
            standing: Standing::default(),
            runner: Mutex::default(),
            announcer: Announcer::default(),
        };
        let (started_with, calls) = (Sections::of(&config, &policy::LIVE), config.calls.clone());
        let version = policy::version_of(&started_with, &lasting.start).into();
        let Made {
            policy,
            runner,
            enclosure,
        } = lasting.policy(config, version, None)?;
        mcp_metrics::policy_in_force(&policy.version);
        let pipeline = Pipeline::new(calls, policy, replies, sanitiser);
        Ok(Self {
            pipeline: Arc::new(pipeline.recorded_by(lasting.audit.clone())),
            lasting,
            started_with,
            access,
            serve,
            sandbox: (runner, enclosure),
        })
    }

    /// What it offers.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// Serves until the input ends or the process is told to stop. `load` reads the configuration
    /// again: on SIGHUP and when its file changes, the policy in it takes the place of the one in
    /// force.
    ///
    /// # Errors
    /// When an address cannot be bound or signals cannot be listened for.
    pub async fn run(self, load: Box<Load<Config>>) -> Result<(), ServeError> {
        let stop = Stop::on_signals()?;
        let recording = self.lasting.audit.start(IDENTITY.version);
        let announcer = self.lasting.announcer.clone();
        // They belong to the first policy, which another may follow.
        let (runner, enclosure) = self.sandbox;
        announcer.look(runner, enclosure);
        let recorder = self.lasting.recorder.clone();
        let file = self.lasting.start.config_file.clone();
        let renewal = Renewal {
            standing: self.lasting.standing.clone(),
            policies: self.lasting,
            pipeline: Arc::clone(&self.pipeline),
            started_with: self.started_with,
            load,
        };
        let _reloading =
            Reloading::start(file.as_deref(), move |occasion| renewal.renew(occasion))?;
        let served = (self.pipeline, recorder);
        let outcome = tokio::select! {
            outcome = mcp_serve::run(IDENTITY, self.serve, self.access, served, stop) => outcome,
            never = announcer.run() => match never {},
        };
        recording.stop().await;
        outcome
    }

    /// What this host can enforce, and what it cannot and why.
    ///
    /// # Errors
    /// When a root is gone.
    pub async fn diagnose(&self) -> io::Result<Diagnosis> {
        let (runner, enclosure) = &self.sandbox;
        Ok(doctor::diagnose(runner, &enclosure.outline()?).await)
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

/// The files that decide what the server does and hold what it did, with their directories.
fn own_files(start: &Start, access: &Access, audit: [Option<PathBuf>; 2]) -> OwnFiles {
    let usual_file = default_configuration(IDENTITY.name, &start.environment);
    let [audit_file, audit_directory] = audit;
    OwnFiles::new(
        &[
            start.config_file.as_deref(),
            usual_file.as_deref(),
            access.token_file(),
            audit_file.as_deref(),
        ],
        &[
            usual_file.as_deref().and_then(Path::parent),
            audit_file.as_deref().and_then(Path::parent),
            audit_directory.as_deref(),
        ],
    )
}
