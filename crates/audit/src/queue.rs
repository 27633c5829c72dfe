//! Records that wait to be written together.

use std::time::{Duration, Instant};

use crate::journal::Urgency;

/// Bytes of records that may wait before a call writes them itself.
const FULL_BYTES: usize = 64 * 1024;

/// Bytes past which records are lost while they cannot be written; less than what is kept free.
const MOST_BYTES: usize = 2 * FULL_BYTES;

/// Memory that an empty queue keeps, in bytes.
const KEPT_BYTES: usize = 16 * 1024;

/// Between two records of calls that were turned away.
const TURNED_AWAY_EVERY: Duration = Duration::from_secs(1);

/// Why a call was turned away on arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnedAway {
    /// Its caller was over its rate.
    RateLimited,
    /// Too many calls were in progress.
    Saturated,
}

/// Records that wait.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    bodies: String,
    records: u64,
    acted: bool,
    lost: u64,
    rate_limited: u64,
    saturated: u64,
    told: Option<Instant>,
}

/// Records to be written at once.
#[derive(Debug)]
pub(crate) struct Batch {
    /// One a line.
    pub(crate) bodies: String,
    pub(crate) records: u64,
    acted: bool,
    /// Records that were lost before these.
    pub(crate) lost: Option<u64>,
}

/// What a push changed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pushed {
    pub(crate) is_first: bool,
    pub(crate) is_full: bool,
}

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Whether a record waits of a call that may have changed something.
    pub(crate) fn has_acted(&self) -> bool {
        self.acted
    }

    pub(crate) fn push(&mut self, body: &str, urgency: Urgency) -> Pushed {
        let is_first = self.is_empty();
        if self.bodies.len() + body.len() > MOST_BYTES {
            self.lost += 1;
            mcp_metrics::audit_lost(1);
        } else {
            self.bodies.push_str(body);
            self.bodies.push('\n');
            self.records += 1;
            self.acted |= urgency == Urgency::Acted;
        }
        Pushed {
            is_first,
            is_full: self.bodies.len() >= FULL_BYTES,
        }
    }

    pub(crate) fn take(&mut self) -> Batch {
        Batch {
            bodies: std::mem::take(&mut self.bodies),
            records: std::mem::take(&mut self.records),
            acted: std::mem::take(&mut self.acted),
            lost: Some(std::mem::take(&mut self.lost)).filter(|&lost| lost > 0),
        }
    }

    /// Takes back what could not be written yet; it stays before what came since.
    pub(crate) fn give_back(&mut self, batch: Batch) {
        let since = std::mem::replace(&mut self.bodies, batch.bodies);
        self.bodies.push_str(&since);
        self.records += batch.records;
        self.acted |= batch.acted;
    }

    /// Keeps the memory of a batch for the next.
    pub(crate) fn reuse(&mut self, batch: Batch) {
        let mut memory = batch.bodies;
        if self.bodies.is_empty() && memory.capacity() <= KEPT_BYTES {
            memory.clear();
            self.bodies = memory;
        }
    }

    /// Counts a call that was turned away; returns whether that is to be recorded now.
    pub(crate) fn turn_away(&mut self, why: TurnedAway) -> bool {
        match why {
            TurnedAway::RateLimited => self.rate_limited += 1,
            TurnedAway::Saturated => self.saturated += 1,
        }
        self.told
            .is_none_or(|told| told.elapsed() >= TURNED_AWAY_EVERY)
    }

    /// Calls turned away since the last record of them: over the rate, and over the places.
    pub(crate) fn take_turned_away(&mut self) -> (u64, u64) {
        self.told = Some(Instant::now());
        (
            std::mem::take(&mut self.rate_limited),
            std::mem::take(&mut self.saturated),
        )
    }
}

impl Batch {
    pub(crate) fn urgency(&self) -> Urgency {
        if self.acted {
            Urgency::Acted
        } else {
            Urgency::Read
        }
    }

    /// Puts a record before the others.
    pub(crate) fn lead(&mut self, body: &str) {
        self.bodies.insert_str(0, &format!("{body}\n"));
        self.records += 1;
    }
}
