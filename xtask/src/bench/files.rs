//! Files: what a read costs beyond the call, and what large ones cost in memory.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;

use super::calls::{ECHO, cheap_arguments, sessions};
use super::memory::{forget_peak, peak, resident};
use super::one_core::OneCore;
use super::place::{Place, Program};
use super::report::{Goal, Row, Unit};
use super::session::{Request, Session};
use super::turns::{Turns, medians, seconds};

const READS: Turns = Turns {
    rounds: 10,
    samples: 200,
};
const BATCHES: Turns = Turns {
    rounds: 10,
    samples: 30,
};

const KIB: usize = 1024;
const MIB: f64 = 1_048_576.0;
const BATCH_FILES: usize = 20;
/// Of the sparse file, and where in it the part that is read starts.
const SPARSE_BYTES: u64 = 1 << 30;
const SPARSE_OFFSET: u64 = 3 << 28;
/// Larger than the largest answer.
const LARGE_BYTES: usize = 12_000_000;
/// How long memory may take to be given back.
const RELEASE_LIMIT: Duration = Duration::from_secs(3);
const RELEASE_INTERVAL: Duration = Duration::from_millis(50);
/// How much of it may be kept.
const KEPT: f64 = 8.0 * MIB;

pub(super) fn rows(place: &Place) -> Result<Vec<Row>> {
    let mut rows = on_one_core(place)?;
    rows.push(vetting(place)?);
    rows.push(range_of_huge_file(place)?);
    rows.push(after_largest_answer(place)?);
    Ok(rows)
}

/// What judging a path adds to a read.
fn vetting(place: &Place) -> Result<Row> {
    let [measured, plain] = place.medians(Program::Open, ["roots", "std"])?;
    Ok(Row {
        what: "read 1 KiB, in process".to_owned(),
        unit: Unit::Time,
        goal: Goal::Plus(15e-6),
        measured,
        reference: Some(("std", plain)),
    })
}

fn on_one_core(place: &Place) -> Result<Vec<Row>> {
    let _core = OneCore::enter()?;
    let (mut server, mut bare) = sessions(place)?;
    Ok(vec![
        one_file(place, &mut server, &mut bare)?,
        batch(place, &mut server, &mut bare)?,
    ])
}

fn one_file(place: &Place, server: &mut Session, bare: &mut Session) -> Result<Row> {
    fs::write(place.root.join("small.txt"), lines(KIB))?;
    let read = read_request("small.txt");
    let echo = Request::call(ECHO, &cheap_arguments());
    let [measured, reference] = medians(
        READS,
        [&mut || server.time(&read), &mut || bare.time(&echo)],
    )?;
    Ok(Row {
        what: "read 1 KiB, on one core".to_owned(),
        unit: Unit::Time,
        goal: Goal::Plus(30e-6),
        measured,
        reference: Some(("bare rmcp", reference)),
    })
}

fn batch(place: &Place, server: &mut Session, bare: &mut Session) -> Result<Row> {
    let names: Vec<String> = (0..BATCH_FILES)
        .map(|number| format!("batch-{number}.txt"))
        .collect();
    let paths: Vec<PathBuf> = names.iter().map(|name| place.root.join(name)).collect();
    for path in &paths {
        fs::write(path, lines(8 * KIB))?;
    }
    let read_all = Request::call("batch_read_files", &json!({ "paths": names }));
    let echo = Request::call(ECHO, &cheap_arguments());
    let [measured, plain, call] = medians(
        BATCHES,
        [
            &mut || server.time(&read_all),
            &mut || seconds(|| read_plainly(&paths)),
            &mut || bare.time(&echo),
        ],
    )?;
    Ok(Row {
        what: format!("batch of {BATCH_FILES} × 8 KiB, on one core"),
        unit: Unit::Time,
        goal: Goal::Times(3.0),
        measured,
        reference: Some(("plain reads + one bare call", plain + call)),
    })
}

fn read_plainly(paths: &[PathBuf]) -> Result<Vec<Vec<u8>>> {
    let contents = paths.iter().map(|path: &PathBuf| fs::read(path));
    contents
        .collect::<Result<_, _>>()
        .context("cannot read a file of the batch")
}

fn range_of_huge_file(place: &Place) -> Result<Row> {
    let huge = File::create(place.root.join("huge.txt"))?;
    huge.set_len(SPARSE_BYTES)?;
    huge.write_all_at(&lines(256 * KIB), SPARSE_OFFSET)?;
    let mut server = warmed(place)?;
    let idle = resident(server.pid())?;
    forget_peak(server.pid())?;
    let range = json!({ "path": "huge.txt", "offset": SPARSE_OFFSET });
    server.ask(&Request::call("read_file_secure", &range))?;
    Ok(Row {
        what: "peak RSS over idle, 256 KiB out of a 1 GiB file".to_owned(),
        unit: Unit::Memory,
        goal: Goal::Limit(KEPT),
        measured: peak(server.pid())? - idle,
        reference: None,
    })
}

fn after_largest_answer(place: &Place) -> Result<Row> {
    fs::write(place.root.join("large.txt"), lines(LARGE_BYTES))?;
    let mut server = warmed(place)?;
    let idle = resident(server.pid())?;
    let whole = json!({ "path": "large.txt", "max_bytes": 10_000_000 });
    let answer = server.ask(&Request::call("read_file_secure", &whole))?;
    let deadline = Instant::now() + RELEASE_LIMIT;
    let mut kept = resident(server.pid())? - idle;
    while kept > KEPT && Instant::now() < deadline {
        thread::sleep(RELEASE_INTERVAL);
        kept = resident(server.pid())? - idle;
    }
    let answer = f64::from(u32::try_from(answer)?) / MIB;
    Ok(Row {
        what: format!("RSS over idle, after an answer of {answer:.1} MiB"),
        unit: Unit::Memory,
        goal: Goal::Limit(KEPT),
        measured: kept,
        reference: None,
    })
}

/// A server that has read a file before, so that what it sets up once does not count.
fn warmed(place: &Place) -> Result<Session> {
    let path = Path::new("warm.txt");
    fs::write(place.root.join(path), lines(KIB))?;
    let mut server = Session::open(place.command(Program::Server))?;
    server.ask(&read_request("warm.txt"))?;
    Ok(server)
}

fn read_request(path: &str) -> Request {
    Request::call("read_file_secure", &json!({ "path": path }))
}

/// Text of exactly so many bytes.
fn lines(bytes: usize) -> Vec<u8> {
    b"The quick brown fox jumps over the lazy dog, line by line.\n"
        .iter()
        .copied()
        .cycle()
        .take(bytes)
        .collect()
}
