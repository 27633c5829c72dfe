//! From a built pipeline to a served one, and back to nothing in an orderly way.

use std::error::Error;
use std::ffi::OsString;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mcp_metrics::Recorder;
use mcp_toolcall::Pipeline;
use rmcp::service::serve_server_with_ct;
use rmcp::transport::stdio_pipes;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::auth::{self, Token};
use crate::client::reachable;
use crate::handler::Handler;
use crate::listener::Bounds;
use crate::settings::DEFAULT_WRITE_TIMEOUT;
use crate::stdio::Lines;
use crate::stdio::hang_up::hung_up;
use crate::traces::Transport;
use crate::{ServeConfig, ServeError, Stop, http, listener, ops};

/// Capacity of the pipe that answers go to: the most that an ordinary user may ask for
/// (`/proc/sys/fs/pipe-max-size`, pipe(7)).
const OUTPUT_PIPE_BYTES: usize = 1024 * 1024;

/// Time that cancelled calls, and then the last writes, may take: with the default grace a busy
/// server ends within half a second.
const CANCEL_GRACE: Duration = Duration::from_millis(120);

/// Time between the end of a call and its answer's way out, and between a request's arrival and its call.
const LAST_ANSWER: Duration = Duration::from_millis(20);

/// What a server says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    /// Name of the server, of its binary and of its directories.
    pub name: &'static str,
    /// Name for people.
    pub title: &'static str,
    /// Its version.
    pub version: &'static str,
    /// What a model should know before it calls the first tool.
    pub instructions: &'static str,
    /// Loopback port of the operations endpoint when none is configured.
    pub ops_port: u16,
}

/// What guards the door, prepared before anything is served.
#[derive(Debug)]
pub struct Access {
    token: Option<Token>,
    token_file: Option<PathBuf>,
}

/// What becomes of a token file that does not exist yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingToken {
    /// It is made, with mode 0600.
    Make,
    /// It is left for the server that will serve.
    Leave,
}

impl Access {
    /// Reads the bearer token, or makes it, when the configuration asks for one. `environment`
    /// tells where the user's state directory is.
    ///
    /// # Errors
    /// When the token file cannot be used, or when nothing would guard a public address.
    pub fn prepare(
        server: &str,
        config: &ServeConfig,
        environment: &[(OsString, OsString)],
        missing: MissingToken,
    ) -> Result<Self, ServeError> {
        let Some(address) = config.http.listen else {
            return Ok(Self {
                token: None,
                token_file: None,
            });
        };
        if !config.http.auth {
            if !address.ip().is_loopback() {
                return Err(ServeError::OpenToOthers { address });
            }
            return Ok(Self {
                token: None,
                token_file: None,
            });
        }
        let variable = |name: &str| {
            environment
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| PathBuf::from(value))
        };
        let path = match &config.http.token_file {
            Some(path) => path.clone(),
            None => auth::default_path(server, variable("XDG_STATE_HOME"), variable("HOME"))?,
        };
        let token = match missing {
            MissingToken::Make => Some(Token::open_or_create(&path)?),
            MissingToken::Leave => Token::open(&path)?,
        };
        Ok(Self {
            token,
            token_file: Some(path),
        })
    }

    /// The file that holds the token.
    pub fn token_file(&self) -> Option<&Path> {
        self.token_file.as_deref()
    }

    /// Nothing is served unguarded because its token was left unmade.
    fn guard(self, config: &ServeConfig) -> Result<Option<Token>, ServeError> {
        match (self.token, self.token_file) {
            (None, Some(path)) if config.http.auth => Err(ServeError::Token {
                path,
                reason: "it was not made",
                source: None,
            }),
            (token, _) => Ok(token),
        }
    }

    /// The token, so that replies can be kept free of it.
    pub fn secret(&self) -> Option<&str> {
        self.token.as_ref().map(Token::expose)
    }
}

/// Serves until the input ends or `stop` fires.
///
/// # Errors
/// When an address cannot be bound.
pub async fn run(
    identity: Identity,
    config: ServeConfig,
    access: Access,
    served: (Arc<Pipeline>, Recorder),
    stop: Stop,
) -> Result<(), ServeError> {
    let (pipeline, recorder) = served;
    let transport = match config.http.listen {
        Some(_) => Transport::Http,
        None => Transport::Stdio,
    };
    let handler = Handler::new(
        identity,
        pipeline,
        config.transport.max_message_bytes.get(),
        transport,
    );
    if let Some(address) = config.http.listen {
        let listener = bind(address, "streamable HTTP").await?;
        let ops = start_ops(identity, &config, recorder, stop.token()).await?;
        announce(
            identity,
            &listener,
            access.token_file.as_deref(),
            ops.as_ref(),
        );
        let token = access.guard(&config)?;
        serve_http(handler, &config, token, listener, stop.token()).await;
    } else {
        let _ops = start_ops(identity, &config, recorder, stop.token()).await?;
        serve_stdio(handler, &config, stop.token()).await;
    }
    Ok(())
}

async fn serve_http(
    handler: Handler,
    config: &ServeConfig,
    token: Option<Token>,
    listener: TcpListener,
    stop: &CancellationToken,
) {
    let Ok(address) = listener.local_addr() else {
        return;
    };
    let sessions_end = CancellationToken::new();
    let app = http::routes(
        handler.clone(),
        config,
        address,
        token,
        sessions_end.clone(),
    );
    let bounds = Bounds {
        max_connections: config.http.max_connections,
        write_timeout: config.http.write_timeout,
        grace: listener::LAST_REQUEST
            + LAST_ANSWER
            + config.transport.stop_grace
            + CANCEL_GRACE
            + LAST_ANSWER,
    };
    let closed = CancellationToken::new();
    let serving = async {
        listener::serve(listener, app, bounds, stop.clone()).await;
        closed.cancel();
    };
    let draining = async {
        stop.cancelled().await;
        // What was sent before is read first, and its calls begin.
        drop(timeout(listener::LAST_REQUEST + LAST_ANSWER, closed.cancelled()).await);
        drain(&handler, config.transport.stop_grace).await;
        // Answers leave before the sessions end; streams that are listened to end with them only.
        drop(timeout(LAST_ANSWER, closed.cancelled()).await);
        sessions_end.cancel();
    };
    tokio::join!(serving, draining);
}

async fn serve_stdio(handler: Handler, config: &ServeConfig, stop: &CancellationToken) {
    let ended = CancellationToken::new();
    // A page of content then leaves in one piece, not 64 KiB at a time; what is no pipe stays.
    rustix::pipe::fcntl_setpipe_size(rustix::stdio::stdout(), OUTPUT_PIPE_BYTES).ok();
    let (reader, writer) = stdio_pipes();
    let lines = Lines::new(
        reader,
        writer,
        config.transport.max_message_bytes.get(),
        ended.clone(),
    );
    let service = CancellationToken::new();
    let starting = Box::pin(serve_server_with_ct(
        handler.clone(),
        lines,
        service.clone(),
    ));
    let running = tokio::select! {
        running = starting => running,
        () = stop.cancelled() => return,
        () = gone() => return,
    };
    let running = match running {
        Ok(running) => running,
        Err(error) => {
            // A client that leaves before it said anything is no failure of the server.
            tracing::debug!(%error, "no client was served");
            return;
        }
    };
    let mut finished = std::pin::pin!(running.waiting());
    tokio::select! {
        _ = &mut finished => return,
        () = ended.cancelled() => {}
        () = stop.cancelled() => {}
        () = gone() => {}
    }
    drain(&handler, config.transport.stop_grace).await;
    service.cancel();
    if timeout(CANCEL_GRACE, finished).await.is_err() {
        tracing::debug!("the last replies were not taken");
    }
}

/// Ends when the client has left and what it sent last should have been read.
async fn gone() {
    hung_up().await;
    tokio::time::sleep(CANCEL_GRACE).await;
}

/// Lets calls in progress end, then cancels them.
async fn drain(handler: &Handler, grace: Duration) {
    if timeout(grace, handler.idle()).await.is_err() {
        handler.cancel_calls();
        if timeout(CANCEL_GRACE, handler.idle()).await.is_err() {
            tracing::warn!("a call did not stop when it was told to");
        }
    }
}

/// A running operations endpoint; it ends when this is dropped.
struct Ops {
    address: SocketAddr,
    _serving: AbortOnDropHandle<()>,
}

/// Starts the operations endpoint if there is to be one. Only one that was asked for, beside
/// HTTP, may keep the server from starting.
async fn start_ops(
    identity: Identity,
    config: &ServeConfig,
    recorder: Recorder,
    stop: &CancellationToken,
) -> Result<Option<Ops>, ServeError> {
    let on_http = config.http.listen.is_some();
    let Some(address) = config.ops_address(identity) else {
        return Ok(None);
    };
    let listener = match bind(address, "the operations endpoint").await {
        Ok(listener) => listener,
        Err(error) if on_http && config.ops.listen.is_some() => return Err(error),
        Err(error) => {
            let error: &dyn Error = &error;
            tracing::warn!(error, %address, "no operations endpoint: the address cannot be had");
            return Ok(None);
        }
    };
    let address = listener.local_addr().unwrap_or(address);
    tracing::info!(%address, "operations endpoint");
    let app = ops::routes(recorder, config.ops.allowed_hosts.clone());
    let bounds = Bounds {
        max_connections: ops::MAX_CONNECTIONS,
        write_timeout: DEFAULT_WRITE_TIMEOUT,
        grace: Duration::ZERO,
    };
    let serving = listener::serve(listener, app, bounds, stop.clone());
    Ok(Some(Ops {
        address,
        _serving: spawn(serving),
    }))
}

async fn bind(address: SocketAddr, purpose: &'static str) -> Result<TcpListener, ServeError> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| ServeError::Bind {
        address,
        purpose,
        source,
    })
}

/// Tells the person at the terminal how to use the server; never the token itself.
fn announce(
    identity: Identity,
    listener: &TcpListener,
    token_file: Option<&Path>,
    ops: Option<&Ops>,
) {
    let Ok(address) = listener.local_addr() else {
        return;
    };
    let address = reachable(address);
    let Identity { name, version, .. } = identity;
    let short = name.strip_suffix("-mcp").unwrap_or(name);
    let mut lines = vec![format!("{name} {version} serves http://{address}/mcp")];
    lines.extend(ops.map(|ops| format!("metrics    http://{}/metrics", reachable(ops.address))));
    let mut header = String::new();
    if let Some(path) = token_file.map(Path::display) {
        lines.push(format!("token      {path}"));
        header = format!(" \\\n  --header \"Authorization: Bearer $(cat '{path}')\"");
    }
    lines.push(format!(
        "add it     claude mcp add --transport http {short} http://{address}/mcp{header}\n"
    ));
    let text = lines.join("\n");
    if let Err(error) = std::io::stderr().write_all(text.as_bytes()) {
        tracing::debug!(%error, "standard error is closed");
    }
}

/// Spawns a task that is aborted when its handle is dropped.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place: the handle owns the task"
)]
pub(crate) fn spawn<T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
) -> AbortOnDropHandle<T> {
    AbortOnDropHandle::new(tokio::spawn(task))
}
