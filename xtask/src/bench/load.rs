//! Load over HTTP/1.1: many connections, each with one request unanswered at any time.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Without any answer for so long the load gives up.
const LIMIT: Duration = Duration::from_secs(10);
/// An answer with its head; the calls made here are answered in a few hundred bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Open connections and the request that goes over them.
pub(super) struct Load {
    connections: Vec<Connection>,
    request: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    /// What came of the answer that is awaited.
    answer: Vec<u8>,
}

impl Load {
    /// Connects `connections` times.
    pub(super) fn connect(
        address: SocketAddr,
        connections: usize,
        request: Vec<u8>,
    ) -> Result<Self> {
        let connections = (0..connections).map(|_| Connection::open(address));
        Ok(Self {
            connections: connections.collect::<Result<_>>()?,
            request,
        })
    }

    /// Makes about `total` calls, the same number on each connection; answers per second.
    pub(super) fn run(&mut self, total: usize) -> Result<f64> {
        let each = total.div_ceil(self.connections.len().max(1));
        let mut left = vec![each; self.connections.len()];
        let started = Instant::now();
        for connection in &mut self.connections {
            connection.stream.write_all(&self.request)?;
        }
        let mut unanswered = each * self.connections.len();
        while unanswered > 0 {
            let ready = self.ready()?;
            for ((connection, left), _) in self
                .connections
                .iter_mut()
                .zip(&mut left)
                .zip(ready)
                .filter(|(_, ready)| *ready)
            {
                if !connection.receive()? {
                    continue;
                }
                unanswered -= 1;
                *left -= 1;
                if *left > 0 {
                    connection.stream.write_all(&self.request)?;
                }
            }
        }
        let calls = u32::try_from(each * self.connections.len())?;
        Ok(f64::from(calls) / started.elapsed().as_secs_f64())
    }

    /// Which connections have something to read; waits until one has.
    fn ready(&self) -> Result<Vec<bool>> {
        let polled = |connection| PollFd::from_borrowed_fd(connection, PollFlags::IN);
        let mut polled: Vec<PollFd<'_>> = self
            .connections
            .iter()
            .map(|connection| polled(std::os::fd::AsFd::as_fd(&connection.stream)))
            .collect();
        if poll(&mut polled, Some(&Timespec::try_from(LIMIT)?))? == 0 {
            bail!("waited more than {LIMIT:?} for an answer over HTTP");
        }
        Ok(polled
            .iter()
            .map(|polled| !polled.revents().is_empty())
            .collect())
    }
}

impl Connection {
    fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, LIMIT)
            .with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        Ok(Self {
            stream,
            answer: Vec::new(),
        })
    }

    /// Reads what is there; whether the answer is now whole, and then it is forgotten.
    fn receive(&mut self) -> Result<bool> {
        let mut chunk = [0; 4096];
        let count = self.stream.read(&mut chunk)?;
        if count == 0 {
            bail!("the server closed a connection");
        }
        self.answer
            .extend_from_slice(chunk.get(..count).unwrap_or_default());
        let Some(length) = whole_length(&self.answer)? else {
            if self.answer.len() > MAX_ANSWER_BYTES {
                bail!("an answer is longer than {MAX_ANSWER_BYTES} bytes");
            }
            return Ok(false);
        };
        if self.answer.len() < length {
            return Ok(false);
        }
        require_success(&self.answer)?;
        self.answer.clear();
        Ok(true)
    }
}

/// Bytes of an answer, head and body, once its head is there (RFC 9112, section 6.3).
fn whole_length(answer: &[u8]) -> Result<Option<usize>> {
    let Some(head) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(answer.get(..head).unwrap_or_default());
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>())
    });
    let length = length.with_context(|| format!("an answer without a length: {text}"))??;
    Ok(Some(head + 4 + length))
}

fn require_success(answer: &[u8]) -> Result<()> {
    let text = String::from_utf8_lossy(answer);
    if text.starts_with("HTTP/1.1 200 ")
        && text.contains("\"result\"")
        && !text.contains("\"isError\":true")
    {
        return Ok(());
    }
    bail!("a call over HTTP failed: {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_where_an_answer_ends() {
        let check = |answer: &str, expected| {
            assert_eq!(whole_length(answer.as_bytes()).ok(), expected, "{answer}");
        };
        check(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
            Some(Some(40)),
        );
        check(
            "HTTP/1.1 200 OK\r\ncontent-length:2\r\n\r\n{",
            Some(Some(39)),
        );
        check("HTTP/1.1 200 OK\r\nContent-", Some(None));
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            None,
        );
    }

    #[test]
    fn takes_no_refusal_for_an_answer() {
        let check = |answer: &str, good: bool| {
            assert_eq!(require_success(answer.as_bytes()).is_ok(), good, "{answer}");
        };
        check("HTTP/1.1 200 OK\r\n\r\n{\"result\":{}}", true);
        check("HTTP/1.1 401 Unauthorized\r\n\r\n", false);
        check(
            "HTTP/1.1 200 OK\r\n\r\n{\"result\":{\"isError\":true}}",
            false,
        );
    }
}
