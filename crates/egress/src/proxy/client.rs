//! One connection of the command to its proxy.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

use super::meter::{Meter, Metered};
use super::refusal::Refusal;
use super::{Shared, forward};
use crate::breaker::Health;
use crate::exchange::health_after;
use crate::{Egress, EgressError, Phase, VettedUrl, observe};

/// Time a command has to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes of a head past which no more is read, of requests and responses.
const LARGEST_HEAD: usize = 64 * 1024;

type Body = Either<Full<Bytes>, Incoming>;

/// The command's end, and its place among the command's connections: whatever works for it holds
/// this.
struct Client {
    shared: Arc<Shared>,
    _place: OwnedSemaphorePermit,
}

/// Answers the requests of one connection until the command closes it.
pub(super) async fn serve(shared: Arc<Shared>, stream: TcpStream, place: OwnedSemaphorePermit) {
    let client = Arc::new(Client {
        shared,
        _place: place,
    });
    let service = service_fn(move |request| {
        let client = Arc::clone(&client);
        async move { Ok::<_, Infallible>(client.answer(request).await) }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(LARGEST_HEAD);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.with_upgrades().await {
        tracing::debug!(%error, "a command's connection ended early");
    }
}

impl Client {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        let shared = Arc::clone(&self.shared);
        let answered = match *request.method() {
            Method::CONNECT => self.tunnel(request).await,
            Method::TRACE => Err(Refusal::Trace),
            _ => self.forward(request).await,
        };
        answered.unwrap_or_else(|refusal| {
            shared.note(&refusal);
            let mut response = Response::new(Either::Left(refusal.text().into()));
            *response.status_mut() = refusal.status();
            response
        })
    }

    async fn tunnel(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Refusal> {
        let url = self.vet(tunnel_target(request.uri()))?;
        let mut far = self.reach(&url).await?;
        let upgrade = hyper::upgrade::on(request);
        let meter = Arc::clone(&far.meter);
        let carry = async move {
            match upgrade.await {
                Ok(near) => {
                    let mut near = TokioIo::new(near);
                    tokio::io::copy_bidirectional(&mut near, &mut far)
                        .await
                        .map(drop)
                }
                Err(error) => Err(std::io::Error::other(error)),
            }
        };
        self.work(carry, meter);
        Ok(Response::new(Either::Left(Full::default())))
    }

    async fn forward(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Refusal> {
        let url = self.vet(forward_target(request.uri()))?;
        let far = self.reach(&url).await?;
        let request = forward::outgoing(request, &url);
        let response = self.exchange(far, request, &url.authority()).await;
        let response = response.map_err(Refusal::Exchange)?;
        Ok(forward::incoming(response).map(Either::Right))
    }

    fn vet(&self, target: Option<String>) -> Result<VettedUrl, Refusal> {
        if let Some(limit) = self.shared.allowance.exhausted() {
            return Err(Refusal::Exhausted { limit });
        }
        let target = target.ok_or(Refusal::NoTarget)?;
        self.egress().vet(&target).map_err(Refusal::Url)
    }

    /// A connection to the server of `url`; its breaker and the metrics learn of it.
    async fn reach(&self, url: &VettedUrl) -> Result<Metered, Refusal> {
        let started = Instant::now();
        let dialled = match self.egress().admit(url) {
            Ok(pass) => {
                let dialled = self.egress().dial(url).await;
                pass.settle(dialled.as_ref().map_or_else(health_after, |_| Health::Good));
                dialled
            }
            Err(refused) => Err(refused),
        };
        observe::connected(&dialled, started.elapsed());
        let meter = Arc::new(Meter::new(Arc::clone(&self.shared.allowance)));
        dialled
            .map(|stream| Metered { stream, meter })
            .map_err(Refusal::Exchange)
    }

    /// Sends a request over a connection of its own, which ends with the response's body.
    async fn exchange(
        self: &Arc<Self>,
        far: Metered,
        request: Request<Incoming>,
        host: &str,
    ) -> Result<Response<Incoming>, EgressError> {
        let broke_off = |error: hyper::Error| EgressError::Transport {
            host: host.to_owned(),
            source: error.into(),
        };
        let meter = Arc::clone(&far.meter);
        let handshake = hyper::client::conn::http1::Builder::new()
            .max_buf_size(LARGEST_HEAD)
            .handshake(TokioIo::new(far));
        let (mut sender, connection) = handshake.await.map_err(broke_off)?;
        self.work(connection, meter);
        let limit = self.egress().config().first_byte_timeout;
        match timeout(limit, sender.send_request(request)).await {
            Ok(sent) => sent.map_err(broke_off),
            Err(_) => Err(EgressError::TimedOut {
                phase: Phase::FirstByte,
                limit,
            }),
        }
    }

    /// Has `work` done beside the answer, while bytes move.
    fn work<E: std::fmt::Display>(
        self: &Arc<Self>,
        work: impl Future<Output = Result<(), E>> + Send + 'static,
        meter: Arc<Meter>,
    ) {
        let client = Arc::clone(self);
        let idle_timeout = self.egress().config().proxy.idle_timeout;
        self.shared.spawn(async move {
            tokio::select! {
                worked = work => {
                    if let Err(error) = worked {
                        tracing::debug!(%error, "a command's connection broke off");
                    }
                }
                () = meter.idle(idle_timeout) => {}
            }
            drop(client);
        });
    }

    fn egress(&self) -> &Egress {
        &self.shared.egress
    }
}

/// What a tunnel is to. It must name the port (RFC 9110, section 9.3.6).
fn tunnel_target(uri: &Uri) -> Option<String> {
    let authority = uri.authority()?;
    authority.port()?;
    Some(format!("http://{authority}/"))
}

fn forward_target(uri: &Uri) -> Option<String> {
    (uri.scheme_str() == Some("http")).then(|| uri.to_string())
}
