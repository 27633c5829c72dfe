//! Notices that the client has left while nothing is read from it.
//!
//! A client that takes no replies is not read from either, so the end of input would stay unseen.

use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Ends once the other end of standard input is closed, although bytes may be left to read. It
/// never does when standard input is neither a pipe nor a socket.
pub(crate) async fn hung_up() {
    if let Some(input) = watched_input() {
        while let Ok(mut guard) = input.ready(Interest::PRIORITY).await {
            if guard.ready().is_read_closed() {
                return;
            }
            guard.clear_ready();
        }
    }
    std::future::pending::<()>().await;
}

/// The kernel reports a hang-up whatever is asked for (`EPOLLHUP` in `epoll_ctl(2)`); asking for
/// urgent data only keeps ordinary input from waking anybody.
#[expect(
    deprecated,
    reason = "an OwnedFd keeps to I/O safety; the successor is unsafe for types that may not"
)]
fn watched_input() -> Option<AsyncFd<OwnedFd>> {
    let input = rustix::stdio::stdin().try_clone_to_owned().ok()?;
    AsyncFd::with_interest(input, Interest::PRIORITY).ok()
}
