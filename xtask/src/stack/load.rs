//! Clients that call without a pause, in both eras, while replicas come and go: none of their calls may fail.

mod client;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use self::client::Client;

/// Between two calls of a client.
const PAUSE: Duration = Duration::from_millis(10);

/// How a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    /// In a session.
    Legacy,
    /// Each request by itself.
    Modern,
}

/// The clients: the era, and whether each keeps its connection.
const CLIENTS: [(Era, bool); 5] = [
    (Era::Modern, false),
    (Era::Modern, true),
    (Era::Modern, true),
    (Era::Legacy, false),
    (Era::Legacy, true),
];

/// What one client saw.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) era: Era,
    pub(super) calls: usize,
    /// Each replica that answered, with the first time and the last.
    pub(super) replicas: BTreeMap<String, (Instant, Instant)>,
    /// How often its session was unknown, so that it opened another.
    pub(super) reopened: usize,
    /// The longest time that a call took.
    pub(super) longest: Duration,
}

/// Running clients; they end when this is dropped.
pub(super) struct Load {
    stopped: Arc<AtomicBool>,
    records: Vec<Arc<Mutex<Record>>>,
    clients: Vec<JoinHandle<Result<()>>>,
}

impl Load {
    /// Starts the clients of a server.
    pub(super) fn start(server: SocketAddr, token: &str) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let mut load = Self {
            stopped,
            records: Vec::new(),
            clients: Vec::new(),
        };
        for (era, keeps) in CLIENTS {
            let record = Arc::new(Mutex::new(Record::new(era)));
            load.records.push(Arc::clone(&record));
            let client = Client::new(server, token, era, keeps);
            let stopped = Arc::clone(&load.stopped);
            let client = thread::spawn(move || call(client, &record, &stopped));
            load.clients.push(client);
        }
        load
    }

    /// What the clients saw since they were asked last; the first failed call is the error.
    pub(super) fn take(&mut self) -> Result<Vec<Record>> {
        while let Some(ended) = self.clients.iter().position(JoinHandle::is_finished) {
            joined(self.clients.swap_remove(ended))?;
        }
        Ok(self
            .records
            .iter()
            .map(|record| {
                let mut record = lock(record);
                let fresh = Record::new(record.era);
                std::mem::replace(&mut *record, fresh)
            })
            .collect())
    }

    /// Ends all clients; the first failed call is the error.
    pub(super) fn stop(mut self) -> Result<()> {
        self.stopped.store(true, Ordering::Relaxed);
        self.clients.drain(..).map(joined).fold(Ok(()), Result::and)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

impl Record {
    fn new(era: Era) -> Self {
        Self {
            era,
            calls: 0,
            replicas: BTreeMap::new(),
            reopened: 0,
            longest: Duration::ZERO,
        }
    }

    /// Whether any replica of a colour answered.
    pub(super) fn saw(&self, colour: &str) -> bool {
        self.times(colour).next().is_some()
    }

    /// When each replica of a colour answered for the first time and the last.
    pub(super) fn times(&self, colour: &str) -> impl Iterator<Item = (Instant, Instant)> {
        let of_colour = move |(name, _): &(&String, _)| name.starts_with(colour);
        self.replicas
            .iter()
            .filter(of_colour)
            .map(|(_, times)| *times)
    }
}

fn joined(client: JoinHandle<Result<()>>) -> Result<()> {
    client.join().map_err(|_| anyhow!("a client panicked"))?
}

fn lock(record: &Mutex<Record>) -> MutexGuard<'_, Record> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls until the load is stopped.
fn call(mut client: Client, record: &Mutex<Record>, stopped: &AtomicBool) -> Result<()> {
    while !stopped.load(Ordering::Relaxed) {
        let started = Instant::now();
        let called = client.call()?;
        let now = Instant::now();
        let mut record = lock(record);
        record.calls += 1;
        record.reopened += usize::from(called.reopened);
        record.longest = record.longest.max(now - started);
        let times = record.replicas.entry(called.replica).or_insert((now, now));
        times.1 = now;
        drop(record);
        thread::sleep(PAUSE);
    }
    Ok(())
}
