//! The handle that the life of a call records through.
//!
//! Records of reading calls wait in a short queue for some milliseconds and are written together;
//! records of changing calls are written before their answer leaves, after what waits.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::AuditError;
use crate::call::{Begun, CallRecord};
use crate::config::{AuditConfig, Failure, OnFailure, Sync};
use crate::journal::{Journal, Limits, Patience, Room, Stopped, Urgency};
use crate::queue::{Queue, TurnedAway};
use crate::record::{Event, Origin};

/// While the audit cannot be written, reading calls try again at most this often.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How long records of reading calls are gathered: a write for each would take longer than a cheap
/// call itself. The clock runs only while a record waits.
const GATHERED_FOR: Duration = Duration::from_millis(10);

/// How long a write to the disk may take before the audit counts as failing.
const DISK_PATIENCE: Duration = Duration::from_secs(10);

/// What a call does, as far as its record is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It only reads.
    Reads,
    /// It may change something.
    Changes,
}

/// The record of what is done. Cheap to clone; clones write to one chain.
#[derive(Debug, Clone)]
pub struct Audit(Option<Arc<Inner>>);

#[derive(Debug)]
pub(crate) struct Inner {
    origin: Origin,
    on_failure: OnFailure,
    sync: Sync,
    queue: Mutex<Queue>,
    journal: Mutex<Journal>,
    health: Mutex<Health>,
    failing: AtomicBool,
    /// Nothing was written yet, so it is not known whether it can be.
    untried: AtomicBool,
    /// A thread waits for a disk that does not answer; no other is sent after it.
    hung: AtomicBool,
    policy: Mutex<Option<Arc<str>>>,
    waiting: Notify,
}

#[derive(Debug, Default)]
struct Health {
    reason: Option<Arc<str>>,
    tried: Option<Instant>,
}

/// A call cannot be recorded and is refused for it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the call is not run because it cannot be recorded: {reason}")]
pub struct Unrecordable {
    /// Why the audit cannot be written.
    pub reason: Arc<str>,
}

/// How the audit is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It is off by configuration.
    Off,
    /// It is written.
    Writing {
        /// The file; none before the first record.
        file: Option<PathBuf>,
        /// Whether room for the next records is kept allocated, or only watched.
        room_is_kept: bool,
    },
    /// It cannot be written.
    Failing {
        /// Why.
        reason: Arc<str>,
    },
}

impl Audit {
    /// An audit that records nothing.
    pub const fn off() -> Self {
        Self(None)
    }

    /// The audit of the program `server` at `path`, see [`AuditConfig::place`]. Nothing is opened.
    pub fn build(config: &AuditConfig, server: &str, path: Option<PathBuf>) -> Self {
        if !config.enabled {
            return Self::off();
        }
        let origin = Origin::of_process(server);
        let limits = Limits {
            file_bytes: config.file_bytes(),
            files: config.max_files.get(),
        };
        Self(Some(Arc::new(Inner {
            journal: Mutex::new(Journal::new(path, origin.clone(), limits)),
            origin,
            on_failure: config.on_failure,
            sync: config.sync,
            queue: Mutex::default(),
            health: Mutex::default(),
            failing: AtomicBool::new(false),
            untried: AtomicBool::new(true),
            hung: AtomicBool::new(false),
            policy: Mutex::default(),
            waiting: Notify::new(),
        })))
    }

    /// Whether anything is recorded.
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Makes the directory if need be and returns it without links, so that it can be protected.
    /// None when there is none; why is logged and shown by [`Audit::status`].
    pub fn directory(&self) -> Option<PathBuf> {
        let inner = self.0.as_deref()?;
        let prepared = locked(&inner.journal).prepare().map(Path::to_owned);
        prepared.map_err(|error| inner.failed(&error)).ok()
    }

    /// Queues the first record, and writes what is queued until the returned value is dropped: the
    /// file is opened when the first answer is likely to have left. Must be called on a tokio runtime.
    #[must_use = "records wait until it is stopped or dropped"]
    pub fn start(&self, version: &str) -> Writing {
        let mut task = JoinSet::new();
        if let Some(inner) = &self.0 {
            let policy = inner.policy();
            let start = Event::Start {
                version,
                policy: policy.as_deref(),
            };
            inner.push_event(&start);
            task.spawn(write_what_waits(Arc::clone(inner)));
        }
        Writing {
            audit: self.clone(),
            task,
        }
    }

    /// Begins the record of one call.
    pub fn begin(&self, begun: Begun<'_>) -> CallRecord {
        CallRecord::new(self.0.clone(), begun)
    }

    /// Counts a call that was turned away on arrival. A flood of them leaves a line a second.
    pub fn turned_away(&self, why: TurnedAway) {
        let Some(inner) = &self.0 else { return };
        let due = locked(&inner.queue).turn_away(why);
        if due {
            inner.push_turned_away();
        }
    }

    /// Says which policy is in force: its version is in every record from now on.
    pub fn policy(&self, version: &str) {
        let Some(inner) = &self.0 else { return };
        let before = locked(&inner.policy).replace(version.into());
        if before.as_deref().is_some_and(|before| before != version) {
            inner.push_event(&Event::Policy {
                policy: version,
                before: before.as_deref(),
            });
        }
    }

    /// How it is.
    pub fn status(&self) -> Status {
        let Some(inner) = &self.0 else {
            return Status::Off;
        };
        if let Some(reason) = locked(&inner.health).reason.clone() {
            return Status::Failing { reason };
        }
        let state = locked(&inner.journal).state();
        Status::Writing {
            room_is_kept: !matches!(state, Some((_, Room::Watched))),
            file: state.map(|(file, _)| file),
        }
    }
}

/// The writing of what is queued. Dropping it leaves what waits unwritten.
#[derive(Debug)]
pub struct Writing {
    audit: Audit,
    task: JoinSet<()>,
}

impl Writing {
    /// Writes what waits and a last record.
    pub async fn stop(mut self) {
        self.task.shutdown().await;
        let Some(inner) = &self.audit.0 else { return };
        inner.push_turned_away();
        inner.push_event(&Event::Stop);
        inner.write_out().await;
    }
}

async fn write_what_waits(inner: Arc<Inner>) {
    loop {
        inner.waiting.notified().await;
        tokio::time::sleep(GATHERED_FOR).await;
        inner.write_out().await;
    }
}

impl Inner {
    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(crate) fn policy(&self) -> Option<Arc<str>> {
        locked(&self.policy).clone()
    }

    /// Whether a call of that effect may run: not without room for its record, if that matters.
    pub(crate) async fn admit(self: &Arc<Self>, effect: Effect) -> Result<(), Unrecordable> {
        let (mode, must_ask) = match effect {
            Effect::Changes => (self.on_failure.changes, true),
            Effect::Reads => (self.on_failure.reads, !self.is_known_to_work()),
        };
        if mode == Failure::Open || !must_ask {
            return Ok(());
        }
        if let Err(Stopped::Busy) = self.reserve(Patience::None) {
            self.wait_for(|inner| inner.reserve(Patience::Wait)).await;
        }
        match locked(&self.health).reason.clone() {
            Some(reason) => Err(Unrecordable { reason }),
            None => Ok(()),
        }
    }

    fn is_known_to_work(&self) -> bool {
        !self.failing.load(Ordering::Relaxed) && !self.untried.load(Ordering::Relaxed)
    }

    fn reserve(&self, patience: Patience) -> Result<(), Stopped> {
        let mut journal = self.journal(patience)?;
        let reserved = journal.reserve(patience);
        drop(journal);
        self.judge(&reserved);
        reserved
    }

    /// Queues the record of a call that ended. Returns whether it must be written now.
    pub(crate) fn push(&self, body: &str, effect: Effect) -> bool {
        let urgency = match effect {
            Effect::Changes => Urgency::Acted,
            Effect::Reads => Urgency::Read,
        };
        let pushed = locked(&self.queue).push(body, urgency);
        if pushed.is_first || self.failing.load(Ordering::Relaxed) {
            self.waiting.notify_one();
        }
        pushed.is_full || effect == Effect::Changes
    }

    fn push_event(&self, event: &Event<'_>) {
        self.push(&self.origin.event(event), Effect::Reads);
    }

    fn push_turned_away(&self) {
        let (rate_limited, saturated) = locked(&self.queue).take_turned_away();
        if rate_limited + saturated > 0 {
            self.push_event(&Event::TurnedAway {
                rate_limited,
                saturated,
            });
        }
    }

    /// Writes what waits; what may take long does so on a thread of its own.
    pub(crate) async fn write_out(self: &Arc<Self>) {
        let durable = match self.sync {
            Sync::Never => false,
            Sync::Changes => locked(&self.queue).has_acted(),
            Sync::Always => true,
        };
        let patience = if durable {
            Patience::Durable
        } else {
            Patience::Wait
        };
        if durable || matches!(self.write(Patience::None), Err(Stopped::Busy)) {
            self.wait_for(move |inner| inner.write(patience)).await;
        }
    }

    /// Does what may wait for the disk on a thread of its own.
    async fn wait_for(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<(), Stopped> + Send + 'static,
    ) {
        if self.hung.load(Ordering::Relaxed) {
            return;
        }
        let inner = Arc::clone(self);
        let working = tokio::task::spawn_blocking(move || {
            let done = work(&inner);
            inner.hung.store(false, Ordering::Relaxed);
            drop(done);
        });
        let waited = DISK_PATIENCE;
        if tokio::time::timeout(waited, working).await.is_err() {
            self.hung.store(true, Ordering::Relaxed);
            self.failed(&AuditError::Hung { waited });
        }
    }

    fn write(&self, patience: Patience) -> Result<(), Stopped> {
        let mut journal = self.journal(patience)?;
        let mut batch = {
            let mut queue = locked(&self.queue);
            if queue.is_empty() || (!queue.has_acted() && !self.may_retry()) {
                return Ok(());
            }
            queue.take()
        };
        if let Some(lost) = batch.lost {
            let event = Event::Lost { records: lost };
            batch.lead(&self.origin.event(&event));
        }
        let written = journal.append(&batch.bodies, batch.urgency(), patience);
        drop(journal);
        self.judge(&written);
        let mut queue = locked(&self.queue);
        if written.is_ok() {
            mcp_metrics::audit_records(batch.records);
            queue.reuse(batch);
        } else {
            queue.give_back(batch);
        }
        written
    }

    fn journal(&self, patience: Patience) -> Result<MutexGuard<'_, Journal>, Stopped> {
        if patience != Patience::None {
            return Ok(locked(&self.journal));
        }
        match self.journal.try_lock() {
            Ok(journal) => Ok(journal),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => Err(Stopped::Busy),
        }
    }

    fn may_retry(&self) -> bool {
        let health = locked(&self.health);
        health.reason.is_none()
            || health
                .tried
                .is_none_or(|tried| tried.elapsed() >= RETRY_AFTER)
    }

    fn judge(&self, outcome: &Result<(), Stopped>) {
        if outcome.is_ok() {
            self.untried.store(false, Ordering::Relaxed);
        }
        match outcome {
            Ok(()) if self.failing.swap(false, Ordering::Relaxed) => {
                *locked(&self.health) = Health::default();
                tracing::info!("the audit is written again");
            }
            Ok(()) | Err(Stopped::Busy) => {}
            Err(Stopped::Failed(error)) => self.failed(error),
        }
    }

    /// Logs the first of a row of failures.
    fn failed(&self, error: &AuditError) {
        mcp_metrics::audit_failure();
        let reason = error.reason();
        if !self.failing.swap(true, Ordering::Relaxed) {
            let OnFailure { changes, reads } = self.on_failure;
            tracing::error!(
                reason,
                ?changes,
                ?reads,
                "the audit cannot be written; audit.on_failure says which calls are refused"
            );
        }
        *locked(&self.health) = Health {
            reason: Some(reason.into()),
            tried: Some(Instant::now()),
        };
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
