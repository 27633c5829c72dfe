//! An HTTP/1.1 listener with bounds: connections at once, time for a request's head and for
//! reading its response, an end.

mod impatient;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use axum::{Router, middleware};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::hosts;
use impatient::Impatient;

/// Time a client has to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// What was sent before the server was told to stop is read for so long. Without it the end would drop a request that
/// is there and not read yet.
pub(crate) const LAST_REQUEST: Duration = Duration::from_millis(50);

/// Pause after the kernel refused to hand over a connection, e.g. for lack of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What connections may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Connections at once.
    pub(crate) max_connections: NonZeroUsize,
    /// Time in which a client must read what is sent to it.
    pub(crate) write_timeout: Duration,
    /// Time that open requests have to end once the server stops.
    pub(crate) grace: Duration,
}

/// Serves `app` until `stop` fires.
pub(crate) async fn serve(
    listener: TcpListener,
    app: Router,
    bounds: Bounds,
    stop: CancellationToken,
) {
    let app = app.layer(middleware::from_fn(hosts::require_one));
    let places = bounds.max_connections.get().min(Semaphore::MAX_PERMITS);
    let places = Arc::new(Semaphore::new(places));
    let mut connections = JoinSet::new();
    let connect = |connections: &mut JoinSet<()>, stream, place| {
        let stream = Impatient::new(no_delay(stream), bounds.write_timeout);
        let connection = serve_connection(stream, app.clone(), stop.clone());
        connections.spawn(async move {
            connection.await;
            drop(place);
        });
    };
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            next = next => next,
        };
        match accepted {
            Ok((stream, _)) => connect(&mut connections, stream, place),
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    for stream in queued(listener, places.available_permits()) {
        let place = Arc::clone(&places).acquire_owned().await;
        connect(&mut connections, stream, place);
    }
    let all_closed = async { while connections.join_next().await.is_some() {} };
    if timeout(bounds.grace, all_closed).await.is_err() {
        tracing::debug!("open requests were cut off");
    }
}

/// Those who have connected and wait to be accepted, as many as there are places for. Who connects later is refused
/// at once instead of waiting for an end, and may ask another server; the few who connect in between are cut off.
fn queued(listener: TcpListener, places: usize) -> Vec<TcpStream> {
    let accepted = listener.into_std().map(|listener| {
        let waiting = listener.incoming().take(places).map_while(Result::ok);
        let accepted = waiting.map(|stream| {
            stream.set_nonblocking(true)?;
            TcpStream::from_std(stream)
        });
        accepted.filter_map(Result::ok).collect()
    });
    accepted.unwrap_or_default()
}

fn no_delay(stream: TcpStream) -> TcpStream {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY was not set");
    }
    stream
}

async fn serve_connection(stream: Impatient<TcpStream>, app: Router, stop: CancellationToken) {
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    let mut connection = std::pin::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = stop.cancelled() => {
            if let Ok(served) = timeout(LAST_REQUEST, connection.as_mut()).await {
                served
            } else {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests;
