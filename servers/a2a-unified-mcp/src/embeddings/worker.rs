//! Makes the vectors of entries in the background, with rests in between.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::{EmbedError, Embedder, Unavailable, entry_text};
use crate::store::{Embedded, EmbeddingProgress, Lease, ModelNumber, Pending, Taken};

/// Entries that are taken together.
const TAKEN: NonZeroU32 = NonZeroU32::MIN.saturating_add(15);
/// How long entries are taken for; renewed in the middle of it.
const LEASE: Duration = Duration::from_mins(2);
/// Vectors are kept at least this often.
const KEPT: Duration = Duration::from_secs(1);
/// How often an idle worker looks for entries that another process wrote and did not embed.
const LOOK: Duration = Duration::from_mins(5);
/// The wait after a failure, and the longest after many.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_mins(10);
/// How often a long run is reported.
const REPORT: Duration = Duration::from_secs(15);

/// Makes vectors of entries that have none, with the share of a processor that the operator allows.
#[derive(Debug)]
pub struct Worker {
    embedder: Embedder,
    /// When the run began that goes on, and was reported last.
    run: Option<(Instant, Instant)>,
}

/// What follows a round.
enum Next {
    /// Another one.
    Round,
    /// Rest, until there is something to take at the latest.
    Rest(Option<Duration>),
}

/// Entries that were taken together, on their way.
struct Batch {
    model: ModelNumber,
    lease: Lease,
    renewed: Instant,
    kept: Instant,
    /// Chunks to embed, by entry.
    parts: VecDeque<(i64, String)>,
    /// What each entry has so far.
    made: BTreeMap<i64, Vec<Vec<f32>>>,
    /// Entries that neither have all of theirs nor failed.
    left: usize,
}

impl Worker {
    /// Of this embedder and its store. One is enough in a process.
    pub fn new(embedder: Embedder) -> Self {
        let run = None;
        Self { embedder, run }
    }

    /// Works until it is stopped.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut wait = FIRST_WAIT;
        while self.embedder.has_source() && !stop.is_cancelled() {
            match self.round(&stop).await {
                Ok(next) => {
                    wait = FIRST_WAIT;
                    if let Next::Rest(due) = next {
                        self.rest(due, &stop).await;
                    }
                }
                Err(EmbedError::Unavailable(Unavailable::Superseded)) => break,
                Err(error) => {
                    tracing::warn!(%error, retry_s = wait.as_secs(), "entries cannot be embedded");
                    or_stopped(tokio::time::sleep(wait), &stop).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
        }
        stop.cancelled().await;
    }

    /// Until something is written or due, or the model has been idle for long enough.
    async fn rest(&self, due: Option<Duration>, stop: &CancellationToken) {
        let idle = self.embedder.unload_idle();
        let wait = [due, idle].into_iter().flatten().fold(LOOK, Duration::min);
        let written = tokio::time::timeout(wait, self.embedder.store().written());
        or_stopped(written, stop).await;
    }

    async fn round(&mut self, stop: &CancellationToken) -> Result<Next, EmbedError> {
        let store = self.embedder.store();
        let due = store.next_pending().await?;
        if due != Some(Duration::ZERO) {
            self.report_end().await?;
            return Ok(Next::Rest(due));
        }
        let model = self.embedder.model().await?;
        match store.take_pending(model, TAKEN, LEASE).await? {
            Taken::Nothing => {}
            Taken::Superseded => {
                self.embedder.set_superseded();
                return Err(Unavailable::Superseded.into());
            }
            Taken::Entries(lease, entries) => {
                let mut batch = Batch::new(model, lease, entries.len());
                let done = self.embed(&mut batch, entries, stop).await;
                batch.keep(&self.embedder).await?;
                if batch.is_left() {
                    // After a failure, or when this one is to stop: others may go on.
                    store.give_back(lease).await?;
                }
                done?;
                self.report().await?;
            }
        }
        Ok(Next::Round)
    }

    async fn embed(
        &self,
        batch: &mut Batch,
        entries: Vec<Pending>,
        stop: &CancellationToken,
    ) -> Result<(), EmbedError> {
        for pending in entries {
            let text = entry_text(&pending.key, &pending.value, &pending.tags);
            let chunks = match self.embedder.chunks(text).await {
                Err(EmbedError::Text { reason }) => {
                    batch.fail(&self.embedder, pending.entry, &reason).await?;
                    continue;
                }
                chunks => chunks?,
            };
            batch.made.insert(pending.entry, Vec::new());
            let parts = chunks.into_iter().map(|chunk| (pending.entry, chunk));
            batch.parts.extend(parts);
        }
        let (most, pause) = self.embedder.pace();
        while !batch.parts.is_empty() {
            let begun = Instant::now();
            let stepped = or_stopped(batch.step(&self.embedder, most), stop).await;
            let Some(stepped) = stepped else { break };
            stepped?;
            or_stopped(tokio::time::sleep(pause(begun.elapsed())), stop).await;
            batch.keep_going(&self.embedder).await?;
        }
        Ok(())
    }

    async fn report(&mut self) -> Result<(), EmbedError> {
        let now = Instant::now();
        let (begun, reported) = self.run.unwrap_or((now, now));
        self.run = Some((begun, reported));
        if reported.elapsed() >= REPORT {
            let EmbeddingProgress { pending, done, .. } =
                self.embedder.store().embedding_progress().await?;
            tracing::info!(pending, done, "entries are being embedded");
            self.run = Some((begun, now));
        }
        Ok(())
    }

    async fn report_end(&mut self) -> Result<(), EmbedError> {
        if let Some((begun, _)) = self.run.take()
            && begun.elapsed() >= REPORT
        {
            let EmbeddingProgress { done, failed, .. } =
                self.embedder.store().embedding_progress().await?;
            tracing::info!(done, failed, "all entries are embedded");
        }
        Ok(())
    }
}

impl Batch {
    fn new(model: ModelNumber, lease: Lease, left: usize) -> Self {
        let now = Instant::now();
        Self {
            model,
            lease,
            renewed: now,
            kept: now,
            parts: VecDeque::new(),
            made: BTreeMap::new(),
            left,
        }
    }

    /// Embeds the next chunks: together, or when one of them cannot be, each by itself.
    async fn step(&mut self, embedder: &Embedder, most: usize) -> Result<(), EmbedError> {
        let parts: Vec<&(i64, String)> = self.parts.iter().take(most.max(1)).collect();
        let taken = parts.len();
        let texts = parts.iter().map(|(_, text)| text.clone()).collect();
        match embedder.embed(texts).await {
            Ok(vectors) => {
                for ((entry, _), vector) in self.parts.drain(..taken).zip(vectors) {
                    self.made.entry(entry).or_default().push(vector);
                }
                Ok(())
            }
            Err(EmbedError::Text { .. }) if taken > 1 => {
                for _ in 0..taken {
                    Box::pin(self.step(embedder, 1)).await?;
                }
                Ok(())
            }
            Err(EmbedError::Text { reason }) => match self.parts.front() {
                Some((entry, _)) => self.fail(embedder, *entry, &reason).await,
                None => Ok(()),
            },
            Err(error) => Err(error),
        }
    }

    /// An entry cannot be embedded, so nothing of it is.
    async fn fail(
        &mut self,
        embedder: &Embedder,
        failed: i64,
        reason: &str,
    ) -> Result<(), EmbedError> {
        tracing::warn!(entry = failed, reason, "an entry cannot be embedded");
        self.parts.retain(|(entry, _)| *entry != failed);
        self.made.remove(&failed);
        self.left = self.left.saturating_sub(1);
        embedder.store().put_failure(self.lease, failed).await?;
        Ok(())
    }

    /// Whether entries were taken and neither embedded nor failed.
    fn is_left(&self) -> bool {
        self.left > 0
    }

    /// Does what is due.
    async fn keep_going(&mut self, embedder: &Embedder) -> Result<(), EmbedError> {
        if self.kept.elapsed() >= KEPT {
            self.keep(embedder).await?;
        }
        if self.renewed.elapsed() >= LEASE / 2 {
            embedder.store().renew(self.lease, LEASE).await?;
            self.renewed = Instant::now();
        }
        Ok(())
    }

    /// Keeps the vectors of entries that have all of theirs.
    async fn keep(&mut self, embedder: &Embedder) -> Result<(), EmbedError> {
        let is_open = |entry: &i64| self.parts.iter().any(|(open, _)| open == entry);
        let (open, whole) = std::mem::take(&mut self.made)
            .into_iter()
            .partition(|(entry, _)| is_open(entry));
        self.made = open;
        self.kept = Instant::now();
        let whole: BTreeMap<i64, Vec<Vec<f32>>> = whole;
        let vectors: Vec<Embedded> = whole
            .into_iter()
            .map(|(entry, chunks)| Embedded { entry, chunks })
            .collect();
        if !vectors.is_empty() {
            let store = embedder.store();
            self.left = self.left.saturating_sub(vectors.len());
            store.put_vectors(self.model, self.lease, vectors).await?;
        }
        Ok(())
    }
}

/// What comes of it, or nothing when it is stopped before.
async fn or_stopped<T>(work: impl Future<Output = T>, stop: &CancellationToken) -> Option<T> {
    stop.run_until_cancelled(work).await
}
