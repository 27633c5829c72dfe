//! A command's requests to servers on loopback.
#![expect(clippy::disallowed_methods, reason = "plays the command")]

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{CommandProxy, ProxyConfig, Refused};
use crate::tests::server::{Answer, Server, ok};
use crate::{Egress, EgressConfig};

/// A proxy and where it listens.
struct Stage {
    proxy: CommandProxy,
    address: SocketAddr,
}

fn stage(config: EgressConfig) -> Stage {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let egress: Egress = config.build().unwrap();
    let proxy = egress.proxy(listener).unwrap();
    Stage { proxy, address }
}

fn open() -> EgressConfig {
    EgressConfig {
        allow_networks: vec!["127.0.0.0/8".parse().unwrap()],
        ..EgressConfig::default()
    }
}

impl Stage {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends `request` and reads until the proxy closes.
    async fn ask(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    }

    async fn tunnel(&self, to: &str) -> (TcpStream, String) {
        let mut stream = self.connect().await;
        let request = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let head = head(&mut stream).await;
        (stream, head)
    }
}

async fn head(stream: &mut TcpStream) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        head.push(char::from(stream.read_u8().await.unwrap()));
    }
    head
}

#[tokio::test]
async fn carries_a_tunnel_both_ways() {
    let server = Server::start(|_| ok("through")).await;
    let stage = stage(open());
    for host in ["127.0.0.1", "localhost", "LOCALHOST.", "127.1"] {
        let (mut stream, head) = stage.tunnel(&format!("{host}:{}", server.port())).await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{host}: {head}");
        assert!(!head.contains("content-length"), "{head}");
        stream.write_all(b"GET /in HTTP/1.1\r\n\r\n").await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
    }
    assert_eq!(server.connections(), 4);
    assert_eq!(stage.proxy.refusals(), Vec::new());
}

#[tokio::test]
async fn carries_a_request_with_an_absolute_url_and_its_answer() {
    let server = Server::start(|_| ok("through")).await;
    let stage = stage(open());
    let url = server.url("/a?b=c");
    let request = format!(
        "POST {url} HTTP/1.1\r\nHost: other.example\r\nX-Kept: 1\r\nX-Hop: 2\r\n\
         Connection: close, x-hop\r\nProxy-Connection: keep-alive\r\n\
         Proxy-Authorization: secret\r\nContent-Length: 4\r\n\r\nbody"
    );
    let answer = stage.ask(&request).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("via: 1.1 mcp-egress\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nthrough"), "{answer}");

    let seen = server.requests().remove(0).to_lowercase();
    assert!(seen.starts_with("post /a?b=c http/1.1\r\n"), "{seen}");
    let host = format!("host: 127.0.0.1:{}\r\n", server.port());
    for part in [&host, "x-kept: 1\r\n", "via: 1.1 mcp-egress\r\n"] {
        assert!(seen.contains(part), "{part} in {seen}");
    }
    for part in ["x-hop", "proxy-", "secret", "other.example"] {
        assert!(!seen.contains(part), "{part} in {seen}");
    }
    assert!(seen.ends_with("\r\n\r\nbody"), "{seen}");
}

#[tokio::test]
async fn refuses_what_the_tools_are_refused_and_says_why() {
    let stage = stage(EgressConfig {
        deny_hosts: vec!["denied.example".parse().unwrap()],
        ..EgressConfig::default()
    });
    for (request, status, part) in [
        (
            "CONNECT 127.0.0.1:80",
            403,
            "127.0.0.1 is not a public address (loopback",
        ),
        ("CONNECT [::ffff:10.0.0.1]:443", 403, "private, 10.0.0.0/8"),
        (
            "CONNECT 2852039166:80",
            403,
            "169.254.169.254 is a cloud metadata service",
        ),
        ("CONNECT localhost:443", 403, "localhost names this machine"),
        (
            "CONNECT denied.example:443",
            403,
            "denied by the pattern denied.example",
        ),
        ("CONNECT example.com:22", 403, "port 22 is not allowed"),
        ("CONNECT user@example.com:443", 400, "credentials"),
        ("CONNECT example.com", 400, "CONNECT host:port"),
        ("GET http://127.0.0.1/", 403, "`allow_networks`"),
        ("GET http://denied.example/", 403, "denied by the pattern"),
        ("GET https://example.com/", 400, "CONNECT host:port"),
        ("GET /", 400, "CONNECT host:port"),
        ("TRACE http://example.com/", 405, "TRACE"),
    ] {
        let request = format!("{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = stage.ask(&request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request}{answer}"
        );
        assert!(answer.contains(part), "{request}{answer}");
    }
    let refusals = stage.proxy.refusals();
    let settings: Vec<_> = refusals.iter().map(|refused| refused.setting).collect();
    let networks = "allow_networks";
    assert_eq!(
        settings,
        [
            networks,
            networks,
            networks,
            networks,
            "deny_hosts",
            "allow_ports"
        ],
        "{refusals:?}"
    );
    assert_eq!(
        refusals[4].what,
        "denied.example: denied by the pattern denied.example"
    );
}

#[tokio::test]
async fn says_when_nobody_listens_and_leaves_the_host_alone_then() {
    let gone = Server::start(|_| ok("")).await.port();
    let stage = stage(open());
    let request =
        format!("CONNECT 127.0.0.1:{gone} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    for _ in 0..5 {
        let answer = stage.ask(&request).await;
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    }
    let answer = stage.ask(&request).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("failed repeatedly"), "{answer}");
}

#[tokio::test]
async fn ends_every_connection_with_the_command() {
    let server = Server::start(|_| Answer::Endless).await;
    let stage = stage(open());
    let (mut tunnel, _) = stage.tunnel(&format!("127.0.0.1:{}", server.port())).await;
    let mut forwarded = stage.connect().await;
    let request = format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", server.url("/"));
    forwarded.write_all(request.as_bytes()).await.unwrap();
    head(&mut forwarded).await;
    let mut unused = stage.connect().await;

    let address = stage.address;
    drop(stage);
    for stream in [&mut tunnel, &mut forwarded, &mut unused] {
        let mut rest = Vec::new();
        // What was on its way may still arrive, or the connection is reset.
        drop(stream.read_to_end(&mut rest).await);
    }
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn stops_at_the_bytes_that_a_command_may_move() {
    let server = Server::start(|_| Answer::Endless).await;
    let stage = stage(EgressConfig {
        proxy: ProxyConfig {
            max_bytes: 1_000_000,
            ..ProxyConfig::default()
        },
        ..open()
    });
    let (mut stream, _) = stage.tunnel(&format!("127.0.0.1:{}", server.port())).await;
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut received = Vec::new();
    drop(stream.read_to_end(&mut received).await);
    assert!(
        (900_000..=1_000_000).contains(&received.len()),
        "{}",
        received.len()
    );
    let (_, head) = stage.tunnel(&format!("127.0.0.1:{}", server.port())).await;
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    assert_eq!(
        stage.proxy.refusals(),
        [Refused {
            what: "the command moved the 1000000 bytes that it may".to_owned(),
            setting: "proxy.max_bytes",
        }]
    );
}

#[tokio::test]
async fn ends_a_tunnel_that_carries_nothing() {
    let server = Server::start(|_| Answer::Silence).await;
    let stage = stage(EgressConfig {
        proxy: ProxyConfig {
            idle_timeout: Duration::from_millis(50),
            ..ProxyConfig::default()
        },
        ..open()
    });
    let (mut stream, _) = stage.tunnel(&format!("127.0.0.1:{}", server.port())).await;
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_connection_too_many_waits_for_its_place() {
    let server = Server::start(|_| ok("")).await;
    let stage = stage(EgressConfig {
        proxy: ProxyConfig {
            max_connections: NonZeroUsize::MIN,
            ..ProxyConfig::default()
        },
        ..open()
    });
    let authority = format!("127.0.0.1:{}", server.port());
    let (first, _) = stage.tunnel(&authority).await;
    let mut second = stage.connect().await;
    let request = format!("CONNECT {authority} HTTP/1.1\r\nHost: x\r\n\r\n");
    second.write_all(request.as_bytes()).await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(50), second.read_u8()).await;
    assert!(early.is_err(), "served beside the first");
    drop(first);
    assert!(head(&mut second).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn refuses_a_head_that_is_too_large() {
    let stage = stage(open());
    let request = format!(
        "GET http://a.com/ HTTP/1.1\r\nX: {}\r\n\r\n",
        "x".repeat(300_000)
    );
    let mut stream = stage.connect().await;
    // The proxy may close before it has read everything.
    drop(stream.write_all(request.as_bytes()).await);
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 431");
}
