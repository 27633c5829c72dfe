//! HTTP/1.1 by hand (RFC 9112): one exchange on a connection of its own.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::PATIENCE;

/// What a server answered.
#[derive(Debug, Clone)]
pub struct HttpAnswer {
    /// The status code.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body, decoded from its chunks.
    pub body: Vec<u8>,
}

impl HttpAnswer {
    /// The value of a field.
    pub fn header(&self, name: &str) -> Option<&str> {
        let field = self.headers.iter().find(|(field, _)| field == name);
        field.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The messages of the body: one of JSON, or those of an event stream.
    #[track_caller]
    pub fn messages(&self) -> Vec<Value> {
        let text = self.text();
        let parse = |json: &str| {
            serde_json::from_str(json).unwrap_or_else(|error| panic!("{error} in {json:.500}"))
        };
        match self.header("content-type") {
            Some(kind) if kind.starts_with("text/event-stream") => {
                let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
                data.map(str::trim)
                    .filter(|data| !data.is_empty())
                    .map(parse)
                    .collect()
            }
            Some(kind) if kind.starts_with("application/json") => vec![parse(&text)],
            kind => panic!("status {} of type {kind:?}: {text:.500}", self.status),
        }
    }
}

/// Connects and sends a request. `head` is its first line and its fields; `Host` is
/// added unless it is there, `Content-Length` and `Connection` always are.
pub(crate) fn open(address: SocketAddr, head: &str, body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).expect("a connection");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a time limit");
    stream
        .set_write_timeout(Some(PATIENCE))
        .expect("a time limit");
    let head = head.trim_end().replace('\n', "\r\n");
    let names_host = head.lines().any(|line| line.starts_with("Host:"));
    let host = if names_host {
        String::new()
    } else {
        format!("Host: {address}\r\n")
    };
    let length = body.len();
    let request = format!("{head}\r\n{host}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    let sent = stream
        .write_all(request.as_bytes())
        .and_then(|()| stream.write_all(body));
    // A server may answer and close before it has read a body that it refuses.
    if let Err(error) = sent
        && !matches!(
            error.kind(),
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
        )
    {
        panic!("the request could not be sent: {error}");
    }
    stream
}

/// Sends a request and reads its answer.
#[track_caller]
pub(crate) fn exchange(address: SocketAddr, head: &str, body: &[u8]) -> HttpAnswer {
    read_answer(BufReader::new(open(address, head, body)))
}

#[track_caller]
fn read_answer(mut stream: impl BufRead) -> HttpAnswer {
    let status_line = read_line(&mut stream);
    let status = status_line
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let status = status.unwrap_or_else(|| panic!("no status in {status_line:?}"));
    let mut headers = Vec::new();
    loop {
        let line = read_line(&mut stream);
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut answer = HttpAnswer {
        status,
        headers,
        body: Vec::new(),
    };
    if answer
        .header("transfer-encoding")
        .is_some_and(|coding| coding == "chunked")
    {
        answer.body = read_chunks(&mut stream);
    } else if let Some(length) = answer.header("content-length") {
        answer.body = vec![0; length.parse().expect("a length")];
        stream.read_exact(&mut answer.body).expect("a whole body");
    }
    answer
}

fn read_chunks(stream: &mut impl BufRead) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let size = read_line(stream);
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default(), 16);
        let size = size.expect("a chunk's size");
        let start = body.len();
        body.resize(start + size, 0);
        stream
            .read_exact(&mut body[start..])
            .expect("a whole chunk");
        read_line(stream);
        if size == 0 {
            return body;
        }
    }
}

#[track_caller]
fn read_line(stream: &mut impl BufRead) -> String {
    let mut line = String::new();
    stream
        .read_line(&mut line)
        .expect("a line of the answer's head");
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_bodies_by_length_and_by_chunks() {
        let check = |answer: &str, body: &str| {
            let answer = read_answer(answer.as_bytes());
            assert_eq!((answer.status, answer.text().as_str()), (200, body));
        };
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi, more", "hi");
        let chunks = "3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n";
        check(
            &format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"),
            "hello",
        );
    }

    #[test]
    fn reads_the_messages_of_an_event_stream() {
        let answer = HttpAnswer {
            status: 200,
            headers: vec![("content-type".into(), "text/event-stream".into())],
            body: b": hello\ndata:\n\nid: 1\ndata: {\"a\":1}\n\ndata: {\"b\":2}\n\n".into(),
        };
        assert_eq!(
            answer.messages(),
            [serde_json::json!({"a": 1}), serde_json::json!({"b": 2})]
        );
    }
}
