//! Makes vectors of the one model that is in use.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mcp_cache::{Cache, CacheConfig, CacheStats};
use mcp_egress::Egress;
use serde::Serialize;
use tokio::sync::{Mutex, Semaphore};

use super::config::{CpuShare, EmbeddingConfig, ModelChoice};
#[cfg(test)]
use super::encoder::Open;
use super::encoder::{self, Encoder};
use super::endpoint::Endpoint;
use super::local::{self, Local};
use super::{Availability, EmbedError, SetupError, Unavailable, model, split};
use crate::store::{ModelName, ModelNumber, Store};

/// How long the vector of what was searched for is kept: the long tier of the caches.
const LONG_TIER: Duration = Duration::from_hours(1);
/// What those vectors may take, in bytes: about 2000 of 384 numbers.
const CACHE_BYTES: u64 = 4 << 20;
/// Chunks of one entry that are embedded: about 200 KB of English for the model of the server's own.
/// Text behind them is found by its words only.
const MOST_CHUNKS: usize = 256;

/// Makes vectors. Cheap to clone.
#[derive(Clone)]
pub struct Embedder(Arc<Inner>);

struct Inner {
    store: Arc<Store>,
    source: Source,
    cpu: CpuShare,
    queries: Cache<(Option<ModelNumber>, String), Arc<Sentence>>,
    /// One text that is searched for at a time: more would only slow each other down.
    turn: Semaphore,
    adopted: Mutex<Option<(ModelName, ModelNumber)>>,
    superseded: AtomicBool,
}

enum Source {
    None(Unavailable),
    Local(Local),
    Endpoint(Box<Endpoint>),
}

/// What an [`Embedder`] is made of.
pub struct EmbedderSetup<'a> {
    /// What the operator set.
    pub config: &'a EmbeddingConfig,
    /// Where the store is: a model is looked for there too.
    pub data: &'a Path,
    /// The way to an endpoint.
    pub egress: Egress,
    /// Reads a variable of the environment, for the endpoint's key.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
}

/// A text as a vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Sentence {
    /// The model that made it.
    pub model: ModelNumber,
    /// The vector, of length 1.
    pub vector: Vec<f32>,
}

/// What makes vectors, for those who look after the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EmbedderStatus {
    /// Why meaning cannot be searched now; `None` when it can.
    pub unavailable: Option<String>,
    /// The model's name, once it was used.
    pub model: Option<String>,
    /// Numbers in each of its vectors, once it was used.
    pub dimension: Option<usize>,
    /// The model's file, when there is one.
    pub file: Option<PathBuf>,
    /// The endpoint, when there is one.
    pub endpoint: Option<String>,
    /// Whether a model is in memory now.
    pub loaded: bool,
}

impl Embedder {
    /// Looks for a model, and loads none. That there is none is no error.
    pub fn build(store: Arc<Store>, setup: EmbedderSetup<'_>) -> Result<Self, SetupError> {
        let config = setup.config;
        let source = match (&config.model, &config.endpoint) {
            (ModelChoice::Off, _) => Source::None(Unavailable::Off),
            (ModelChoice::Auto, Some(endpoint)) => {
                let endpoint = Endpoint::new(endpoint.clone(), setup.egress, setup.environment)?;
                Source::Endpoint(Box::new(endpoint))
            }
            (ModelChoice::Auto | ModelChoice::At(_), _) => match model::find(config, setup.data) {
                Ok(local) => Source::Local(local),
                Err(looked) => Source::None(Unavailable::NoModel { looked }),
            },
        };
        Ok(Self::with_source(store, source, config.cpu_percent))
    }

    /// With a model that is opened like this.
    #[cfg(test)]
    pub(crate) fn opening(store: Arc<Store>, config: &EmbeddingConfig, open: Open) -> Self {
        let local = Local::new(None, open, config.idle_unload);
        Self::with_source(store, Source::Local(local), config.cpu_percent)
    }

    fn with_source(store: Arc<Store>, source: Source, cpu: CpuShare) -> Self {
        let max_bytes = CACHE_BYTES;
        let weigh = |sentence: &Arc<Sentence>| sentence.vector.len() * size_of::<f32>() + 256;
        Self(Arc::new(Inner {
            store,
            source,
            cpu,
            queries: Cache::build("query_vectors", &CacheConfig { max_bytes }, weigh),
            turn: Semaphore::new(1),
            adopted: Mutex::new(None),
            superseded: AtomicBool::new(false),
        }))
    }

    /// Whether there is a model, as far as that is known without loading it.
    pub fn availability(&self) -> Availability {
        let trouble = match &self.0.source {
            Source::None(reason) => Some(reason.clone()),
            Source::Local(local) => local.trouble(),
            Source::Endpoint(endpoint) => endpoint.trouble(),
        };
        let superseded = self.0.superseded.load(Ordering::Relaxed);
        let superseded = superseded.then_some(Unavailable::Superseded);
        match superseded.or(trouble) {
            None => Availability::Ready,
            Some(reason) => Availability::Not(reason),
        }
    }

    /// The vector of what is searched for, of the model in use; from memory if it was searched for
    /// in the last hour.
    pub async fn query(&self, text: &str) -> Result<Arc<Sentence>, EmbedError> {
        self.check()?;
        let adopted = self
            .0
            .adopted
            .lock()
            .await
            .as_ref()
            .map(|(_, model)| *model);
        let key = (adopted, text.to_owned());
        let make = Box::pin(async {
            let _turn = self.0.turn.acquire().await;
            let model = self.model().await?;
            let vectors = self.embed(vec![text.to_owned()]).await?;
            let vector = vectors.into_iter().next().unwrap_or_default();
            Ok(Arc::new(Sentence { model, vector }))
        });
        // Both futures are large.
        Box::pin(self.0.queries.get_or_run(key, LONG_TIER, make)).await
    }

    /// The model, in use from now on; loads it. Entries become pending when another one was.
    pub(crate) async fn model(&self) -> Result<ModelNumber, EmbedError> {
        self.check()?;
        let name = match &self.0.source {
            Source::None(reason) => return Err(reason.clone().into()),
            Source::Local(local) => encoder::name(&*self.encoder(local).await?),
            Source::Endpoint(endpoint) => endpoint.name().await?,
        };
        let mut adopted = self.0.adopted.lock().await;
        if let Some((known, number)) = &*adopted
            && *known == name
        {
            return Ok(*number);
        }
        let now = self.0.store.adopt_model(name.clone()).await?;
        if now.is_new {
            let progress = self.0.store.embedding_progress().await?;
            let pending = progress.pending;
            tracing::info!(model = name.name, pending, "another model is in use");
        }
        *adopted = Some((name, now.model));
        Ok(now.model)
    }

    /// A vector for each of these texts, each no longer than a chunk.
    pub(crate) async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, EmbedError> {
        match &self.0.source {
            Source::None(reason) => Err(reason.clone().into()),
            Source::Local(local) => {
                let embed = move |encoder: &dyn Encoder| {
                    texts.iter().map(|text| encoder.embed(text)).collect()
                };
                local::run(self.encoder(local).await?, embed).await
            }
            Source::Endpoint(endpoint) => endpoint.embed(&texts).await,
        }
    }

    /// The text in parts that can be embedded, the first 256 of them.
    pub(crate) async fn chunks(&self, text: String) -> Result<Vec<String>, EmbedError> {
        let take = |text: &str, ranges: Vec<std::ops::Range<usize>>| -> Vec<String> {
            let ranges = ranges.into_iter().take(MOST_CHUNKS);
            let parts = ranges.map(|range| text.get(range).unwrap_or_default().to_owned());
            parts.collect()
        };
        match &self.0.source {
            Source::None(reason) => Err(reason.clone().into()),
            Source::Local(local) => {
                let cut = move |encoder: &dyn Encoder| take(&text, encoder.chunks(&text));
                local::run(self.encoder(local).await?, cut).await
            }
            Source::Endpoint(endpoint) => {
                let most = endpoint.config.text_bytes.get();
                let most = usize::try_from(most).unwrap_or(usize::MAX);
                Ok(take(&text, split::split(&text, most)))
            }
        }
    }

    /// The encoder; when it is loaded for it, the worker hears of it, because it will let it go.
    async fn encoder(&self, local: &Local) -> Result<Arc<dyn Encoder>, Unavailable> {
        let was_loaded = local.is_loaded();
        let encoder = local.encoder().await?;
        if !was_loaded {
            self.0.store.look();
        }
        Ok(encoder)
    }

    /// How many chunks are embedded in one step, and how long to rest after it.
    pub(crate) fn pace(&self) -> (usize, impl Fn(Duration) -> Duration + use<>) {
        let cpu = self.0.cpu;
        let (batch, is_own_work) = match &self.0.source {
            Source::None(_) | Source::Local(_) => (1, true),
            Source::Endpoint(endpoint) => {
                let batch = endpoint.config.batch.get();
                (usize::try_from(batch).unwrap_or(usize::MAX), false)
            }
        };
        let rest = move |work| {
            if is_own_work {
                cpu.rest(work)
            } else {
                Duration::ZERO
            }
        };
        (batch, rest)
    }

    /// Whether there will ever be vectors.
    pub(crate) fn has_source(&self) -> bool {
        !matches!(self.0.source, Source::None(_))
    }

    /// Lets go of a model that is idle; how long it may stay otherwise.
    pub(crate) fn unload_idle(&self) -> Option<Duration> {
        match &self.0.source {
            Source::Local(local) => local.unload_idle(),
            Source::None(_) | Source::Endpoint(_) => None,
        }
    }

    /// Another model is in use now: this one makes no vectors any more.
    pub(crate) fn set_superseded(&self) {
        if !self.0.superseded.swap(true, Ordering::Relaxed) {
            tracing::warn!("another process uses another model on the same file");
        }
    }

    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.0.store
    }

    /// What makes vectors.
    pub async fn status(&self) -> EmbedderStatus {
        let adopted = self.0.adopted.lock().await.clone();
        let (model, dimension) = match adopted {
            Some((name, _)) => (Some(name.name), Some(name.dimension)),
            None => (None, None),
        };
        let (file, endpoint, loaded) = match &self.0.source {
            Source::None(_) => (None, None, false),
            Source::Local(local) => (local.file.clone(), None, local.is_loaded()),
            Source::Endpoint(endpoint) => (None, Some(endpoint.config.url.clone()), false),
        };
        let unavailable = match self.availability() {
            Availability::Ready => None,
            Availability::Not(reason) => Some(reason.to_string()),
        };
        EmbedderStatus {
            unavailable,
            model,
            dimension,
            file,
            endpoint,
            loaded,
        }
    }

    /// How often what was searched for was in memory.
    pub fn cache_stats(&self) -> CacheStats {
        self.0.queries.stats()
    }

    /// Forgets what was searched for; says how many texts that were.
    pub async fn clear_cache(&self) -> u64 {
        self.0.queries.clear().await
    }

    fn check(&self) -> Result<(), Unavailable> {
        match self.availability() {
            Availability::Ready => Ok(()),
            Availability::Not(reason) => Err(reason),
        }
    }
}

impl std::fmt::Debug for Embedder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedder")
            .field("availability", &self.availability())
            .finish_non_exhaustive()
    }
}
