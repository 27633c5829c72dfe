//! A server of this workspace, started over HTTP on loopback and stopped with its owner.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};
use std::{fmt, thread};

use anyhow::{Context, Result, bail};

use crate::http;
use crate::process::Grouped;

/// From start to an answering `/readyz`.
const READY_LIMIT: Duration = Duration::from_secs(20);
/// Longer than the server's own grace for calls in flight.
const STOP_GRACE: Duration = Duration::from_secs(40);
const PROBE_LIMIT: Duration = Duration::from_secs(2);
const PROBE_INTERVAL: Duration = Duration::from_millis(25);

/// The two loopback addresses a server listens on.
#[derive(Clone, Copy)]
pub(crate) struct Addresses {
    /// The protocol, under `/mcp`.
    pub(crate) http: SocketAddr,
    /// `/readyz`, `/healthz` and `/metrics`.
    pub(crate) ops: SocketAddr,
}

impl Addresses {
    /// The first pair of free ports at or after the wanted ones, at the same distance from both.
    pub(crate) fn at_or_after(http: u16, ops: u16) -> Result<Self> {
        for step in 0..100 {
            let pair = Self {
                http: loopback(http + step),
                ops: loopback(ops + step),
            };
            if is_free(pair.http) && is_free(pair.ops) {
                return Ok(pair);
            }
        }
        bail!("no free port within 100 of {http} and {ops}")
    }

    /// Two ports the kernel has just said are free.
    pub(crate) fn any() -> Result<Self> {
        let http = TcpListener::bind(loopback(0))?;
        let ops = TcpListener::bind(loopback(0))?;
        Ok(Self {
            http: http.local_addr()?,
            ops: ops.local_addr()?,
        })
    }

    /// Where clients of the protocol connect.
    pub(crate) fn endpoint(self) -> String {
        format!("http://{}/mcp", self.http)
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (ops {})", self.endpoint(), self.ops)
    }
}

/// A running server; dropping it kills it.
pub(crate) struct Server {
    pub(crate) addresses: Addresses,
    process: Grouped,
}

impl Server {
    /// Adds the addresses to `command`, starts it and waits until it is ready.
    pub(crate) fn start(mut command: Command, addresses: Addresses) -> Result<Self> {
        command.args(["--http", &addresses.http.to_string()]);
        command.args(["--ops", &addresses.ops.to_string()]);
        let mut server = Self {
            addresses,
            process: Grouped::spawn(&mut command)?,
        };
        server.await_ready()?;
        Ok(server)
    }

    fn await_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY_LIMIT;
        while Instant::now() < deadline {
            if let Some(status) = self.exited()? {
                bail!("the server ended before it was ready: {status}");
            }
            if http::status(self.addresses.ops, "/readyz", PROBE_LIMIT)
                .is_ok_and(|code| code == 200)
            {
                return Ok(());
            }
            thread::sleep(PROBE_INTERVAL);
        }
        bail!("the server was not ready within {READY_LIMIT:?}")
    }

    /// How the server ended, if it did.
    pub(crate) fn exited(&mut self) -> Result<Option<ExitStatus>> {
        self.process.wait(Duration::ZERO)
    }

    /// Lets the server drain; it must then end by itself and with success.
    pub(crate) fn stop(self) -> Result<()> {
        let status = self.process.stop(STOP_GRACE)?;
        let status =
            status.with_context(|| format!("the server ignored SIGTERM for {STOP_GRACE:?}"))?;
        if !status.success() {
            bail!("the server did not stop cleanly: {status}");
        }
        Ok(())
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn is_free(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_past_a_taken_port() {
        let taken = TcpListener::bind(loopback(0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let ops = Addresses::any().unwrap().ops.port();
        let found = Addresses::at_or_after(port, ops).unwrap();
        assert!(found.http.port() > port);
        assert_eq!(found.http.port() - port, found.ops.port() - ops);
    }

    #[test]
    fn says_when_the_program_ends_before_it_is_ready() {
        let error = Server::start(Command::new("true"), Addresses::any().unwrap())
            .err()
            .unwrap();
        assert!(
            error.to_string().contains("ended before it was ready"),
            "{error}"
        );
    }
}
