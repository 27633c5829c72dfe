//! The one connection that writes. Writes that wait together share a transaction, and so one wait
//! for the disk; each is acknowledged after the commit. Entries among them share a statement too
//! ([`batch`]).

use std::path::PathBuf;
use std::pin::Pin;
use std::time::{Duration, Instant};

use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::write::Written;
use super::{StoreConfig, StoreError, batch, connection};
use crate::knowledge::{Draft, Timestamp};

/// A transaction that takes as long is worth waiting for others to share it: timers tell milliseconds.
const SLOW: Duration = Duration::from_millis(2);
/// No transaction counts as longer: it waited for another process.
const LONGEST: Duration = Duration::from_millis(8);
/// Values of single writes that share a transaction, in bytes. Each MiB may take the index a second.
const GROUP_BYTES: usize = 1 << 20;
/// How long nothing must come before what can wait is written. Every commit has all readers, in every
/// process, read again what they had in memory.
const PAUSE: Duration = Duration::from_secs(1);

/// Something to be written: may be applied again when its transaction failed as a whole.
pub(super) trait Job: Send + Sync + 'static {
    /// What the caller is told.
    type Done: Send + 'static;

    /// Writes within the transaction that is open.
    fn apply(
        &self,
        connection: &mut SqliteConnection,
    ) -> impl Future<Output = Result<Self::Done, StoreError>> + Send;

    /// The entry, when all it does is to write one, whatever was there.
    fn draft(&self) -> Option<&Draft> {
        None
    }

    /// What the caller is told when that entry was written together with others.
    fn done(_written: Written) -> Option<Self::Done> {
        None
    }
}

/// A job whose kind is forgotten.
pub(super) trait Waiting: Send {
    /// Whether somebody still waits for it.
    fn is_wanted(&self) -> bool;
    /// Applies it and keeps the answer.
    fn apply<'a>(&'a mut self, connection: &'a mut SqliteConnection) -> Applying<'a>;
    /// The entry, as [`Job::draft`] says.
    fn draft(&self) -> Option<&Draft> {
        None
    }
    /// Keeps the answer to an entry that was written.
    fn set_written(&mut self, _written: Written) {}
    /// Whether nobody minds when it is written later than what comes after it has come.
    fn can_wait(&self) -> bool {
        false
    }
    /// Whether the answer that is kept says that only this job failed.
    fn failed_alone(&self) -> bool;
    /// Gives the answer that is kept, or `failure`.
    fn answer(self: Box<Self>, failure: Option<StoreError>);
}

/// Fails when the transaction is lost.
pub(super) type Applying<'a> = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'a>>;

/// A job and who waits for it.
pub(super) struct Queued<J: Job> {
    job: J,
    answer: Option<Result<J::Done, StoreError>>,
    reply: oneshot::Sender<Result<J::Done, StoreError>>,
}

impl<J: Job> Queued<J> {
    pub(super) fn new(job: J) -> (Self, oneshot::Receiver<Result<J::Done, StoreError>>) {
        let (reply, answered) = oneshot::channel();
        let answer = None;
        (Self { job, answer, reply }, answered)
    }
}

impl<J: Job> Waiting for Queued<J> {
    fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }

    fn apply<'a>(&'a mut self, connection: &'a mut SqliteConnection) -> Applying<'a> {
        Box::pin(async move {
            match self.job.apply(connection).await {
                Err(error) if !error.is_own() => Err(error),
                answer => {
                    self.answer = Some(answer);
                    Ok(())
                }
            }
        })
    }

    fn draft(&self) -> Option<&Draft> {
        self.job.draft()
    }

    fn set_written(&mut self, written: Written) {
        self.answer = J::done(written).map(Ok);
    }

    fn failed_alone(&self) -> bool {
        matches!(self.answer, Some(Err(_)))
    }

    fn answer(self: Box<Self>, failure: Option<StoreError>) {
        let kept = self.answer.unwrap_or(Err(StoreError::Closed));
        let answer = failure.map_or(kept, Err);
        // Who no longer waits does not need to know.
        drop(self.reply.send(answer));
    }
}

/// The task that writes.
pub(super) struct Writer {
    pub(super) path: PathBuf,
    pub(super) config: StoreConfig,
    pub(super) connection: SqliteConnection,
    pub(super) queue: mpsc::Receiver<Box<dyn Waiting>>,
    pub(super) stop: CancellationToken,
    /// The last transaction: how many writes shared it, and how long it took.
    pub(super) last: (usize, Duration),
}

impl Writer {
    /// Writes until it is stopped and nothing waits any more.
    pub(super) async fn run(mut self) {
        let mut group: Vec<Box<dyn Waiting>> = Vec::new();
        loop {
            let most = self.config.group.get();
            tokio::select! {
                biased;
                () = self.stop.cancelled(), if !self.queue.is_closed() => self.queue.close(),
                taken = self.queue.recv_many(&mut group, most) => {
                    if taken == 0 {
                        break;
                    }
                    if group.len() < most && group.iter().all(|job| job.can_wait()) {
                        continue;
                    }
                    self.gather(&mut group).await;
                    self.write_in_turn(std::mem::take(&mut group)).await;
                }
                () = tokio::time::sleep(PAUSE), if !group.is_empty() => {
                    self.write(std::mem::take(&mut group)).await;
                }
            }
        }
        self.write(group).await;
        // What closing does is left undone when another process is in the way: it closes later.
        if let Err(error) = self.connection.close().await {
            tracing::debug!(%error, "the store was not closed properly");
        }
    }

    /// Callers that were answered together write again together, but do not come at once: for half as
    /// long as a transaction takes, as many as last time are waited for. Who writes alone never waits.
    async fn gather(&mut self, group: &mut Vec<Box<dyn Waiting>>) {
        let (writes, took) = self.last;
        let most = writes.min(self.config.group.get());
        if took < SLOW {
            return;
        }
        let all = async {
            while group.len() < most && self.queue.recv_many(group, most - group.len()).await > 0 {}
        };
        // What has come when the time is over stays in the group.
        drop(tokio::time::timeout(took.min(LONGEST) / 2, all).await);
    }

    /// As many together as keep the file from others for a moment only, always one.
    async fn write_in_turn(&mut self, mut group: Vec<Box<dyn Waiting>>) {
        while !group.is_empty() {
            let weight = |draft: &Draft| draft.value.as_str().len();
            let mut bytes = 0;
            let weights = group.iter().map(|job| job.draft().map_or(0, weight));
            let fit = weights.take_while(|weight| {
                bytes += weight;
                bytes <= GROUP_BYTES
            });
            let together = fit.count().max(1);
            let rest = group.split_off(together);
            self.write(group).await;
            group = rest;
        }
    }

    /// Together if that works. A failure that is not one job's own strikes all of a transaction, so
    /// each is then tried alone; only when the file is busy would that be no use.
    async fn write(&mut self, mut group: Vec<Box<dyn Waiting>>) {
        group.retain(|job| job.is_wanted());
        let (writes, begun) = (group.len(), Instant::now());
        let committed = self.commit(&mut group).await;
        self.last = (writes, begun.elapsed());
        match committed {
            Ok(()) => group.into_iter().for_each(|job| job.answer(None)),
            Err(StoreError::Busy) => {
                for job in group {
                    job.answer(Some(StoreError::Busy));
                }
            }
            Err(error) if group.len() == 1 => {
                if let Some(job) = group.pop() {
                    job.answer(Some(error));
                }
            }
            Err(error) => {
                tracing::debug!(%error, writes = group.len(), "a transaction failed");
                for job in group {
                    self.write_alone(job).await;
                }
            }
        }
    }

    async fn write_alone(&mut self, job: Box<dyn Waiting>) {
        let mut single = [job];
        let failure = self.commit(&mut single).await.err();
        let [job] = single;
        job.answer(failure);
    }

    async fn commit(&mut self, group: &mut [Box<dyn Waiting>]) -> Result<(), StoreError> {
        if group.is_empty() {
            return Ok(());
        }
        let committed = self.try_commit(group).await;
        if committed.is_err() {
            // SQLite may have rolled back by itself or not: only a new connection is sure to have.
            self.reconnect().await;
        }
        committed
    }

    async fn try_commit(&mut self, group: &mut [Box<dyn Waiting>]) -> Result<(), StoreError> {
        let patience = self.config.patience;
        let connection = &mut self.connection;
        connection::begin(connection, patience).await?;
        let mut rest = group;
        while !rest.is_empty() {
            let together = batch::first_together(rest.iter().map(|job| job.draft()));
            let (run, after) = rest.split_at_mut(together.max(1));
            if run.len() == 1 || !apply_together(connection, run).await? {
                apply_each(connection, run).await?;
            }
            rest = after;
        }
        connection::execute_patiently(connection, "COMMIT", patience).await
    }

    async fn reconnect(&mut self) {
        let opened = async {
            let mut connection = connection::open_to_write(&self.path, &self.config).await?;
            connection::ask_often(&mut connection).await?;
            Ok::<_, StoreError>(connection)
        };
        match opened.await {
            Ok(connection) => drop(std::mem::replace(&mut self.connection, connection)),
            Err(error) => {
                tracing::error!(%error, "the store cannot be opened again");
                // What was begun would keep every other process out until the next write.
                drop(execute(&mut self.connection, "ROLLBACK").await);
            }
        }
    }
}

async fn apply_each(
    connection: &mut SqliteConnection,
    jobs: &mut [Box<dyn Waiting>],
) -> Result<(), StoreError> {
    for job in jobs {
        execute(connection, "SAVEPOINT job").await?;
        job.apply(connection).await?;
        if job.failed_alone() {
            execute(connection, "ROLLBACK TO job").await?;
        }
        execute(connection, "RELEASE job").await?;
    }
    Ok(())
}

/// Writes the entries of these jobs with one statement; false when each has to be written by itself,
/// and nothing is written then.
async fn apply_together(
    connection: &mut SqliteConnection,
    jobs: &mut [Box<dyn Waiting>],
) -> Result<bool, StoreError> {
    let drafts: Vec<&Draft> = jobs.iter().filter_map(|job| job.draft()).collect();
    execute(connection, "SAVEPOINT job").await?;
    let written = match batch::put_together(connection, &drafts, Timestamp::now()).await {
        Err(error) if !error.is_own() => return Err(error),
        written => written.ok(),
    };
    if written.is_none() {
        execute(connection, "ROLLBACK TO job").await?;
    }
    execute(connection, "RELEASE job").await?;
    let is_written = written.is_some();
    for (job, written) in jobs.iter_mut().zip(written.into_iter().flatten()) {
        job.set_written(written);
    }
    Ok(is_written)
}

async fn execute(
    connection: &mut SqliteConnection,
    statement: &'static str,
) -> Result<(), StoreError> {
    sqlx::query(statement).execute(connection).await?;
    Ok(())
}
