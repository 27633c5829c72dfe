//! Why a server does not start or stops.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a server does not start or stops.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address to listen on cannot be had.
    #[error("cannot listen on {address} for {purpose}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What for.
        purpose: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// Authentication is off on an address others can reach.
    #[error("http.auth = false (--no-auth) works on loopback only, not on {address}")]
    OpenToOthers {
        /// The address.
        address: SocketAddr,
    },
    /// The token file cannot be used.
    #[error("the token file {} cannot be used: {reason}", path.display())]
    Token {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
        /// What the kernel said, if it was asked.
        source: Option<io::Error>,
    },
    /// There is no directory to keep the token in.
    #[error("no home or state directory is known to keep the token in; set http.token_file")]
    NoStateDirectory,
    /// The kernel's random number generator failed.
    #[error("no random bytes for the token")]
    Random,
    /// Signals cannot be listened for.
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
}
