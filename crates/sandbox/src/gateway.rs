//! The way out of a command that may use the network through a proxy only.

use std::fmt;
use std::io;
use std::net::TcpListener;

/// Serves what a command with [`Network::Proxy`](crate::Network::Proxy) can connect to beyond its
/// own processes.
pub trait Gateway: fmt::Debug + Send + Sync {
    /// Serves `listener`, which is on loopback in the command's own network namespace, so that
    /// nobody else reaches it. Called within the runtime before the command starts; must not
    /// block.
    ///
    /// # Errors
    /// When it cannot be served; the command is then not run.
    fn open(&self, listener: TcpListener) -> io::Result<Box<dyn Passage>>;
}

/// A gateway that is open to one command. Dropped when the command and its descendants have ended.
pub trait Passage: Send {
    /// What was refused to the command so far, in words.
    fn refusals(&self) -> Vec<String>;
}
