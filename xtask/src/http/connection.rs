//! A connection over which requests go one after the other, as a client that keeps its connections sends them.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::{MAX_ANSWER_BYTES, parse_status};

/// An open connection.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    host: SocketAddr,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case, and values.
    fields: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Connection {
    /// Connects; this and each read and write take at most `limit`.
    pub(crate) fn open(address: SocketAddr, limit: Duration) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, limit)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(limit))?;
        stream.set_write_timeout(Some(limit))?;
        Ok(Self {
            stream: BufReader::new(stream),
            host: address,
        })
    }

    /// Posts a body with further fields in its head, each ended by a CRLF, and reads the answer.
    pub(crate) fn post(&mut self, path: &str, fields: &str, body: &str) -> Result<Answer> {
        let (host, length) = (self.host, body.len());
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        read_answer(&mut self.stream)
    }
}

impl Answer {
    /// The value of a field whose name is given in lower case.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|(known, _)| known == name);
        field.map(|(_, value)| value.as_str())
    }
}

fn read_answer(stream: &mut impl BufRead) -> Result<Answer> {
    let status = parse_status(&read_line(stream)?)?;
    let mut fields = Vec::new();
    while let Some((name, value)) = read_line(stream)?.split_once(':') {
        fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut answer = Answer {
        status,
        fields,
        body: String::new(),
    };
    let body = match (
        answer.field("transfer-encoding"),
        answer.field("content-length"),
    ) {
        (Some("chunked"), _) => read_chunks(stream)?,
        (_, Some(length)) => read_exactly(stream, length.parse()?)?,
        _ => bail!("an answer of status {status} does not say how long it is"),
    };
    answer.body = String::from_utf8(body)?;
    Ok(answer)
}

fn read_chunks(stream: &mut impl BufRead) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(stream)?;
        let size = u64::from_str_radix(&line, 16);
        let size = size.with_context(|| format!("{line:?} is no size of a chunk"))?;
        body.append(&mut read_exactly(stream, size)?);
        read_line(stream)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

fn read_exactly(stream: &mut impl BufRead, length: u64) -> Result<Vec<u8>> {
    ensure!(length <= MAX_ANSWER_BYTES, "{length} bytes are too many");
    let mut body = Vec::new();
    stream.take(length).read_to_end(&mut body)?;
    ensure!(
        u64::try_from(body.len())? == length,
        "the answer ended early"
    );
    Ok(body)
}

fn read_line(stream: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    stream.take(MAX_ANSWER_BYTES).read_line(&mut line)?;
    let line = line.strip_suffix("\r\n");
    Ok(line.context("the connection ended")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_one_answer_after_the_other() {
        let mut stream = "HTTP/1.1 200 OK\r\nX-Replica: a\r\nContent-Length: 2\r\n\r\nhi\
            HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
            .as_bytes();
        let first = read_answer(&mut stream).unwrap();
        assert_eq!((first.status, first.body.as_str()), (200, "hi"));
        assert_eq!(first.field("x-replica"), Some("a"));
        let second = read_answer(&mut stream).unwrap();
        assert_eq!((second.status, second.body.as_str()), (404, "hello"));
        assert!(stream.is_empty());
    }

    #[test]
    fn takes_no_half_answer_for_a_whole_one() {
        for half in [
            "",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
            "HTTP/1.1 200 OK\r\n\r\nhi",
        ] {
            assert!(read_answer(&mut half.as_bytes()).is_err(), "{half:?}");
        }
    }
}
