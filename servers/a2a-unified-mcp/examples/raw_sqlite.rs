//! SQLite with nothing around it, which `cargo xtask bench` measures the server against: the same
//! library, driver and settings. `raw_sqlite SCRATCH [FILE]` makes the file `SCRATCH`, and reads `FILE`
//! of the server.
//!
//! Each line of input asks for one thing, and is answered with the seconds it took: `{"commit": TEXT}`
//! inserts a row durably, `{"match": WORD}` finds the ten best entries by bm25.
#![expect(
    clippy::print_stdout,
    reason = "a program to measure with, at a terminal"
)]

use std::error::Error;
use std::io::BufRead;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, SqliteConnection};

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let mut paths = std::env::args().skip(1);
    let scratch = paths.next().ok_or("usage: raw_sqlite SCRATCH [FILE]")?;
    let mut writing = open(Path::new(&scratch), false).await?;
    sqlx::query("CREATE TABLE IF NOT EXISTS plain (id INTEGER PRIMARY KEY, value TEXT NOT NULL)")
        .execute(&mut writing)
        .await?;
    let mut reading = match paths.next() {
        Some(file) => Some(open(Path::new(&file), true).await?),
        None => None,
    };
    for line in std::io::stdin().lock().lines() {
        let asked: Value = serde_json::from_str(&line?)?;
        let text = |name| asked.get(name).and_then(Value::as_str);
        let begun = Instant::now();
        let found = match (text("commit"), text("match"), &mut reading) {
            (Some(value), _, _) => commit(&mut writing, value).await?,
            (_, Some(word), Some(reading)) => find(reading, word).await?,
            _ => return Err("neither a commit nor a word in a file".into()),
        };
        let seconds = begun.elapsed().as_secs_f64();
        println!("{}", json!({ "seconds": seconds, "found": found }));
    }
    Ok(())
}

async fn open(path: &Path, only_to_read: bool) -> Outcome<SqliteConnection> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(!only_to_read)
        .pragma("temp_store", "MEMORY")
        .pragma("cache_size", "-4096")
        .pragma("trusted_schema", "OFF")
        .disable_statement_logging();
    let options = if only_to_read {
        options.read_only(true)
    } else {
        options
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
    };
    Ok(options.connect().await?)
}

async fn commit(connection: &mut SqliteConnection, value: &str) -> Outcome<usize> {
    let insert = sqlx::query("INSERT INTO plain (value) VALUES (?1)").bind(value);
    insert.execute(connection).await?;
    Ok(1)
}

async fn find(connection: &mut SqliteConnection, word: &str) -> Outcome<usize> {
    let found: Vec<(i64, f64)> = sqlx::query_as(
        "SELECT rowid, bm25(knowledge_fts) AS score FROM knowledge_fts
        WHERE knowledge_fts MATCH ?1 ORDER BY score LIMIT 10",
    )
    .bind(word)
    .fetch_all(connection)
    .await?;
    Ok(found.len())
}
