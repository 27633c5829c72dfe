//! A TCP server that answers every connection alike and remembers what it was sent.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use mcp_tests::PATIENCE;

use crate::case;

/// Listens on one port of every address until [`Site::close`].
#[derive(Debug)]
pub(crate) struct Site {
    address: SocketAddr,
    closed: Arc<AtomicBool>,
    received: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

/// What a site saw.
#[derive(Debug)]
pub(crate) struct Seen {
    /// For each connection, a line `to ADDRESS` with the address that was dialled, and what was
    /// sent: the head of a request, or less.
    pub(crate) requests: Vec<String>,
}

impl Site {
    /// Binds a port; [`Bound::serve`] answers on it.
    pub(crate) fn bind() -> Bound {
        Bound(TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).expect("a free port"))
    }

    /// Stops, when every connection that was made is accepted and answered.
    pub(crate) fn close(self) -> Seen {
        self.closed.store(true, Ordering::Release);
        // Connections are accepted in the order they were made: this one is the last.
        let last = TcpStream::connect_timeout(&self.address, PATIENCE).expect("the site listens");
        drop(last);
        self.serving.join().expect("the site serves to its end");
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        Seen {
            requests: std::mem::take(&mut *received),
        }
    }
}

/// A port that is taken and not answered yet.
#[derive(Debug)]
pub(crate) struct Bound(TcpListener);

impl Bound {
    /// The port's number.
    pub(crate) fn port(&self) -> u16 {
        self.0.local_addr().expect("a bound address").port()
    }

    /// Answers as `play` says.
    pub(crate) fn serve(self, play: case::Site) -> Site {
        let address = SocketAddr::from((Ipv6Addr::LOCALHOST, self.port()));
        let closed = Arc::new(AtomicBool::new(false));
        let received = Arc::new(Mutex::new(Vec::new()));
        let (ending, keeping) = (Arc::clone(&closed), Arc::clone(&received));
        let serving = thread::spawn(move || {
            thread::scope(|scope| {
                for stream in self.0.incoming() {
                    let stream = stream.expect("a connection");
                    if ending.load(Ordering::Acquire) && is_empty(&stream) {
                        return;
                    }
                    let (play, keeping, ending) = (&play, &keeping, &ending);
                    scope.spawn(move || {
                        let request = read_head(&stream);
                        let mut kept = keeping.lock().unwrap_or_else(PoisonError::into_inner);
                        kept.push(request);
                        drop(kept);
                        // A client that has heard enough is its own concern.
                        drop(answer(&stream, play, ending));
                    });
                }
            });
        });
        Site {
            address,
            closed,
            received,
            serving,
        }
    }
}

/// Whether the client went away without a word.
fn is_empty(stream: &TcpStream) -> bool {
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a time limit");
    matches!(stream.peek(&mut [0]), Ok(0))
}

fn read_head(stream: &TcpStream) -> String {
    // What is no HTTP never ends with an empty line.
    stream
        .set_read_timeout(Some(Duration::from_secs(1)))
        .expect("a time limit");
    let mut head = Vec::new();
    let mut reader = BufReader::new(stream.take(1024 * 1024));
    while !head.ends_with(b"\r\n\r\n") {
        match reader.read_until(b'\n', &mut head) {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    let dialled = stream
        .local_addr()
        .map(|address| address.ip().to_canonical());
    format!(
        "to {}\n{}",
        dialled.expect("an address"),
        String::from_utf8_lossy(&head)
    )
}

fn answer(mut stream: &TcpStream, play: &case::Site, ending: &AtomicBool) -> std::io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let head = play.head.trim_end().replace('\n', "\r\n");
    stream.write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes())?;
    if play.gzip > 0 {
        return stream.write_all(&packed(play)?);
    }
    for _ in 0..play.times {
        stream.write_all(play.body.as_bytes())?;
        if play.pause_ms > 0 {
            if ending.load(Ordering::Acquire) {
                break;
            }
            thread::sleep(Duration::from_millis(play.pause_ms));
        }
    }
    Ok(())
}

/// The body as often as it is sent, compressed as often as that is asked for.
fn packed(play: &case::Site) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..play.times {
        encoder.write_all(play.body.as_bytes())?;
    }
    let mut packed = encoder.finish()?;
    for _ in 1..play.gzip {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&packed)?;
        packed = encoder.finish()?;
    }
    Ok(packed)
}
