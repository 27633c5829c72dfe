//! Sub-commands of every server that ask the one which runs with the same configuration.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use clap::Subcommand;

use crate::attach::attach;
use crate::client::LocalServer;
use crate::program::{fail, show};
use crate::{Identity, ServeConfig, with_causes};

/// Time in which a server that is well answers; shorter than what supervisors allow a check.
const HEALTH_LIMIT: Duration = Duration::from_secs(5);

/// What is asked of the server that runs with the same configuration on this host.
#[derive(Debug, Clone, Subcommand)]
pub enum Running {
    /// Ask the running server whether it lives; fails when it does not, for supervisors
    Health {
        /// Whether it also serves calls
        #[arg(long)]
        ready: bool,
    },
    /// Bring standard input and output to the running server, for clients that start a program:
    /// their calls are then under its limits and in its audit and metrics
    Attach,
}

impl Running {
    /// Does it, on a runtime of its own.
    pub fn run(
        &self,
        identity: Identity,
        config: &ServeConfig,
        environment: &[(OsString, OsString)],
    ) -> ExitCode {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(2)
            .build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => return fail(identity.name, error, 1),
        };
        let outcome = runtime.block_on(async {
            match self {
                Self::Health { ready } => health(identity, config, *ready).await,
                Self::Attach => attach(identity, config, environment)
                    .await
                    .map_err(|error| with_causes(&error)),
            }
        });
        // Standard input may be read by a thread that cannot be interrupted.
        runtime.shutdown_background();
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(reason) => fail(identity.name, reason, 1),
        }
    }
}

/// Asks the operations endpoint and prints one line.
async fn health(identity: Identity, config: &ServeConfig, ready: bool) -> Result<(), String> {
    let Some(address) = config.ops_address(identity) else {
        return Err("no operations endpoint is configured: set ops.listen or http.listen".into());
    };
    let server = LocalServer::listening_on(address, None);
    let path = if ready { "/readyz" } else { "/healthz" };
    let url = format!("http://{}{path}", server.address());
    let request = Request::get(path)
        .body(Body::empty())
        .map_err(|error| error.to_string())?;
    let asked = tokio::time::timeout(HEALTH_LIMIT, server.send(request)).await;
    match asked {
        Ok(Ok(reply)) if reply.response.status() == StatusCode::OK => {
            show(&format!("ok: {url}\n")).map_err(|error| error.to_string())
        }
        Ok(Ok(reply)) => Err(format!("{url} answers {}", reply.response.status())),
        Ok(Err(error)) => Err(with_causes(&error)),
        Err(_) => Err(format!("{url} does not answer within {HEALTH_LIMIT:?}")),
    }
}
