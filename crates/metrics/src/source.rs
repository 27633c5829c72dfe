//! What is asked for when the numbers are read: what changes by the mere passing of time cannot be
//! pushed, and what happens at every start must not install the recorder.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use metrics::{counter, gauge};

use crate::names;
use crate::record::lossy;

type Count = dyn Fn() -> u64 + Send + Sync;

/// Who says how many hosts are not asked: each way out that is alive.
static BREAKERS: Mutex<Vec<Weak<Count>>> = Mutex::new(Vec::new());

/// Keeps a gauge fed; its share of the gauge ends when this is dropped.
pub struct GaugeSource(#[expect(dead_code, reason = "kept alive, never read")] Arc<Count>);

impl GaugeSource {
    /// Has `count` say how many hosts are not asked because they failed too often. Sources add up.
    pub fn open_breakers(count: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        let count: Arc<Count> = Arc::new(count);
        let mut sources = BREAKERS.lock().unwrap_or_else(PoisonError::into_inner);
        sources.retain(|source| source.strong_count() > 0);
        sources.push(Arc::downgrade(&count));
        Self(count)
    }
}

impl fmt::Debug for GaugeSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GaugeSource").finish_non_exhaustive()
    }
}

/// Versions of policies, the one in force last.
static POLICIES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Says which policy is in force from now on.
pub fn policy_in_force(version: &str) {
    let mut policies = POLICIES.lock().unwrap_or_else(PoisonError::into_inner);
    policies.retain(|before| before != version);
    policies.push(version.to_owned());
}

/// Records that were written to the audit; the first is written before the first answer.
static AUDIT_RECORDS: AtomicU64 = AtomicU64::new(0);

/// Counts records that were written to the audit.
pub fn audit_records(count: u64) {
    AUDIT_RECORDS.fetch_add(count, Ordering::Relaxed);
}

/// Reads every source.
pub(crate) fn record() {
    let policies = POLICIES.lock().unwrap_or_else(PoisonError::into_inner);
    for (back, version) in policies.iter().rev().enumerate() {
        let in_force = if back == 0 { 1.0 } else { 0.0 };
        gauge!(names::POLICY_INFO, "version" => version.clone()).set(in_force);
    }
    counter!(names::AUDIT_RECORDS).absolute(AUDIT_RECORDS.load(Ordering::Relaxed));
    let sources = BREAKERS.lock().unwrap_or_else(PoisonError::into_inner);
    let open = sources
        .iter()
        .filter_map(Weak::upgrade)
        .map(|count| count());
    gauge!(names::EGRESS_BREAKERS).set(lossy(open.sum()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Exposition, Recorder};

    #[test]
    fn a_gauge_is_read_when_the_numbers_are_and_forgotten_with_its_source() {
        let open = Arc::new(AtomicU64::new(2));
        let counted = Arc::clone(&open);
        let source = GaugeSource::open_breakers(move || counted.load(Ordering::Relaxed));
        let shown =
            || Exposition::parse(&Recorder::new("test").render()).total(names::EGRESS_BREAKERS);
        assert_eq!(shown(), 2);
        open.store(1, Ordering::Relaxed);
        assert_eq!(shown(), 1);
        drop(source);
        assert_eq!(shown(), 0);
    }
}
