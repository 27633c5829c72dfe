//! What a vector costs: `embed MODEL-FILE`. The table says CPU milliseconds of one thread and
//! resident memory.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program to measure with, at a terminal"
)]

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use mcp_embedding::Model;
use rustix::time::{ClockId, clock_gettime};

const RUNS: u32 = 50;

/// About 50 tokens.
const TEXT: &str = "The deploy key of the staging cluster is rotated every ninety days by the \
    operations team; the last rotation was done on the third of October, and the next one is \
    planned together with the move of the build machines to the new data centre in January.";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: embed MODEL-FILE")?;
    let start = cpu_ms();
    let model = Model::open(Path::new(&path))?;
    println!(
        "load: {:.1} ms, {} KiB resident",
        cpu_ms() - start,
        resident_kib()?
    );
    let long = TEXT.repeat(8);
    for (name, text) in [
        ("10 tokens", "who rotates the deploy key and when?"),
        ("50 tokens", TEXT),
        ("256 tokens", &long),
    ] {
        let mut runs = Vec::new();
        for _ in 0..RUNS {
            let start = cpu_ms();
            let vector = model.embed(text);
            runs.push(cpu_ms() - start);
            std::hint::black_box(vector);
        }
        runs.sort_by(f64::total_cmp);
        let median = runs.get(runs.len() / 2).copied().unwrap_or_default();
        let least = runs.first().copied().unwrap_or_default();
        println!("{name}: median {median:.2} ms, least {least:.2} ms");
    }
    let start = cpu_ms();
    let chunks = model.chunks(&TEXT.repeat(4000)).len();
    println!("chunks of 1 MB: {chunks}, {:.1} ms", cpu_ms() - start);
    println!("after use: {} KiB resident", resident_kib()?);
    Ok(())
}

/// Milliseconds this thread has computed.
fn cpu_ms() -> f64 {
    let time = Duration::try_from(clock_gettime(ClockId::ThreadCPUTime));
    time.unwrap_or_default().as_secs_f64() * 1e3
}

fn resident_kib() -> io::Result<String> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let line = line.ok_or_else(|| io::Error::other("status has no VmRSS"))?;
    Ok(line.trim().trim_end_matches(" kB").to_owned())
}
