//! Standard input and output, brought to the streamable HTTP of a server that runs already.
//!
//! What a message says goes through as it came; only what HTTP wants beside it is added: the token, the
//! header fields of the stateless era, the session of the other one.

mod events;
mod message;
mod session;
mod upstream;

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use rmcp::transport::stdio_pipes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use self::message::Envelope;
use self::session::Link;
use self::upstream::Upstream;
use crate::client::{ClientError, LocalServer};
use crate::stdio::hang_up::hung_up;
use crate::stdio::line::{Line, LineReader};
use crate::stdio::request_id;
use crate::{Access, Identity, MissingToken, ServeConfig, ServeError};

/// Requests in progress at once; further ones are not read until one has ended.
const MAX_OPEN: usize = 64;

/// Lines that wait for the client to read them, beside the one that is being written.
const WAITING_LINES: usize = 1;

/// Time that the server has to forget a session.
const FAREWELL: Duration = Duration::from_secs(1);

/// After the client has left: what it sent before is read for so long at most.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Why nothing can be brought to a server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttachError {
    /// The configuration knows of none.
    #[error("no server to attach to is configured: set http.listen")]
    NoServer,
    /// Its token cannot be read.
    #[error(transparent)]
    Token(#[from] ServeError),
    /// Nobody made its token yet.
    #[error("there is no token in {}: no server was started with this configuration", .0.display())]
    NoToken(PathBuf),
    /// It does not run.
    #[error("no server runs there")]
    NotRunning(#[from] ClientError),
    /// Standard input or output failed.
    #[error("standard input or output")]
    Pipes(#[from] io::Error),
}

/// Brings standard input and output to the server until the input ends.
pub(crate) async fn attach(
    identity: Identity,
    config: &ServeConfig,
    environment: &[(OsString, OsString)],
) -> Result<(), AttachError> {
    let address = config.http.listen.ok_or(AttachError::NoServer)?;
    let access = Access::prepare(identity.name, config, environment, MissingToken::Leave)?;
    if let (None, Some(path)) = (access.secret(), access.token_file()) {
        return Err(AttachError::NoToken(path.to_owned()));
    }
    // On every address only the names that the configuration lists are served.
    let names = config.http.allowed_hosts.first().map(String::as_str);
    let host = names.filter(|_| address.ip().is_unspecified());
    let server = LocalServer::listening_on(address, host);
    drop(server.connect().await?);
    let max_bytes = config.transport.max_message_bytes.get();
    let upstream = Upstream::new(server, access.secret(), max_bytes);
    let (reader, writer) = stdio_pipes();
    let (output, lines) = mpsc::channel(WAITING_LINES);
    let bridge = Bridge {
        link: Arc::new(Link::new(upstream, output)),
        input: LineReader::new(reader, max_bytes),
        running: JoinSet::new(),
        open: HashMap::new(),
    };
    let writing = crate::run::spawn(write(lines, writer));
    bridge.run(config.transport.stop_grace).await?;
    match tokio::time::timeout(FAREWELL, writing).await {
        Ok(Ok(written)) => Ok(written?),
        // The client takes no more.
        Ok(Err(_)) | Err(_) => Ok(()),
    }
}

/// Writes lines until nobody has more, or the client takes none.
async fn write(
    mut lines: mpsc::Receiver<Vec<u8>>,
    mut output: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    while let Some(line) = lines.recv().await {
        output.write_all(&line).await?;
        output.flush().await?;
    }
    Ok(())
}

struct Bridge<R> {
    link: Arc<Link>,
    input: LineReader<R>,
    running: JoinSet<()>,
    /// The requests in progress by their ids as JSON, so that they can be cancelled.
    open: HashMap<String, AbortHandle>,
}

impl<R: AsyncRead + Unpin> Bridge<R> {
    /// Carries messages until there are no more; requests in progress then have `grace` to end.
    async fn run(mut self, grace: Duration) -> io::Result<()> {
        let left_for_long = async {
            hung_up().await;
            tokio::time::sleep(LAST_WORDS).await;
        };
        let read = tokio::select! {
            read = self.read() => read,
            () = left_for_long => Ok(()),
        };
        let all_ended = async { while self.running.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, all_ended).await.is_err() {
            tracing::debug!("requests in progress were left");
        }
        let open = self.open.into_iter();
        let open = open.filter_map(|(id, request)| (!request.is_finished()).then_some(id));
        let leaving = self.link.leave(open);
        if tokio::time::timeout(FAREWELL, leaving).await.is_err() {
            tracing::debug!("the server did not take the end of the session");
        }
        read
    }

    /// Reads messages until there are no more, or nobody takes the answers.
    async fn read(&mut self) -> io::Result<()> {
        loop {
            while self.running.len() >= MAX_OPEN {
                self.running.join_next().await;
            }
            tokio::select! {
                line = self.input.read() => match line? {
                    Line::Whole => self.take().await?,
                    Line::TooLong => self.refuse_too_long().await?,
                    Line::End => return Ok(()),
                },
                () = self.link.closed() => return Ok(()),
                Some(_) = self.running.join_next() => {
                    self.open.retain(|_, request| !request.is_finished());
                }
            }
        }
    }

    /// Requests run beside each other; all else keeps its order, and what opens a conversation is
    /// finished before the next message is read.
    async fn take(&mut self) -> io::Result<()> {
        let line = self.input.line().trim_ascii();
        if line.is_empty() {
            return Ok(());
        }
        let envelope = match Envelope::read(line) {
            Ok(envelope) => envelope,
            Err(error) => {
                tracing::debug!(%error, "a message could not be read");
                return match request_id(line) {
                    Some(id) => self.link.refuse(&id, "the message is not valid").await,
                    None => Ok(()),
                };
            }
        };
        let body = Bytes::copy_from_slice(line);
        let carrier = Arc::clone(&self.link);
        if envelope.is_request() && !envelope.is("initialize") {
            let id = envelope.id_text();
            let request = self
                .running
                .spawn(async move { carrier.carry(envelope, body).await });
            self.open.insert(id, request);
            return Ok(());
        }
        let cancelled = envelope.cancels();
        carrier.carry(envelope, body).await;
        // In the stateless era a request is cancelled by closing its connection.
        if let Some(request) = cancelled.and_then(|id| self.open.remove(&id)) {
            request.abort();
        }
        Ok(())
    }

    async fn refuse_too_long(&mut self) -> io::Result<()> {
        let limit = self.input.max_bytes();
        match request_id(self.input.line()) {
            Some(id) => {
                let reason = format!("the message is longer than {limit} bytes");
                self.link.refuse(&id, &reason).await
            }
            None => Ok(()),
        }
    }
}
