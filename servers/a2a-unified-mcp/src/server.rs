//! From a configuration to a pipeline that can be served.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use mcp_metrics::Recorder;
use mcp_ratelimit::Limiter;
use mcp_security::redaction::{Redactor, Secret, secrets_in_environment};
use mcp_serve::program::user_directory;
use mcp_serve::{Access, Identity, MissingToken, ServeConfig, ServeError, Stop};
use mcp_toolcall::{Pipeline, Policy, Sanitiser, reply_cache};
use tokio_util::sync::CancellationToken;

use crate::Config;
use crate::caches::Caches;
use crate::embeddings::{Embedder, EmbedderSetup, SetupError, Worker};
use crate::library::Memories;
use crate::search::Searcher;
use crate::store::{Store, StoreError};
use crate::tools::transfer::Exports;
use crate::tools::{self, Parts};
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

impl Server {
    /// Opens the file and puts a configuration in force.
    ///
    /// # Errors
    /// Names what cannot be used.
    pub async fn build(config: Config, start: Start) -> Result<Self, BuildError> {
        let serve = config.serve();
        let environment = &start.environment;
        let access = Access::prepare(IDENTITY.name, &serve, environment, start.missing_token)?;
        let directory = data_directory(&config, environment)?;
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
        let catalog = tools::catalog(Parts {
            store: Arc::clone(&store),
            exports: Exports::new(&config.exports, &directory),
            caches: Caches::build(&config.cache, searcher.clone(), embedder.clone()),
            embedder: embedder.clone(),
            searcher: searcher.clone(),
            recorder: recorder.clone(),
            soundness: soundness.clone(),
            started: Instant::now(),
        });
        let policy = Policy {
            version: IDENTITY.version.into(),
            catalog,
            limiter: Arc::new(Limiter::build(&config.rate)),
        };
        let mut secrets = secrets_in_environment(environment);
        secrets.extend(access.secret().map(|token| Secret {
            name: "bearer token".to_owned(),
            value: token.into(),
        }));
        let largest = config.transport.max_message_bytes.get();
        let sanitiser = Sanitiser::new(Redactor::build(secrets), largest);
        let replies = reply_cache(&config.cache);
        let pipeline = Pipeline::new(config.calls, policy, replies, sanitiser)
            .with_library(Memories::new(Arc::clone(&store), searcher));
        Ok(Self {
            pipeline: Arc::new(pipeline),
            recorder,
            store,
            embedder,
            soundness,
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

    /// Serves until the input ends or the process is told to stop.
    ///
    /// # Errors
    /// When an address cannot be bound or signals cannot be listened for.
    pub async fn run(self) -> Result<(), ServeError> {
        let stop = Stop::on_signals()?;
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
