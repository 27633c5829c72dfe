//! The table of processes, as `/proc` shows it.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};

/// A number of seconds that no other test sleeps for, to recognise a `sleep` by.
pub fn mark() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{}.{next:03}", 100_000 + std::process::id())
}

/// Running processes with `mark` among their arguments. A process that has exited and waits to be
/// reaped has none.
pub fn alive_with(mark: &str) -> Vec<u32> {
    fs::read_dir("/proc")
        .expect("/proc is mounted")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(mark)
        })
        .collect()
}
