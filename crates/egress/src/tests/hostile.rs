//! Servers that answer with more, or more slowly, than anybody wants.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use tokio::net::{TcpSocket, TcpStream};

use super::server::{self, Answer, Server, respond};
use super::{egress, get, local};
use crate::{Completeness, EgressConfig, EgressError, Phase};

const MIB: usize = 1024 * 1024;

/// 64 MiB of zeros as brotli writes them.
const BROTLI_OF_ZEROS: [u8; 51] = [
    0xcf, 0xff, 0xff, 0x7f, 0x00, 0x24, 0x00, 0xe2, 0xb1, 0x40, 0x72, 0xef, 0xff, 0x9f, 0xff, 0xff,
    0x0f, 0x80, 0x04, 0x40, 0x1c, 0x16, 0x80, 0xee, 0xfd, 0x3f, 0xff, 0xff, 0xf0, 0x19, 0x00, 0x08,
    0x8c, 0x30, 0x2d, 0x0b, 0xdf, 0xfc, 0xff, 0xff, 0xf7, 0xf0, 0x01, 0x20, 0x07, 0x15, 0x80, 0x0b,
    0xaf, 0x7f, 0xf0,
];

/// What arrives of a body in that coding: bytes, and whether they are all.
async fn fetch_coded(coding: &str, body: Vec<u8>) -> (usize, Completeness) {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\n\r\n");
    let answer = [head.into_bytes(), body].concat();
    let server = Server::start(move |_| Answer::Whole(answer.clone())).await;
    let egress = egress();
    let response = egress.send(get(&egress, &server.url("/"))).await.unwrap();
    (response.body.len(), response.completeness)
}

#[tokio::test]
async fn counts_a_bomb_after_decoding() {
    let gzip = server::gzip_of_zeros(64 * MIB);
    // A zlib header (RFC 1950) instead of gzip's ten bytes; the data is the same DEFLATE.
    let deflate = [&[0x78, 0x9c], &gzip[10..]].concat();
    for (coding, bomb) in [
        ("gzip", gzip.clone()),
        ("deflate", deflate),
        ("br", BROTLI_OF_ZEROS.to_vec()),
    ] {
        assert!(bomb.len() < MIB, "{coding}");
        let fetched = fetch_coded(coding, bomb).await;
        assert_eq!(fetched, (10 * MIB, Completeness::Cut), "{coding}");
    }
}

#[tokio::test]
async fn decodes_one_coding_and_no_more() {
    let gzip = server::gzip_of_zeros(64 * MIB);
    for coding in ["gzip, gzip", "gzip, br", "identity, gzip", "x-unknown"] {
        let (fetched, _) = fetch_coded(coding, gzip.clone()).await;
        assert_eq!(fetched, gzip.len(), "{coding}");
    }
}

#[tokio::test]
async fn refuses_a_giant_head() {
    let many = "x-a: y\r\n".repeat(200);
    let long = format!("x-long: {}\r\n", "y".repeat(70_000));
    let huge = format!("x-huge: {}\r\n", "y".repeat(2_000_000));
    for head in [many, long, huge] {
        let server = Server::start(move |_| respond(200, &head, "")).await;
        let egress = egress();
        let error = egress.send(get(&egress, &server.url("/"))).await;
        let error = error.unwrap_err();
        assert!(
            matches!(error, EgressError::HeadTooLarge { .. }),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn refuses_a_giant_redirect_and_shows_its_beginning() {
    let head = format!("location: http://a.com/{}\r\n", "x".repeat(20_000));
    let server = Server::start(move |_| respond(302, &head, "")).await;
    let egress = egress();
    let error = egress.send(get(&egress, &server.url("/"))).await;
    let error = error.unwrap_err();
    assert!(matches!(error, EgressError::Redirect { .. }), "{error:?}");
    assert!(error.to_string().len() < 300);
}

/// Sends to `url` with short times, and says which one was up.
async fn phase_of(url: &str) -> Phase {
    let egress = EgressConfig {
        connect_timeout: Duration::from_millis(100),
        first_byte_timeout: Duration::from_millis(200),
        ..local()
    };
    let egress = egress.build().unwrap();
    let started = Instant::now();
    let error = egress.send(get(&egress, url)).await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(5));
    let EgressError::TimedOut { phase, .. } = error else {
        panic!("{error:?}");
    };
    phase
}

#[tokio::test]
async fn ends_a_head_that_does_not_come_or_does_not_end() {
    for answer in [|| Answer::Silence, || Answer::DripHead] {
        let server = Server::start(move |_| answer()).await;
        assert_eq!(phase_of(&server.url("/")).await, Phase::FirstByte);
    }
}

#[tokio::test]
async fn ends_a_handshake_that_does_not_come() {
    let server = Server::start(|_| Answer::Silence).await;
    let url = server.url("/").replace("http:", "https:");
    assert_eq!(phase_of(&url).await, Phase::Connect);
}

#[tokio::test]
async fn ends_a_connection_that_is_not_taken() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // Once its queue is full the kernel drops what comes next (listen(2)).
    let mut queued = Vec::new();
    while let Ok(connected) =
        tokio::time::timeout(Duration::from_millis(100), connect(address)).await
    {
        queued.push(connected);
    }
    assert_eq!(
        phase_of(&format!("http://{address}/")).await,
        Phase::Connect
    );
}

#[expect(clippy::disallowed_methods, reason = "fills the server's queue")]
async fn connect(address: std::net::SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}
