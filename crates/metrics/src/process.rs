//! The server's own use of the machine, read when somebody asks (proc(5)).
#![expect(
    clippy::disallowed_methods,
    reason = "reads the server's own /proc entries, fixed paths"
)]

use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use metrics::{counter, gauge};

use crate::names;
use crate::record::lossy;

/// Clock ticks per second in `/proc/self/stat`: `USER_HZ` is 100 on every Linux x86-64.
const TICKS_PER_SECOND: f64 = 100.0;

/// Bytes in a page on x86-64.
const PAGE_BYTES: u64 = 4096;

pub(crate) fn record() {
    gauge!(names::PROCESS_START).set(started());
    if let Some(pages) = resident_pages() {
        gauge!(names::PROCESS_MEMORY).set(lossy(pages.saturating_mul(PAGE_BYTES)));
    }
    if let Ok(entries) = std::fs::read_dir("/proc/self/fd") {
        // The directory itself is one of them while it is read.
        let open = entries.count().saturating_sub(1);
        gauge!(names::PROCESS_FDS).set(lossy(u64::try_from(open).unwrap_or(0)));
    }
    if let Some(ticks) = cpu_ticks() {
        // The exporter's counters are whole numbers: seconds are rounded down.
        counter!(names::PROCESS_CPU).absolute(whole_seconds(lossy(ticks) / TICKS_PER_SECOND));
    }
}

/// When this was first asked, which the recorder does at start, in seconds since the Unix epoch.
pub(crate) fn started() -> f64 {
    static STARTED: OnceLock<f64> = OnceLock::new();
    *STARTED.get_or_init(|| {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0.0, |since| since.as_secs_f64())
    })
}

fn resident_pages() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    statm.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn cpu_ticks() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // Fields are counted from after the name, which may itself hold blanks and parentheses.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user.saturating_add(system))
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a non-negative number of seconds"
)]
fn whole_seconds(seconds: f64) -> u64 {
    seconds as u64
}
