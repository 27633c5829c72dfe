//! From a configuration to a pipeline that can be served.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use mcp_metrics::Recorder;
use mcp_security::redaction::{Redactor, Secret, secrets_in_environment};
use mcp_serve::program::user_directory;
use mcp_serve::{
    Access, Identity, Load, MissingToken, Reloading, Renewal, Sections, ServeConfig, ServeError,
    Standing, Stop,
};
use mcp_toolcall::{Pipeline, Sanitiser, reply_cache};
use tokio_util::sync::CancellationToken;

use crate::Config;
use crate::caches::Caches;
use crate::embeddings::{Embedder, EmbedderSetup, EmbeddingConfig, SetupError, Worker};
use crate::library::Memories;
use crate::policy::{self, Lasting};
use crate::search::Searcher;
use crate::store::{Store, StoreError};
use crate::tools::Parts;
use crate::tools::transfer::Exports;
use crate::upkeep::{self, Soundness};
use crate::vectors::Semantic;

/// What the server says of itself.
pub const IDENTITY: Identity = Identity {
    name: env!("CARGO_PKG_NAME"),
    title: "A2A Unified",
    version: env!("CARGO_PKG_VERSION"),
    instructions: "A memory that several agents share and that outlasts every session. Look first: \
        search_knowledge takes a question or words, recall takes an exact key. Then remember what is \
        worth keeping: one fact an entry, a telling key, a category for the project or topic. Every \
        change keeps the earlier value (memory_history). A refused call is answered with a JSON \
        object: `code` says why, `hint` says the smallest change that would work.",
    ops_port: 9932,
};

/// The name of the file in the data directory.
const FILE_NAME: &str = "knowledge.db";

/// What the process was started with. Read once, by `main`.
#[derive(Debug)]
pub struct Start {
    /// The configuration file that was read.
    pub config_file: Option<PathBuf>,
    /// The environment.
    pub environment: Vec<(OsString, OsString)>,
    /// What becomes of a bearer token that does not exist yet.
    pub missing_token: MissingToken,
}

/// A server that is ready to be served.
#[derive(Debug)]
pub struct Server {
    pipeline: Arc<Pipeline>,
    recorder: Recorder,
    store: Arc<Store>,
    embedder: Embedder,
    soundness: Soundness,
    lasting: Lasting,
    started_with: Sections,
    config_file: Option<PathBuf>,
    access: Access,
    serve: ServeConfig,
}

/// The configuration cannot be put in force.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Nothing says where the file is.
    #[error("there is no home directory: set data.directory, A2A_DATA__DIRECTORY or --data-dir")]
    NoDirectory,
    /// The file cannot be used.
    #[error("{}", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// Why.
        source: StoreError,
    },
    /// The embeddings endpoint cannot be used.
    #[error("embedding")]
    Embedding(#[from] SetupError),
    /// The network policy cannot be used.
    #[error("egress")]
    Egress(#[from] mcp_egress::ConfigError),
    /// The server cannot be reached in the way that is asked for.
    #[error("http")]
    Serve(#[from] ServeError),
}

/// The directory that everything is kept in.
///
/// # Errors
/// When none is configured and the environment names no home.
pub fn data_directory(
    config: &Config,
    environment: &[(OsString, OsString)],
) -> Result<PathBuf, BuildError> {
    let usual = || {
        let data = user_directory(environment, "XDG_DATA_HOME", ".local/share")?;
        Some(data.join(IDENTITY.name))
    };
    let named = config.data.directory.clone();
    named.or_else(usual).ok_or(BuildError::NoDirectory)
}

/// The file that entries are kept in.
pub fn data_file(directory: &Path) -> PathBuf {
    directory.join(FILE_NAME)
}

/// What no reply may hold.
fn secrets(
    environment: &[(OsString, OsString)],
    access: &Access,
    config: &EmbeddingConfig,
) -> Vec<Secret> {
    let mut secrets = secrets_in_environment(environment);
    secrets.extend(access.secret().map(|token| Secret {
        name: "bearer token".to_owned(),
        value: token.into(),
    }));
    let key = config
        .endpoint
        .as_ref()
        .and_then(|endpoint| endpoint.key_env.as_deref());
    let variable = environment
        .iter()
        .find(|(name, _)| key.is_some_and(|key| name == key));
    secrets.extend(variable.and_then(|(name, value)| {
        Some(Secret {
            name: name.to_str()?.to_owned(),
            value: value.to_str()?.into(),
        })
    }));
    secrets
}

impl Server {
    /// Opens the file and puts a configuration in force.
    ///
    /// # Errors
    /// Names what cannot be used.
    pub async fn build(config: Config, start: Start) -> Result<Self, BuildError> {
        let started_with = Sections::of(&config, &policy::LIVE);
        let serve = config.serve();
        let environment = &start.environment;
        let access = Access::prepare(IDENTITY.name, &serve, environment, start.missing_token)?;
        let directory = data_directory(&config, environment)?;
        mcp_metrics::disk_in_use("data", directory.clone());
        let path = data_file(&directory);
        let opened = Store::open(&path, &config.store).await;
        let store = Arc::new(opened.map_err(|source| BuildError::Store { path, source })?);
        let recorder = Recorder::new(IDENTITY.version);
        let variable = |name: &str| {
            let found = environment.iter().find(|(key, _)| key == name);
            found.and_then(|(_, value)| value.to_str().map(str::to_owned))
        };
        let setup = EmbedderSetup {
            config: &config.embedding,
            data: &directory,
            egress: config.egress.build()?,
            environment: &variable,
        };
        let embedder = Embedder::build(Arc::clone(&store), setup)?;
        let searcher = Searcher::new(Arc::clone(&store), &config.search)
            .with_semantic(Semantic::new(embedder.clone()));
        let soundness = Soundness::default();
        let lasting = Lasting(Parts {
            store: Arc::clone(&store),
            exports: Exports::new(&config.exports, &directory, &data_file(&directory)),
            caches: Caches::build(&config.cache, searcher.clone(), embedder.clone()),
            embedder: embedder.clone(),
            searcher: searcher.clone(),
            recorder: recorder.clone(),
            soundness: soundness.clone(),
            started: Instant::now(),
            standing: Standing::default(),
        });
        let version = policy::version(&started_with).into();
        let policy = lasting.policy(&config.rate, version, None);
        mcp_metrics::policy_in_force(&policy.version);
        let largest = config.transport.max_message_bytes.get();
        let sanitiser = Sanitiser::new(
            Redactor::build(secrets(environment, &access, &config.embedding)),
            largest,
        );
        let replies = reply_cache(&config.cache);
        let pipeline = Pipeline::new(config.calls, policy, replies, sanitiser)
            .with_library(Memories::new(Arc::clone(&store), searcher));
        Ok(Self {
            pipeline: Arc::new(pipeline),
            recorder,
            store,
            embedder,
            soundness,
            lasting,
            started_with,
            config_file: start.config_file,
            access,
            serve,
        })
    }

    /// What it offers.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// Where the entries are.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What its policy is renewed with.
    #[cfg(test)]
    pub(crate) fn renewable(self) -> (Arc<Pipeline>, Lasting, Sections) {
        (self.pipeline, self.lasting, self.started_with)
    }

    /// Serves until the input ends or the process is told to stop. `load` reads the configuration
    /// again: on SIGHUP and when its file changes, the rate in it is put in force.
    ///
    /// # Errors
    /// When an address cannot be bound or signals cannot be listened for.
    pub async fn run(self, load: Box<Load<Config>>) -> Result<(), ServeError> {
        let stop = Stop::on_signals()?;
        let renewal = Renewal {
            standing: self.lasting.0.standing.clone(),
            policies: self.lasting,
            pipeline: Arc::clone(&self.pipeline),
            started_with: self.started_with,
            load,
        };
        let file = self.config_file.as_deref();
        let _reloading = Reloading::start(file, move |occasion| renewal.renew(occasion))?;
        let served = (self.pipeline, self.recorder);
        let ended = CancellationToken::new();
        let embedding = Worker::new(self.embedder).run(ended.clone());
        let serving = async {
            let _ended = ended.drop_guard();
            mcp_serve::run(IDENTITY, self.serve, self.access, served, stop).await
        };
        let outcome = tokio::select! {
            (outcome, ()) = async { tokio::join!(serving, embedding) } => outcome,
            never = upkeep::run(&self.store, &self.soundness) => match never {},
        };
        self.store.close().await;
        outcome
    }
}
