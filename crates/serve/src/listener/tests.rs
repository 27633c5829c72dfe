//! What becomes of connections when the server is told to stop.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use axum::routing::get;

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Connects without a turn for the server, and asks.
#[expect(clippy::disallowed_methods, reason = "a client connects")]
fn ask(address: SocketAddr) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(REQUEST)?;
    Ok(stream)
}

async fn answer(mut stream: TcpStream) -> String {
    let reading = tokio::task::spawn_blocking(move || {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map(|_| answer)
    });
    reading.await.unwrap().unwrap()
}

#[tokio::test]
async fn who_came_before_the_stop_is_answered_and_who_comes_later_refused() {
    let release = CancellationToken::new();
    let released = release.clone();
    let app = Router::new().route(
        "/",
        get(move || async move {
            released.cancelled().await;
            "done"
        }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let bounds = Bounds {
        max_connections: NonZeroUsize::new(8).unwrap(),
        write_timeout: PATIENCE,
        grace: PATIENCE,
    };
    let stop = CancellationToken::new();
    let serving = crate::run::spawn(serve(listener, app, bounds, stop.clone()));

    let accepted = ask(address).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let queued = [ask(address).unwrap(), ask(address).unwrap()];
    stop.cancel();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let late = ask(address).expect_err("nobody listens any more");
    assert_eq!(late.kind(), ErrorKind::ConnectionRefused);

    release.cancel();
    for stream in [accepted].into_iter().chain(queued) {
        let answer = answer(stream).await;
        assert!(answer.ends_with("done"), "{answer:?}");
    }
    timeout(PATIENCE, serving).await.unwrap().unwrap();
}
