//! A small HTTP server for the tests of this module's tools.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use mcp_egress::{Egress, EgressConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Answers every request alike and stops when dropped.
pub(super) struct Server {
    /// Where it listens, with a trailing slash.
    pub(super) url: String,
    seen: Arc<Seen>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Seen {
    requests: AtomicUsize,
    last: Mutex<String>,
}

impl Server {
    /// Answers with these header fields (each with its line break) and this body.
    pub(super) async fn start(fields: &str, body: impl AsRef<[u8]>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let length = body.as_ref().len();
        let head = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {length}\r\n\r\n");
        let answer: Arc<[u8]> = [head.as_bytes(), body.as_ref()].concat().into();
        let seen = Arc::new(Seen::default());
        let mut tasks = JoinSet::new();
        let noted = seen.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answer, noted) = (answer.clone(), noted.clone());
                connections.spawn(async move { serve(stream, &answer, &noted).await });
            }
        });
        Self {
            url,
            seen,
            _tasks: tasks,
        }
    }

    /// Requests so far.
    pub(super) fn requests(&self) -> usize {
        self.seen.requests.load(Ordering::Relaxed)
    }

    /// The last request, as it came.
    pub(super) fn last(&self) -> String {
        self.seen.last.lock().unwrap().clone()
    }
}

/// An egress that reaches loopback.
pub(super) fn egress() -> Egress {
    let allow_networks = vec!["127.0.0.0/8".parse().unwrap()];
    EgressConfig {
        allow_networks,
        ..EgressConfig::default()
    }
    .build()
    .unwrap()
}

/// Serves until the client leaves. Requests are small and come in one piece.
async fn serve(mut stream: TcpStream, answer: &[u8], seen: &Seen) -> Option<()> {
    loop {
        let mut request = vec![0; 65_536];
        let length = stream
            .read(&mut request)
            .await
            .ok()
            .filter(|length| *length > 0)?;
        seen.requests.fetch_add(1, Ordering::Relaxed);
        *seen.last.lock().unwrap() = String::from_utf8_lossy(&request[..length]).into_owned();
        stream.write_all(answer).await.ok()?;
    }
}
