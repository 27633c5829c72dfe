//! What the way out adds to a request: the medians, in seconds, of fetching by name over a new
//! connection through `mcp_egress` and through the bare client that it is made of, as JSON.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "measures the client that the way out wraps, and prints what it found"
)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use anyhow::{Context, Result};
use mcp_egress::{Egress, EgressConfig, Request};

/// Requests of each kind. They take turns, so that the machine's moods hit both alike.
const SAMPLES: usize = 2000;
/// Requests of each kind that only warm up.
const WARM_UP: usize = 100;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let url = format!("http://localhost:{}/", serve()?);
    let config = EgressConfig {
        allow_networks: vec!["127.0.0.0/8".parse()?, "::1/128".parse()?],
        pool_per_host: 0,
        ..EgressConfig::default()
    };
    let egress = config.build()?;
    // Its first request gives the process the crypto provider that the other needs too.
    fetch(&egress, &url).await?;
    let client = reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .build()?;
    let (mut vetted, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..WARM_UP + SAMPLES {
        let started = Instant::now();
        fetch(&egress, &url).await?;
        vetted.push(started.elapsed().as_secs_f64());
        let started = Instant::now();
        client.get(&url).send().await?.bytes().await?;
        bare.push(started.elapsed().as_secs_f64());
    }
    let (vetted, bare) = (median(vetted)?, median(bare)?);
    println!(
        "{}",
        serde_json::json!({ "egress": vetted, "client": bare })
    );
    Ok(())
}

async fn fetch(egress: &Egress, url: &str) -> Result<()> {
    let response = egress.send(Request::get(egress.vet(url)?)).await?;
    anyhow::ensure!(response.is_success(), "status {}", response.status);
    Ok(())
}

/// Answers every connection once, from a thread of its own; returns the port.
fn serve() -> Result<u16> {
    let listener = TcpListener::bind("[::]:0").or_else(|_| TcpListener::bind("127.0.0.1:0"))?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that leaves early is measured as a failure where it asked.
            drop(answer(stream));
        }
    });
    Ok(port)
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = [0; 4096];
    if stream.read(&mut request)? > 0 {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
        stream.write_all(head)?;
    }
    Ok(())
}

fn median(mut samples: Vec<f64>) -> Result<f64> {
    samples.drain(..WARM_UP.min(samples.len()));
    samples.sort_by(f64::total_cmp);
    samples
        .get(samples.len() / 2)
        .copied()
        .context("no sample was taken")
}
