//! Pages on loopback for a server to fetch.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::PATIENCE;

/// A web server with the pages it was given. Ends on drop.
#[derive(Debug)]
pub struct Website {
    address: SocketAddr,
    closed: Arc<AtomicBool>,
    serving: Option<JoinHandle<()>>,
}

impl Website {
    /// Serves pages by path, each as HTML; other paths are answered with 404.
    pub fn open(pages: &[(&'static str, String)]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let closed = Arc::new(AtomicBool::new(false));
        let (ending, pages) = (Arc::clone(&closed), pages.to_vec());
        let serving = thread::spawn(move || {
            for stream in listener.incoming() {
                if ending.load(Ordering::Acquire) {
                    return;
                }
                if let Ok(stream) = stream {
                    answer(&stream, &pages);
                }
            }
        });
        Self {
            address,
            closed,
            serving: Some(serving),
        }
    }

    /// What its URLs begin with.
    pub fn host_and_port(&self) -> (String, String) {
        (
            self.address.ip().to_string(),
            self.address.port().to_string(),
        )
    }

    /// The URL of a page.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Website {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
        // A connection wakes the thread; it ends the same if the listener is gone.
        drop(TcpStream::connect_timeout(&self.address, PATIENCE));
        if let Some(serving) = self.serving.take() {
            drop(serving.join());
        }
    }
}

/// Answers one request; a client that goes away early is its own concern.
fn answer(mut stream: &TcpStream, pages: &[(&'static str, String)]) {
    if stream.set_read_timeout(Some(PATIENCE)).is_err() {
        return;
    }
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let asked = lines.next().unwrap_or_default();
    let path = asked.split(' ').nth(1).unwrap_or_default().to_owned();
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let page = pages.iter().find(|(known, _)| *known == path);
    let (status, body) = page.map_or(("404 Not Found", ""), |(_, page)| ("200 OK", page));
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    drop(
        stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(body.as_bytes())),
    );
}
