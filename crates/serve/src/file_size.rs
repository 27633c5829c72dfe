//! A write past the limit on file sizes is refused, and does not end the server.

use std::io;

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

/// Has the kernel refuse a write past `RLIMIT_FSIZE` with `EFBIG` instead of ending the process with
/// SIGXFSZ, which it does only while nobody handles the signal (getrlimit(2)). Programs that are
/// started from here meet it as usual: execve(2) forgets handlers. To be called within a runtime.
///
/// # Errors
/// When the handler cannot be installed.
pub fn outlive_file_size_limit() -> io::Result<()> {
    // The runtime never takes a handler back.
    signal(SignalKind::from_raw(Signal::XFSZ.as_raw())).map(drop)
}
