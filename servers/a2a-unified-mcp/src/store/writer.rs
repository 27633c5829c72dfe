//! The one connection that writes. Writes that wait together share a transaction, and so one wait
//! for the disk; each is acknowledged after the commit.

use std::path::PathBuf;
use std::pin::Pin;

use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{StoreConfig, StoreError, connection};

/// Something to be written: may be applied again when its transaction failed as a whole.
pub(super) trait Job: Send + Sync + 'static {
    /// What the caller is told.
    type Done: Send + 'static;

    /// Writes within the transaction that is open.
    fn apply(
        &self,
        connection: &mut SqliteConnection,
    ) -> impl Future<Output = Result<Self::Done, StoreError>> + Send;
}

/// A job whose kind is forgotten.
pub(super) trait Waiting: Send {
    /// Whether somebody still waits for it.
    fn is_wanted(&self) -> bool;
    /// Applies it and keeps the answer.
    fn apply<'a>(&'a mut self, connection: &'a mut SqliteConnection) -> Applying<'a>;
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
}

impl Writer {
    /// Writes until it is stopped and nothing waits any more.
    pub(super) async fn run(mut self) {
        let mut group = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled(), if !self.queue.is_closed() => self.queue.close(),
                taken = self.queue.recv_many(&mut group, self.config.group.get()) => {
                    if taken == 0 {
                        break;
                    }
                    self.write(std::mem::take(&mut group)).await;
                }
            }
        }
        // What closing does is left undone when another process is in the way: it closes later.
        if let Err(error) = self.connection.close().await {
            tracing::debug!(%error, "the store was not closed properly");
        }
    }

    /// Together if that works. A failure that is not one job's own strikes all of a transaction, so
    /// each is then tried alone; only when the file is busy would that be no use.
    async fn write(&mut self, mut group: Vec<Box<dyn Waiting>>) {
        group.retain(|job| job.is_wanted());
        match self.commit(&mut group).await {
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
        for job in group {
            execute(connection, "SAVEPOINT job").await?;
            job.apply(connection).await?;
            if job.failed_alone() {
                execute(connection, "ROLLBACK TO job").await?;
            }
            execute(connection, "RELEASE job").await?;
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

async fn execute(
    connection: &mut SqliteConnection,
    statement: &'static str,
) -> Result<(), StoreError> {
    sqlx::query(statement).execute(connection).await?;
    Ok(())
}
