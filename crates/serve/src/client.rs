//! The client's side of HTTP, for sub-commands that ask the server which runs on this host, and for what
//! the operator has a server send.
#![expect(
    clippy::disallowed_methods,
    reason = "connects to where the operator says, never for a call"
)]

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::body::Body;
use axum::http::header::HOST;
use axum::http::{HeaderValue, Request, Response};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

/// Why the server gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// Nothing listens there.
    #[error("cannot connect to {address}")]
    Connect {
        /// The address.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// The connection ended early, or spoke no HTTP.
    #[error("no answer from {address}")]
    Exchange {
        /// The address.
        address: SocketAddr,
        /// What was wrong.
        source: hyper::Error,
    },
}

/// A server on this host.
#[derive(Debug, Clone)]
pub(crate) struct LocalServer {
    address: SocketAddr,
    host: HeaderValue,
}

/// A response, whose connection ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) response: Response<Body>,
    _connection: AbortOnDropHandle<()>,
}

impl LocalServer {
    /// The one that listens on `address`, asked for under the name of `host`, or by its address.
    pub(crate) fn listening_on(address: SocketAddr, host: Option<&str>) -> Self {
        let address = reachable(address);
        let own = || HeaderValue::from_str(&address.to_string()).ok();
        let host = host.and_then(|host| HeaderValue::from_str(host).ok());
        Self {
            address,
            host: host
                .or_else(own)
                .unwrap_or(HeaderValue::from_static("localhost")),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends a request on a connection of its own, which costs little on loopback and cannot have
    /// been closed meanwhile.
    pub(crate) async fn send(&self, mut request: Request<Body>) -> Result<Reply, ClientError> {
        let address = self.address;
        let stream = self.connect().await?;
        request.headers_mut().insert(HOST, self.host.clone());
        let reply = exchange(stream, request).await;
        reply.map_err(|source| ClientError::Exchange { address, source })
    }

    /// Whether anything listens there.
    pub(crate) async fn connect(&self) -> Result<TcpStream, ClientError> {
        let address = self.address;
        let connected = async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        let connected: io::Result<TcpStream> = connected.await;
        connected.map_err(|source| ClientError::Connect { address, source })
    }
}

/// Connects to the first address of `host` that answers.
#[cfg(feature = "otlp")]
pub(crate) async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    TcpStream::connect((host, port)).await
}

/// Sends a request over a connection that is used for nothing else.
pub(crate) async fn exchange(
    stream: TcpStream,
    request: Request<Body>,
) -> Result<Reply, hyper::Error> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = crate::run::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended early");
        }
    });
    let response = sender.send_request(request).await?;
    Ok(Reply {
        response: response.map(Body::new),
        _connection: connection,
    })
}

/// The loopback address stands for every address, which nobody can connect to.
pub(crate) fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}
