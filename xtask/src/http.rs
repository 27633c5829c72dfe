//! HTTP/1.1 over loopback, by hand: one GET, enough to ask a server whether it is ready, and connections that are
//! kept.

mod connection;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

pub(crate) use self::connection::{Answer, Connection};

/// Longest answer that is read, in bytes.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;

/// Status of `GET path`; connecting and each read take at most `limit`.
pub(crate) fn status(address: SocketAddr, path: &str, limit: Duration) -> Result<u16> {
    status_with(address, path, "", limit)
}

/// Status of `GET path` with further fields in its head, each ended by a CRLF.
pub(crate) fn status_with(
    address: SocketAddr,
    path: &str,
    fields: &str,
    limit: Duration,
) -> Result<u16> {
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\n{fields}Connection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer)?;
    parse_status(&String::from_utf8_lossy(&answer))
}

/// Reads the status line of RFC 9112, section 4.
fn parse_status(answer: &str) -> Result<u16> {
    let line = answer.lines().next().unwrap_or_default();
    let mut words = line.split(' ');
    if !words
        .next()
        .is_some_and(|version| version.starts_with("HTTP/1."))
    {
        bail!("not an HTTP/1.1 answer: {line:?}");
    }
    let code = words.next().unwrap_or_default();
    code.parse()
        .with_context(|| format!("no status code in {line:?}"))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn reads_the_status_line_or_says_what_came_instead() {
        let check = |answer, expected| assert_eq!(parse_status(answer).ok(), expected, "{answer}");
        check("HTTP/1.1 200 OK\r\n\r\n", Some(200));
        check("HTTP/1.1 503 Service Unavailable\r\n", Some(503));
        check("HTTP/1.0 204\r\n", Some(204));
        check("HTTP/1.1 ok\r\n", None);
        check("SSH-2.0-x\r\n", None);
        check("", None);
    }

    #[test]
    fn gives_up_on_a_server_that_never_answers() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert!(status(address, "/readyz", Duration::from_millis(100)).is_err());
    }
}
