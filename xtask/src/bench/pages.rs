//! A web server on loopback with two pages of 100 KiB, for the tools that fetch.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

const PAGE_BYTES: usize = 100 * 1024;
/// How long a client may take to read a page.
const WRITE_LIMIT: Duration = Duration::from_secs(5);
/// How often the thread looks whether it should end.
const STOP_INTERVAL: Duration = Duration::from_millis(50);
/// A request's head is smaller.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// A running web server. Dropping it ends its thread.
pub(super) struct Pages {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Pages {
    pub(super) fn serve() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let watched = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("pages".to_owned())
            .spawn(move || {
                if let Err(error) = answer_all(&listener, &watched) {
                    eprintln!("xtask: the web server for the measurement ended: {error:#}");
                }
            })?;
        Ok(Self {
            address,
            stop,
            thread: Some(thread),
        })
    }

    /// 100 KiB of plain text.
    pub(super) fn text(&self) -> String {
        format!("http://{}/text", self.address)
    }

    /// 100 KiB of HTML, with headings of class `title`, that must not be cached.
    pub(super) fn html(&self) -> String {
        format!("http://{}/html", self.address)
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if self
            .thread
            .take()
            .is_some_and(|thread| thread.join().is_err())
        {
            eprintln!("xtask: the web server for the measurement panicked");
        }
    }
}

/// Serves a handful of connections on one thread.
fn answer_all(listener: &TcpListener, stop: &AtomicBool) -> Result<()> {
    let text = response("text/plain; charset=utf-8", &text_page());
    let html = response("text/html; charset=utf-8", &html_page());
    let mut connections: Vec<Connection> = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let listening = std::iter::once(listener.as_fd());
        let open = connections
            .iter()
            .map(|connection| connection.stream.as_fd());
        let mut polled: Vec<PollFd<'_>> = listening
            .chain(open)
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        poll(&mut polled, Some(&Timespec::try_from(STOP_INTERVAL)?))?;
        let mut ready = polled.iter().map(|polled| !polled.revents().is_empty());
        let joins = ready.next().unwrap_or(false);
        let ready: Vec<bool> = ready.collect();

        let mut ready = ready.into_iter();
        connections.retain_mut(|connection| {
            !ready.next().unwrap_or(false) || connection.answer(&text, &html).unwrap_or(false)
        });
        if joins {
            connections.push(Connection::accept(listener)?);
        }
    }
    Ok(())
}

struct Connection {
    stream: TcpStream,
    head: Vec<u8>,
}

impl Connection {
    fn accept(listener: &TcpListener) -> Result<Self> {
        let (stream, _) = listener.accept().context("cannot accept a connection")?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(WRITE_LIMIT))?;
        Ok(Self {
            stream,
            head: Vec::new(),
        })
    }

    /// Reads what is there and answers a whole request; false when the connection is over.
    fn answer(&mut self, text: &[u8], html: &[u8]) -> std::io::Result<bool> {
        let mut chunk = [0; 4096];
        let count = self.stream.read(&mut chunk)?;
        if count == 0 {
            return Ok(false);
        }
        self.head
            .extend_from_slice(chunk.get(..count).unwrap_or_default());
        if self.head.len() > MAX_HEAD_BYTES {
            return Err(ErrorKind::InvalidData.into());
        }
        if self.head.ends_with(b"\r\n\r\n") {
            let page = if self.head.starts_with(b"GET /html") {
                html
            } else {
                text
            };
            self.stream.write_all(page)?;
            self.head.clear();
        }
        Ok(true)
    }
}

fn response(content_type: &str, page: &str) -> Vec<u8> {
    let length = page.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\
         Cache-Control: no-store\r\n\r\n"
    );
    [head.as_bytes(), page.as_bytes()].concat()
}

fn text_page() -> String {
    let mut page = "The quick brown fox jumps over the lazy dog, line by line.\n".repeat(2000);
    page.truncate(PAGE_BYTES);
    page
}

/// Articles as blogs have them, until the page is large enough.
fn html_page() -> String {
    const PARAGRAPH: &str = "A paragraph with <em>some</em> <a href=\"/link?a=1&amp;b=2\">markup</a> \
                             and a sentence or two of plain text around it, as pages have. ";
    let mut page = "<!doctype html><html><head><title>Articles</title></head><body>".to_owned();
    let mut number = 0;
    while page.len() < PAGE_BYTES {
        number += 1;
        let body = PARAGRAPH.repeat(8);
        let article = format!(
            "<article id=\"a{number}\"><h2 class=\"title\">Article {number}</h2>\
             <p class=\"lead\">{body}</p></article>\n"
        );
        page.push_str(&article);
    }
    page.push_str("</body></html>");
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serves_both_pages_over_one_connection() {
        let pages = Pages::serve().unwrap();
        let mut stream = TcpStream::connect(pages.address).unwrap();
        stream.set_read_timeout(Some(WRITE_LIMIT)).unwrap();
        for (path, page) in [("/text", text_page()), ("/html", html_page())] {
            write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(page.as_bytes()) {
                let mut chunk = [0; 4096];
                let count = stream.read(&mut chunk).unwrap();
                answer.extend_from_slice(&chunk[..count]);
                assert!(count > 0 && answer.len() < page.len() + 500, "{path}");
            }
            assert!(page.len() >= PAGE_BYTES, "{path}");
        }
    }
}
