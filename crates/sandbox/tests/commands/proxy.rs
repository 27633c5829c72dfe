//! A command whose only way out is a gateway of the server's.
#![expect(clippy::unwrap_used, reason = "a test that cannot start has failed")]

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mcp_sandbox::{
    CommandSpec, Gateway, Ground, Inexpressible, Layer, Network, Outcome, Passage, RunError,
    Status, Tier,
};

use crate::support::{in_tier, printed, run, runner, sh};

/// Answers every connection with `through`.
#[derive(Debug, Default)]
struct Answering {
    /// Where it listens, as seen in the command's namespace.
    at: Mutex<Vec<SocketAddr>>,
    open: Arc<AtomicUsize>,
}

struct Answered(Arc<AtomicUsize>);

impl Gateway for Answering {
    fn open(&self, listener: TcpListener) -> io::Result<Box<dyn Passage>> {
        self.at.lock().unwrap().push(listener.local_addr()?);
        self.open.fetch_add(1, Ordering::SeqCst);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                stream.read_exact(&mut [0; 2]).unwrap();
                stream.write_all(b"through\n").unwrap();
            }
        });
        Ok(Box::new(Answered(Arc::clone(&self.open))))
    }
}

impl Passage for Answered {
    fn refusals(&self) -> Vec<String> {
        vec!["a host: not today".to_owned()]
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A gateway that cannot be opened.
#[derive(Debug)]
struct Closed;

impl Gateway for Closed {
    fn open(&self, _: TcpListener) -> io::Result<Box<dyn Passage>> {
        Err(io::ErrorKind::AddrInUse.into())
    }
}

fn proxied(mut spec: CommandSpec, gateway: Option<Arc<dyn Gateway>>) -> CommandSpec {
    let ground = Ground {
        network: Network::Proxy,
        ..Ground::clone(&spec.boundary.ground)
    };
    spec.boundary.ground = Arc::new(ground);
    spec.gateway = gateway;
    spec
}

/// Connects to where `$https_proxy` says and prints what it is answered, or `refused`.
const ASK: &str = "python3 -c 'import os, socket\n\
    host, port = os.environ[\"https_proxy\"].removeprefix(\"http://\").split(\":\")\n\
    try: peer = socket.create_connection((host, port), 5); peer.sendall(b\"hi\")\n\
    except ConnectionRefusedError: print(\"refused\")\n\
    else: print(peer.recv(100).decode(), end=\"\")'";

fn stdout(outcome: &Outcome) -> String {
    String::from_utf8_lossy(&outcome.stdout.head).into_owned()
}

#[tokio::test]
async fn reaches_the_gateway_and_names_what_it_refused() {
    let gateway = Arc::new(Answering::default());
    let runner = runner();
    // The second command's helper waited ahead of need, with a listener of its own.
    for round in 1..=2 {
        let outcome = runner.run(proxied(sh(ASK), Some(gateway.clone())), drop);
        let outcome = outcome.await.unwrap();
        assert_eq!(printed(&outcome), "through\n");
        assert_eq!(outcome.refusals, ["a host: not today"]);
        let mode = Network::Proxy;
        let layers = &outcome.confinement.layers;
        assert!(layers.contains(&Layer::Network { mode }), "{layers:?}");
        assert_eq!(gateway.at.lock().unwrap().len(), round);
        assert_eq!(gateway.open.load(Ordering::SeqCst), 0, "it is let go");
    }
}

#[tokio::test]
async fn cannot_be_reached_from_outside() {
    let gateway = Arc::new(Answering::default());
    let wait = proxied(sh("sleep 0.5"), Some(gateway.clone()));
    let running = tokio::spawn(async move { run(wait).await });
    while gateway.at.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let [address] = gateway.at.lock().unwrap()[..] else {
        panic!("more than one listener")
    };
    assert!(address.ip().is_loopback(), "{address}");
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).unwrap_err();
    let other = proxied(
        sh(&ASK.replace("host, port)", &format!("host, {})", address.port()))),
        None,
    );
    assert_eq!(stdout(&run(other).await), "refused\n");
    assert_eq!(running.await.unwrap().status, Status::Exited(0));
}

#[tokio::test]
async fn has_no_other_way_out() {
    let host = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = host.local_addr().unwrap().port();
    let script = format!(
        "python3 -c 'import socket as s\n\
         for to in ((\"127.0.0.1\", {port}), (\"93.184.216.34\", 80), (\"169.254.169.254\", 80)):\n \
         try: s.create_connection(to, 1); print(\"open\", to)\n \
         except OSError as error: print(error.errno)\n\
         try: s.socket(s.AF_UNIX); print(\"open\")\n\
         except OSError as error: print(error.errno)'"
    );
    let gateway = Arc::new(Answering::default());
    let outcome = run(proxied(sh(&script), Some(gateway))).await;
    assert_eq!(printed(&outcome), "111\n101\n101\n97\n");
}

#[tokio::test]
async fn the_gateways_variables_win() {
    let mut spec = sh("env | grep -i _proxy | sort");
    let theirs = [("HTTP_PROXY", "http://evil:1"), ("no_proxy", "*")];
    spec.environment
        .extend(theirs.map(|(name, value)| (name.into(), value.into())));
    let gateway = Arc::new(Answering::default());
    let outcome = run(proxied(spec, Some(gateway.clone()))).await;
    let [address] = gateway.at.lock().unwrap()[..] else {
        panic!("more than one listener")
    };
    let mut expect: Vec<String> = ["ALL", "HTTP", "HTTPS", "all", "http", "https"]
        .map(|name| format!("{name}_PROXY=http://{address}"))
        .map(|line| match line.chars().next() {
            Some('a'..='z') => line.replacen("_PROXY", "_proxy", 1),
            _ => line,
        })
        .into();
    let direct = "localhost,127.0.0.1,::1";
    expect.extend(["NO_PROXY", "no_proxy"].map(|name| format!("{name}={direct}")));
    let mut found: Vec<String> = printed(&outcome).lines().map(str::to_owned).collect();
    expect.sort();
    found.sort();
    assert_eq!(found, expect);
}

#[tokio::test]
async fn nothing_listens_without_a_gateway() {
    let outcome = run(proxied(sh(ASK), None)).await;
    assert_eq!(printed(&outcome), "refused\n");
    assert_eq!(outcome.refusals, Vec::<String>::new());
}

#[tokio::test]
async fn a_command_without_its_gateway_does_not_run() {
    let spec = proxied(sh("touch /tmp/ran; sleep 5"), Some(Arc::new(Closed)));
    let started = std::time::Instant::now();
    let error = runner().run(spec, drop).await.unwrap_err();
    assert!(matches!(error, RunError::Gateway { .. }), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_tier_without_namespaces_refuses() {
    for tier in [Tier::Landlock, Tier::None] {
        let gateway = Arc::new(Answering::default());
        let spec = proxied(in_tier(tier, sh("true")), Some(gateway.clone()));
        let error = runner().run(spec, drop).await.unwrap_err();
        let RunError::Inexpressible(beyond) = error else {
            panic!("{error:?}")
        };
        let expect = Inexpressible {
            tier,
            waivable: Vec::new(),
            network: Some(Network::Proxy),
        };
        assert_eq!(beyond, expect);
        assert_eq!(gateway.at.lock().unwrap().len(), 0);
    }
}
