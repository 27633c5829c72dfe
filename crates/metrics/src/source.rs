//! What is asked for when the numbers are read: what changes by the mere passing of time cannot be
//! pushed, and what happens at every start must not install the recorder.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};
use std::thread;
use std::time::Duration;

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

/// Directories whose file systems fill up, by what they are for.
static DISKS: Mutex<Vec<(&'static str, PathBuf)>> = Mutex::new(Vec::new());

/// Says where something is kept. `directory` is what for, one of a closed set.
pub fn disk_in_use(directory: &'static str, path: PathBuf) {
    let mut disks = DISKS.lock().unwrap_or_else(PoisonError::into_inner);
    disks.retain(|(before, _)| *before != directory);
    disks.push((directory, path));
}

/// What holds commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sandbox {
    /// This tier.
    Tier(&'static str),
    /// Nothing that the policy accepts: they are refused.
    Missing,
}

/// Known once it was tried out.
static SANDBOX: Mutex<Option<Sandbox>> = Mutex::new(None);

/// Says what holds commands from now on.
pub fn sandbox_in_force(sandbox: Sandbox) {
    *SANDBOX.lock().unwrap_or_else(PoisonError::into_inner) = Some(sandbox);
}

/// How long a disk is waited for; one that does not answer is not asked again until it has.
const DISK_PATIENCE: Duration = Duration::from_millis(20);

fn record_disks() {
    static ASKED: AtomicBool = AtomicBool::new(false);
    let disks = DISKS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if disks.is_empty() {
        return;
    }
    let paths: Vec<PathBuf> = disks.iter().map(|(_, path)| path.clone()).collect();
    let (sender, receiver) = mpsc::channel();
    let measure = move || {
        let measured: Vec<_> = paths.iter().map(space).collect();
        ASKED.store(false, Ordering::Relaxed);
        // Nobody listens any more when it took too long.
        sender.send(measured).ok();
    };
    let mut measured = Vec::new();
    if !ASKED.swap(true, Ordering::Relaxed) {
        match thread::Builder::new().spawn(measure) {
            Ok(_) => measured = receiver.recv_timeout(DISK_PATIENCE).unwrap_or_default(),
            Err(_) => ASKED.store(false, Ordering::Relaxed),
        }
    }
    for (index, (directory, _)) in disks.into_iter().enumerate() {
        let known = measured.get(index).copied().flatten();
        let (free, size) = known.unwrap_or((f64::NAN, f64::NAN));
        gauge!(names::DISK_FREE, "directory" => directory).set(free);
        gauge!(names::DISK_SIZE, "directory" => directory).set(size);
    }
}

/// Free and all bytes of the file system that a directory is on.
fn space(directory: &PathBuf) -> Option<(f64, f64)> {
    let space = rustix::fs::statvfs(directory).ok()?;
    let bytes = |blocks: u64| lossy(blocks.saturating_mul(space.f_frsize));
    Some((bytes(space.f_bavail), bytes(space.f_blocks)))
}

fn record_sandbox() {
    let sandbox = *SANDBOX.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(in_force) = sandbox else { return };
    let truth = |holds: bool| f64::from(u8::from(holds));
    for tier in names::TIERS {
        gauge!(names::SANDBOX_TIER, "tier" => *tier).set(truth(in_force == Sandbox::Tier(tier)));
    }
    gauge!(names::SANDBOX_MISSING).set(truth(in_force == Sandbox::Missing));
}

/// Reads every source.
pub(crate) fn record() {
    let policies = POLICIES.lock().unwrap_or_else(PoisonError::into_inner);
    for (back, version) in policies.iter().rev().enumerate() {
        let in_force = if back == 0 { 1.0 } else { 0.0 };
        gauge!(names::POLICY_INFO, "version" => version.clone()).set(in_force);
    }
    record_disks();
    record_sandbox();
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

    #[test]
    fn disks_are_measured_where_things_are_kept_and_sandboxes_named_when_known() {
        let shown = |name: &str| Exposition::parse(&Recorder::new("test").render()).total(name);
        assert!(
            !Recorder::new("test")
                .render()
                .contains("\nmcp_sandbox_tier{")
        );
        disk_in_use("data", "/".into());
        assert!(shown(names::DISK_SIZE) >= shown(names::DISK_FREE));
        assert!(shown(names::DISK_FREE) > 0);
        disk_in_use("data", "/nowhere/at/all".into());
        let text = Recorder::new("test").render();
        assert!(
            text.contains("mcp_disk_free_bytes{directory=\"data\"} NaN"),
            "{text}"
        );

        sandbox_in_force(Sandbox::Tier("landlock"));
        let text = Recorder::new("test").render();
        assert!(
            text.contains("mcp_sandbox_tier{tier=\"landlock\"} 1"),
            "{text}"
        );
        assert!(
            text.contains("mcp_sandbox_tier{tier=\"strict\"} 0"),
            "{text}"
        );
        assert_eq!(shown(names::SANDBOX_MISSING), 0);
        sandbox_in_force(Sandbox::Missing);
        assert_eq!(shown(names::SANDBOX_MISSING), 1);
        assert_eq!(shown(names::SANDBOX_TIER), 0);
    }
}
