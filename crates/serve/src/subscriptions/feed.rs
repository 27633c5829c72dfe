//! The one watch on a server's library, and those who follow it.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use mcp_toolcall::{Changed, Pipeline};
use rmcp::RoleServer;
use rmcp::model::ResourceUpdatedNotificationParam;
use rmcp::service::{Peer, SubscriptionSink};
use tokio::sync::broadcast::{self, error::RecvError, error::TryRecvError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::Wanted;

/// Changes that wait for a slow follower, in pieces as the library tells of them; who is further
/// behind is told that anything may have changed.
const PIECES: usize = 64;

/// How long a watch that failed rests.
const REST: Duration = Duration::from_secs(1);

/// How long a subscriber waits for the watch to begin before it is answered.
const BEGIN_WITHIN: Duration = Duration::from_secs(5);

/// What changes in the library, watched while anyone follows.
#[derive(Debug)]
pub(crate) struct Feed {
    pipeline: Arc<Pipeline>,
    watch: Mutex<Weak<Watch>>,
}

/// A watch in progress; it ends with the last who follows.
#[derive(Debug)]
struct Watch {
    pieces: broadcast::Sender<Arc<Changed>>,
    established: Established,
    _watching: AbortOnDropHandle<()>,
}

/// Fires once the watch misses nothing any more.
#[derive(Debug, Clone, Default)]
pub(crate) struct Established(CancellationToken);

impl Established {
    /// Waits until no later change is missed, but not for a library that cannot be watched.
    pub(crate) async fn established(self) {
        if tokio::time::timeout(BEGIN_WITHIN, self.0.cancelled())
            .await
            .is_err()
        {
            tracing::warn!("the library could not be watched so far");
        }
    }
}

impl Feed {
    pub(crate) fn of(pipeline: Arc<Pipeline>) -> Self {
        Self {
            pipeline,
            watch: Mutex::default(),
        }
    }

    /// Follows what changes from now on.
    pub(crate) fn follow(&self) -> Following {
        let mut running = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watch) = running.upgrade() {
            return Following::of(watch);
        }
        let pieces = broadcast::Sender::new(PIECES);
        let established = Established::default();
        let watching = watch(
            Arc::clone(&self.pipeline),
            pieces.clone(),
            established.0.clone(),
        );
        let watch = Arc::new(Watch {
            pieces,
            established,
            _watching: crate::run::spawn(watching),
        });
        *running = Arc::downgrade(&watch);
        Following::of(watch)
    }

    /// Whether anyone follows.
    #[cfg(test)]
    pub(crate) fn is_watching(&self) -> bool {
        let running = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        running.strong_count() > 0
    }
}

/// Watches the library for ever, again after it failed.
async fn watch(
    pipeline: Arc<Pipeline>,
    pieces: broadcast::Sender<Arc<Changed>>,
    established: CancellationToken,
) {
    loop {
        let once = watch_once(&pipeline, &pieces, &established);
        if AssertUnwindSafe(once).catch_unwind().await.is_err() {
            tracing::error!("watching the library failed in a way it should not");
        }
        // Subscribers are answered; what they miss until then is made up for by the next watch.
        established.cancel();
        tokio::time::sleep(REST).await;
    }
}

async fn watch_once(
    pipeline: &Pipeline,
    pieces: &broadcast::Sender<Arc<Changed>>,
    established: &CancellationToken,
) {
    let Some(library) = pipeline.library() else {
        return;
    };
    let mut changes = match library.changes().await {
        Ok(changes) => changes,
        Err(error) => {
            let cause = error.cause().map(tracing::field::display);
            tracing::warn!(%error, cause, "the library cannot be watched now");
            return;
        }
    };
    let is_first = !established.is_cancelled();
    established.cancel();
    if !is_first {
        pieces.send(Arc::new(Changed::anything())).ok();
    }
    while let Some(changed) = changes.next().await {
        // Nobody receives while the last who followed is leaving.
        pieces.send(Arc::new(changed)).ok();
    }
}

/// One who follows.
#[derive(Debug)]
pub(crate) struct Following {
    pieces: broadcast::Receiver<Arc<Changed>>,
    watch: Arc<Watch>,
}

impl Following {
    fn of(watch: Arc<Watch>) -> Self {
        Self {
            pieces: watch.pieces.subscribe(),
            watch,
        }
    }

    pub(super) fn established(&self) -> Established {
        self.watch.established.clone()
    }

    /// Tells `sink` of what is wanted until its client is gone.
    pub(crate) async fn deliver(mut self, wanted: Wanted, sink: Sink) {
        loop {
            let due = wanted.due(&self.next().await);
            for canonical in due.resources {
                // It may have been unsubscribed since.
                let uri = wanted.spelling(&canonical);
                if let Some(uri) = uri
                    && !sink.updated(uri).await
                {
                    return;
                }
            }
            if due.list && !sink.list_changed().await {
                return;
            }
        }
    }

    /// Waits for a change, and takes all that came meanwhile.
    async fn next(&mut self) -> Vec<Arc<Changed>> {
        let anything = || Arc::new(Changed::anything());
        let mut pieces = match self.pieces.recv().await {
            Ok(piece) => vec![piece],
            Err(RecvError::Lagged(_)) => vec![anything()],
            // The sender is in the watch, which is held here.
            Err(RecvError::Closed) => std::future::pending().await,
        };
        loop {
            match self.pieces.try_recv() {
                Ok(piece) => pieces.push(piece),
                Err(TryRecvError::Lagged(_)) => pieces = vec![anything()],
                Err(TryRecvError::Empty | TryRecvError::Closed) => return pieces,
            }
        }
    }
}

/// Where a subscriber is told of changes. One notification is on its way at a time.
#[derive(Debug)]
pub(crate) enum Sink {
    /// The client's connection (`resources/subscribe`).
    Peer(Peer<RoleServer>),
    /// The client's stream (`subscriptions/listen`).
    Stream(SubscriptionSink),
}

impl Sink {
    /// Says that a resource changed; whether the client is still there.
    async fn updated(&self, uri: String) -> bool {
        let sent = match self {
            Self::Peer(peer) => {
                let param = ResourceUpdatedNotificationParam::new(uri);
                peer.notify_resource_updated(param).await.is_ok()
            }
            Self::Stream(stream) => stream.notify_resource_updated(uri).await.is_ok(),
        };
        sent || self.is_there()
    }

    async fn list_changed(&self) -> bool {
        let sent = match self {
            Self::Peer(peer) => peer.notify_resource_list_changed().await.is_ok(),
            Self::Stream(stream) => stream.notify_resource_list_changed().await.is_ok(),
        };
        sent || self.is_there()
    }

    /// A stream that could not take one notification takes none any more.
    fn is_there(&self) -> bool {
        match self {
            Self::Peer(peer) => !peer.is_transport_closed(),
            Self::Stream(_) => false,
        }
    }
}
