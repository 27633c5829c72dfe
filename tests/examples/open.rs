//! What judging a path adds to a read: the medians, in seconds, of reading 1 KiB through
//! `mcp_security` and through `std`, as JSON.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "measures the plain read that the roots guard, and prints what it found"
)]

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use mcp_security::files::Interrupt;
use mcp_security::paths::{FilesConfig, RootConfig, Roots, Surroundings};

/// Reads of each kind. They take turns, so that the machine's moods hit both alike.
const SAMPLES: usize = 20_000;
/// Reads of each kind that only warm up.
const WARM_UP: usize = 1000;
/// Bytes of the file.
const SIZE: usize = 1024;
/// A usual depth in a source tree.
const NAME: &str = "crates/example/src/text.txt";

fn main() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join(NAME);
    std::fs::create_dir_all(file.parent().context("it has directories")?)?;
    std::fs::write(&file, [b'x'; SIZE])?;
    let config = FilesConfig {
        roots: vec![RootConfig {
            path: directory.path().to_owned(),
            access: mcp_security::paths::Access::ReadWrite,
        }],
        ..FilesConfig::default()
    };
    let roots = config.build(&Surroundings {
        working_directory: directory.path(),
        homes: &[],
    })?;
    let (mut vetted, mut plain) = (Vec::new(), Vec::new());
    for _ in 0..WARM_UP + SAMPLES {
        vetted.push(timed(|| judged(&roots))?);
        plain.push(timed(|| unjudged(&file))?);
    }
    let (vetted, plain) = (median(vetted)?, median(plain)?);
    println!("{}", serde_json::json!({ "roots": vetted, "std": plain }));
    Ok(())
}

fn timed(read: impl Fn() -> Result<usize>) -> Result<f64> {
    let started = Instant::now();
    let length = read()?;
    let elapsed = started.elapsed().as_secs_f64();
    anyhow::ensure!(length == SIZE, "read {length} bytes");
    Ok(elapsed)
}

fn judged(roots: &Roots) -> Result<usize> {
    let file = roots.confine(NAME)?.open_read()?;
    let chunk = file.read_range(0, SIZE, &Interrupt::default())?;
    Ok(chunk.bytes.len())
}

/// Opens, asks for the size, reads: what any server does.
fn unjudged(path: &Path) -> Result<usize> {
    let mut file = File::open(path)?;
    let mut bytes = Vec::with_capacity(usize::try_from(file.metadata()?.len())?);
    Ok(file.read_to_end(&mut bytes)?)
}

fn median(mut samples: Vec<f64>) -> Result<f64> {
    samples.drain(..WARM_UP.min(samples.len()));
    samples.sort_by(f64::total_cmp);
    samples
        .get(samples.len() / 2)
        .copied()
        .context("no sample was taken")
}
