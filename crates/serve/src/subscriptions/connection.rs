//! The subscriptions of one connection; they end with it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::service::Peer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::AbortOnDropHandle;

use super::feed::{Established, Feed, Following, Sink};
use super::keep_alive::keep_alive;
use super::{Full, MAX_SUBSCRIPTIONS, MAX_URI_BYTES, Wanted};

/// What one connection is subscribed to.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    /// How long its session may be idle; without a bound when `None`.
    idle: Option<Duration>,
    room: Room,
    /// Subscriptions of the `initialize` era.
    wanted: Wanted,
    delivery: Mutex<Option<Delivery>>,
    /// Begun when a stream was accepted, for when it is established.
    expected: Mutex<Vec<Following>>,
}

/// Tells the client, until it is dropped.
#[derive(Debug)]
struct Delivery {
    established: Established,
    delivering: AbortOnDropHandle<()>,
}

impl Connection {
    /// A connection whose session ends when it was idle for so long.
    pub(crate) fn that_may_idle(idle: Duration) -> Self {
        Self {
            idle: Some(idle),
            ..Self::default()
        }
    }

    /// Subscribes to a resource, by its canonical spelling and that of the client.
    pub(crate) fn subscribe(
        &self,
        (canonical, uri): (String, &str),
        feed: &Feed,
        peer: Peer<RoleServer>,
    ) -> Result<Established, Full> {
        if !self.wanted.has(&canonical) {
            let place = self.room.take(1, canonical.len() + uri.len())?;
            self.wanted.add(canonical, uri.to_owned(), place);
        }
        Ok(self.delivered(feed, peer))
    }

    /// Ends a subscription; the last one ends what tells of changes.
    pub(crate) fn unsubscribe(&self, canonical: &str) {
        self.wanted.remove(canonical);
        if self.wanted.is_empty() {
            lock(&self.delivery).take();
        }
    }

    /// Tells the client when the list of resources changes.
    pub(crate) fn follow_list(&self, feed: &Feed, peer: Peer<RoleServer>) -> Established {
        self.wanted.add_list();
        self.delivered(feed, peer)
    }

    fn delivered(&self, feed: &Feed, peer: Peer<RoleServer>) -> Established {
        let mut delivery = lock(&self.delivery);
        if let Some(running) = &*delivery
            && !running.delivering.is_finished()
        {
            return running.established.clone();
        }
        let following = feed.follow();
        let established = following.established();
        let delivering = deliver(following, self.wanted.clone(), peer, self.idle);
        *delivery = Some(Delivery {
            established: established.clone(),
            delivering: crate::run::spawn(delivering),
        });
        established
    }

    /// Takes room for a stream that tells of these resources, until it is dropped.
    pub(crate) fn take_stream(&self, uris: &[String]) -> Result<Place, Full> {
        self.room.take(uris.len() + 1, bytes_of(uris))
    }

    /// Keeps what was begun for a stream until [`Connection::expected`] asks for it.
    pub(crate) fn expect(&self, following: Following) {
        let mut expected = lock(&self.expected);
        // A stream that was accepted and not established means that the connection is at its end.
        if expected.len() < MAX_SUBSCRIPTIONS {
            expected.push(following);
        }
    }

    /// What was begun for a stream. The streams of one connection may take each other's: the
    /// earliest has missed nothing that a later one has.
    pub(crate) fn expected(&self, feed: &Feed) -> Following {
        let mut expected = lock(&self.expected);
        if expected.is_empty() {
            return feed.follow();
        }
        expected.remove(0)
    }
}

/// Tells a client of the `initialize` era, for as long as it answers if its session may idle.
async fn deliver(
    following: Following,
    wanted: Wanted,
    peer: Peer<RoleServer>,
    idle: Option<Duration>,
) {
    let silent = async {
        match idle {
            Some(idle) => keep_alive(peer.clone(), idle).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = following.deliver(wanted, Sink::Peer(peer.clone())) => {}
        () = silent => {}
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether one connection may be subscribed to so many resources, and such long ones. Each is kept in
/// two spellings.
pub(crate) fn fit(uris: &[String]) -> bool {
    uris.len() < MAX_SUBSCRIPTIONS && bytes_of(uris) <= MAX_URI_BYTES
}

fn bytes_of(uris: &[String]) -> usize {
    let bytes = uris.iter().map(String::len).sum::<usize>();
    bytes.saturating_mul(2)
}

/// How many more subscriptions a connection may have.
#[derive(Debug)]
struct Room {
    places: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

/// Room that is taken until this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _places: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(MAX_SUBSCRIPTIONS)),
            bytes: Arc::new(Semaphore::new(MAX_URI_BYTES)),
        }
    }
}

impl Room {
    fn take(&self, places: usize, bytes: usize) -> Result<Place, Full> {
        let take = |room: &Arc<Semaphore>, count: usize| {
            let count = u32::try_from(count).map_err(|_| Full)?;
            Arc::clone(room)
                .try_acquire_many_owned(count)
                .map_err(|_| Full)
        };
        Ok(Place {
            _places: take(&self.places, places)?,
            _bytes: take(&self.bytes, bytes)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_has_room_for_so_many_subscriptions() {
        let connection = Connection::default();
        let uris = vec!["m:a".to_owned(); MAX_SUBSCRIPTIONS - 2];
        let place = connection.take_stream(&uris).unwrap();
        connection.take_stream(&[]).map(drop).unwrap();
        assert!(connection.take_stream(&uris).is_err());
        drop(place);
        let place = connection.take_stream(&uris).unwrap();
        drop(place);
        let long = "x".repeat(MAX_URI_BYTES);
        assert!(connection.take_stream(&[long]).is_err());
    }
}
