//! A hand-written HTTP server that misbehaves on demand.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What a request gets.
pub(crate) enum Answer {
    /// These bytes; the connection stays open only when they frame themselves.
    Whole(Vec<u8>),
    /// A head, then one byte every 100 ms.
    Drip,
    /// A head, then bytes without end.
    Endless,
    /// A status line, then one byte of a field every 10 ms.
    DripHead,
    /// Nothing.
    Silence,
}

/// `200 OK` with a text.
pub(crate) fn ok(body: &str) -> Answer {
    respond(200, "content-type: text/plain\r\n", body)
}

/// A response with its length.
pub(crate) fn respond(status: u16, fields: &str, body: &str) -> Answer {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\n{fields}content-length: {length}\r\n\r\n{body}");
    Answer::Whole(head.into_bytes())
}

/// A gzip stream of `length` zero bytes, built from the longest back reference of DEFLATE
/// (RFC 1951, section 3.2.6: fixed codes); its trailer is missing.
pub(crate) fn gzip_of_zeros(length: usize) -> Vec<u8> {
    let mut bits = vec![true, true, false];
    let mut push = |code: &str| bits.extend(code.chars().map(|bit| bit == '1'));
    push("00110000");
    for _ in 0..length / 258 {
        push("1100010100000");
    }
    push("0000000");
    let mut stream = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    let byte = |bits: &[bool]| {
        bits.iter()
            .rev()
            .fold(0_u8, |byte, bit| byte << 1 | u8::from(*bit))
    };
    stream.extend(bits.chunks(8).map(byte));
    stream
}

/// A server that stops when dropped.
pub(crate) struct Server {
    address: SocketAddr,
    seen: Arc<Seen>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    requests: Mutex<Vec<String>>,
}

impl Server {
    pub(crate) async fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::new(answer), seen.clone()));
        Self {
            address,
            seen,
            _tasks: tasks,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::Relaxed)
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.requests.lock().unwrap().clone()
    }
}

async fn accept<A>(listener: TcpListener, answer: Arc<A>, seen: Arc<Seen>)
where
    A: Fn(&str) -> Answer + Send + Sync + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        seen.connections.fetch_add(1, Ordering::Relaxed);
        let (answer, seen) = (answer.clone(), seen.clone());
        connections.spawn(async move { serve(stream, &*answer, &seen).await });
    }
}

/// Answers until the client leaves, which is no error.
async fn serve(mut stream: TcpStream, answer: impl Fn(&str) -> Answer, seen: &Seen) -> Option<()> {
    loop {
        let request = read_request(&mut stream).await?;
        let answer = answer(&request);
        seen.requests.lock().unwrap().push(request);
        match answer {
            Answer::Whole(bytes) => {
                stream.write_all(&bytes).await.ok()?;
                if !String::from_utf8_lossy(&bytes).contains("content-length: ") {
                    return Some(());
                }
            }
            Answer::Drip => {
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
                loop {
                    stream.write_all(b"x").await.ok()?;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            Answer::DripHead => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nx: ").await.ok()?;
                loop {
                    stream.write_all(b"x").await.ok()?;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
            Answer::Endless => {
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
                loop {
                    stream.write_all(&[b'x'; 16384]).await.ok()?;
                }
            }
            Answer::Silence => std::future::pending().await,
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.len() >= announced_length(head)
        {
            return Some(text);
        }
        // A TLS handshake (RFC 8446, section 5.1) has no such end.
        if request.first() == Some(&22) {
            return Some(text);
        }
        if stream.read_buf(&mut request).await.ok()? == 0 {
            return None;
        }
    }
}

fn announced_length(head: &str) -> usize {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, value)| value.parse().unwrap())
}
