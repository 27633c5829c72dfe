//! The connections that read.
//!
//! `sqlx`'s pool takes them in turns, asks each over its thread whether it is well when it comes back,
//! and spawns a task for that. Here the one used last is used next, because it has in memory what was
//! read, and it is given back at once: only who used it to the end gives it back.

use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use sqlx::sqlite::{SqliteQueryResult, SqliteRow, SqliteStatement, SqliteTypeInfo};
use sqlx::{
    ConnectOptions, Connection, Either, Error, Execute, Executor, SqlStr, Sqlite, SqliteConnection,
};
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::Span;

use super::{StoreConfig, connection};

/// Connections that are opened when they are needed. Its rows come when all have been read; for many,
/// [`Readers::begin`].
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    patience: Duration,
    most: u32,
    places: Semaphore,
    /// The one that was used last is the last.
    free: Mutex<Vec<SqliteConnection>>,
}

/// A connection in use. Dropped without [`Reader::give_back`] it is closed, since it may be at work.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    connection: SqliteConnection,
    readers: &'a Readers,
    _place: SemaphorePermit<'a>,
    _turn: Span,
}

/// A connection that sees the file as it was at one moment.
#[derive(Debug)]
pub(super) struct Snapshot<'a>(Reader<'a>);

impl Readers {
    pub(super) fn new(path: &Path, config: &StoreConfig) -> Self {
        let most = config.readers.get();
        Self {
            path: path.to_owned(),
            patience: config.patience,
            most,
            places: Semaphore::new(usize::try_from(most).unwrap_or(1)),
            free: Mutex::default(),
        }
    }

    /// A connection, once there is one.
    pub(super) async fn acquire(&self) -> Result<Reader<'_>, Error> {
        let turn = connection::turn("SELECT");
        let place = tokio::time::timeout(self.patience, self.places.acquire());
        let place = place.await.map_err(|_| Error::PoolTimedOut)?;
        let place = place.map_err(|_| Error::PoolClosed)?;
        let free = self.free().pop();
        let connection = match free {
            Some(connection) => connection,
            None => {
                connection::to_read(&self.path, self.patience)
                    .connect()
                    .await?
            }
        };
        Ok(Reader {
            connection,
            readers: self,
            _place: place,
            _turn: turn,
        })
    }

    /// A snapshot for several queries.
    pub(super) async fn begin(&self) -> Result<Snapshot<'_>, Error> {
        let mut reader = self.acquire().await?;
        sqlx::query("BEGIN").execute(&mut reader.connection).await?;
        Ok(Snapshot(reader))
    }

    /// Waits until none is in use, and closes all.
    pub(super) async fn close(&self) {
        let all = self.places.acquire_many(self.most).await;
        self.places.close();
        drop(all);
        let free = std::mem::take(&mut *self.free());
        for connection in free {
            if let Err(error) = connection.close().await {
                tracing::debug!(%error, "a reader was not closed properly");
            }
        }
    }

    fn free(&self) -> MutexGuard<'_, Vec<SqliteConnection>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader<'_> {
    /// Lets others have the connection, which has nothing to do.
    pub(super) fn give_back(self) {
        self.readers.free().push(self.connection);
    }
}

impl Deref for Reader<'_> {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for Reader<'_> {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

impl Snapshot<'_> {
    /// Lets the moment go.
    pub(super) async fn rollback(mut self) -> Result<(), Error> {
        sqlx::query("ROLLBACK").execute(&mut *self).await?;
        self.0.give_back();
        Ok(())
    }
}

impl Deref for Snapshot<'_> {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.0
    }
}

impl DerefMut for Snapshot<'_> {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.0
    }
}

impl<'c> Executor<'c> for &'c Readers {
    type Database = Sqlite;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<SqliteQueryResult, SqliteRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Sqlite>,
    {
        let read = async move {
            let mut reader = self.acquire().await?;
            let read: Result<Vec<_>, Error> =
                reader.connection.fetch_many(query).try_collect().await;
            reader.give_back();
            Ok::<_, Error>(stream::iter(read?).map(Ok))
        };
        stream::once(read).try_flatten().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, Result<Option<SqliteRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Sqlite>,
    {
        Box::pin(async move {
            let mut reader = self.acquire().await?;
            let row = reader.connection.fetch_optional(query).await;
            reader.give_back();
            row
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [SqliteTypeInfo],
    ) -> BoxFuture<'e, Result<SqliteStatement, Error>>
    where
        'c: 'e,
    {
        Box::pin(async move {
            let mut reader = self.acquire().await?;
            let statement = reader.connection.prepare_with(sql, parameters).await;
            reader.give_back();
            statement
        })
    }
}
