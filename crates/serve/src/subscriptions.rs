//! Who is told that a resource changed, and the one watch that all of them share.
//!
//! Nothing runs while nobody is subscribed. A subscriber that reads slowly keeps nobody waiting and
//! takes no more memory: what it missed becomes "anything may have changed".

mod connection;
mod feed;
mod keep_alive;
mod wanted;

pub(crate) use connection::{Connection, fit};
pub(crate) use feed::{Feed, Sink};
pub(crate) use wanted::Wanted;

/// Subscriptions of one connection: each resource and each stream counts.
pub(crate) const MAX_SUBSCRIPTIONS: usize = 1000;

/// Bytes of the URIs that one connection is subscribed to.
const MAX_URI_BYTES: usize = 1024 * 1024;

/// A connection has all subscriptions that it may have.
#[derive(Debug, thiserror::Error)]
#[error(
    "a connection may have {MAX_SUBSCRIPTIONS} subscriptions, with URIs of {MAX_URI_BYTES} bytes \
     in all; end some first"
)]
pub(crate) struct Full;
