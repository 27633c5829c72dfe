//! Connections, and waiting for other processes.

use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};
use tracing::Span;

use super::{StoreConfig, StoreError};

/// A log that grew larger is cut when it is written back.
const LOG_BYTES: &str = "16777216";
/// Memory for pages of one connection, in KiB (`PRAGMA cache_size`, negative).
const CACHE_KIB: &str = "-4096";

/// The span of a turn of SQLite's in the trace of a call, the wait for it included. Its attributes have the
/// names of the OpenTelemetry semantic conventions for databases. No statement is shown: it could hold
/// values. What failed is told by the span of the request.
pub(super) fn turn(operation: &'static str) -> Span {
    tracing::trace_span!(
        target: mcp_metrics::SPANS,
        "turn",
        otel.name = operation,
        otel.kind = "client",
        db.system.name = "sqlite",
        db.operation.name = operation,
    )
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .pragma("temp_store", "MEMORY")
        .pragma("cache_size", CACHE_KIB)
        .pragma("trusted_schema", "OFF")
        .disable_statement_logging()
}

/// A connection that cannot change the file, not even by writing a log back.
pub(super) async fn open_to_read(
    path: &Path,
    patience: Duration,
) -> Result<SqliteConnection, StoreError> {
    Ok(to_read(path, patience).connect().await?)
}

pub(super) fn to_read(path: &Path, patience: Duration) -> SqliteConnectOptions {
    options(path).read_only(true).busy_timeout(patience)
}

/// A connection to a file that nobody else has open and that has no log: it makes no lock and no file
/// beside it.
pub(super) async fn open_to_judge(path: &Path) -> Result<SqliteConnection, StoreError> {
    let options = options(path).read_only(true).immutable(true);
    Ok(options.connect().await?)
}

/// The connection that writes.
pub(super) async fn open_to_write(
    path: &Path,
    config: &StoreConfig,
) -> Result<SqliteConnection, StoreError> {
    let options = options(path)
        .busy_timeout(config.patience)
        .synchronous(config.synchronous.into())
        .pragma("journal_size_limit", LOG_BYTES)
        .optimize_on_close(true, Some(400));
    let patience = Patience::new(config.patience);
    loop {
        match options.connect().await.map_err(StoreError::from) {
            Err(StoreError::Busy) if patience.wait().await => {}
            opened => return opened,
        }
    }
}

/// From now on asks for locks itself, every millisecond, in [`execute_patiently`]. SQLite pauses ever
/// longer, up to 100 ms, and gets no turn beside processes that write without a pause: four of them
/// waited up to 1.1 s for two writes that way, and 0.2 s this way.
pub(super) async fn ask_often(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let never = sqlx::query("PRAGMA busy_timeout = 0");
    never.execute(connection).await?;
    Ok(())
}

/// Begins a transaction that may write, once no other process does.
pub(super) async fn begin(
    connection: &mut SqliteConnection,
    patience: Duration,
) -> Result<(), StoreError> {
    execute_patiently(connection, "BEGIN IMMEDIATE", patience).await
}

/// Executes what needs a lock as soon as it can be had.
pub(super) async fn execute_patiently(
    connection: &mut SqliteConnection,
    statement: &'static str,
    patience: Duration,
) -> Result<(), StoreError> {
    let patience = Patience::new(patience);
    loop {
        let executed = sqlx::query(statement).execute(&mut *connection).await;
        match executed.map_err(StoreError::from) {
            Ok(_) => return Ok(()),
            Err(StoreError::Busy) if patience.wait().await => {}
            Err(error) => return Err(error),
        }
    }
}

/// How long a lock is waited for.
struct Patience(Instant);

impl Patience {
    fn new(patience: Duration) -> Self {
        Self(Instant::now() + patience)
    }

    /// Waits a moment; false when there is no time left.
    async fn wait(&self) -> bool {
        let left = Instant::now() < self.0;
        if left {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        left
    }
}
