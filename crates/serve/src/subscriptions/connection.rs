//! The subscriptions of one connection; they end with it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::AbortOnDropHandle;

use super::feed::{Established, Feed, Following, Sink};
use super::{Full, MAX_SUBSCRIPTIONS, MAX_URI_BYTES, Wanted};

/// What one connection is subscribed to.
#[derive(Debug, Default)]
pub(crate) struct Connection {
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
    _delivering: AbortOnDropHandle<()>,
}

impl Connection {
    /// Subscribes to a resource, by its canonical spelling and that of the client.
    pub(crate) fn subscribe(
        &self,
        (canonical, uri): (String, &str),
        feed: &Feed,
        sink: Sink,
    ) -> Result<Established, Full> {
        if !self.wanted.has(&canonical) {
            let place = self.room.take(1, canonical.len() + uri.len())?;
            self.wanted.add(canonical, uri.to_owned(), place);
        }
        Ok(self.delivered(feed, sink))
    }

    /// Ends a subscription; the last one ends what tells of changes.
    pub(crate) fn unsubscribe(&self, canonical: &str) {
        self.wanted.remove(canonical);
        if self.wanted.is_empty() {
            lock(&self.delivery).take();
        }
    }

    /// Tells the client when the list of resources changes.
    pub(crate) fn follow_list(&self, feed: &Feed, sink: Sink) -> Established {
        self.wanted.add_list();
        self.delivered(feed, sink)
    }

    fn delivered(&self, feed: &Feed, sink: Sink) -> Established {
        let mut delivery = lock(&self.delivery);
        let delivery = delivery.get_or_insert_with(|| {
            let following = feed.follow();
            Delivery {
                established: following.established(),
                _delivering: crate::run::spawn(following.deliver(self.wanted.clone(), sink)),
            }
        });
        delivery.established.clone()
    }

    /// Takes room for a stream that tells of these resources, until it is dropped.
    pub(crate) fn take_stream(&self, uris: &[String]) -> Result<Place, Full> {
        let bytes = uris.iter().map(String::len).sum::<usize>();
        self.room.take(uris.len() + 1, bytes.saturating_mul(2))
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
