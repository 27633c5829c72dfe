//! How well the built server finds what people judged relevant.
//!
//! A collection is a directory with `corpus.jsonl` ({_id, title, text}), `queries.jsonl` ({_id, text})
//! and `qrels.tsv` (query, document, gain), as BEIR has them. Documents are remembered over stdio, a
//! title as the key, and each query is asked in each mode.

mod collection;
mod measures;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::bench::session::Session;
use crate::workspace::Workspace;
use collection::Collection;
use measures::{Measures, RANKS};

const SERVER: &str = "a2a-unified-mcp";
const MODES: &[&str] = &["text", "semantic", "hybrid"];
/// What the server takes at once.
const BATCH: usize = 500;
/// For the vectors of all documents.
const EMBEDDING_LIMIT: Duration = Duration::from_hours(1);
const EMBEDDING_INTERVAL: Duration = Duration::from_secs(2);

/// What others reach on the Cranfield collection (1,400 abstracts, 225 queries): nDCG@10, recall@10.
const YARDSTICKS: &[(&str, f64, f64)] = &[
    ("FTS5 as it comes", 0.398, 0.415),
    ("FTS5 with porter and stop words", 0.427, 0.447),
    ("all-MiniLM-L6-v2", 0.430, 0.459),
    ("both by reciprocal ranks", 0.473, 0.491),
];

/// What the user asked for.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    data: PathBuf,
    modes: Vec<String>,
    profile: String,
    /// The programs are in this directory and need not be built.
    built: Option<PathBuf>,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self> {
        let mut data = None;
        let mut modes = Vec::new();
        let mut profile = "ci".to_owned();
        let mut built = None;
        let mut args = args.iter();
        while let Some(flag) = args.next() {
            let value = args.next();
            let value = value.with_context(|| format!("{flag} needs a value"))?;
            match flag.as_str() {
                "--data" => data = Some(value.into()),
                "--mode" if MODES.contains(&value.as_str()) => modes.push(value.clone()),
                "--mode" => bail!("no such mode: {value}; there are {}", MODES.join(", ")),
                "--profile" => profile.clone_from(value),
                "--built" => built = Some(value.into()),
                _ => bail!("unexpected argument: {flag}"),
            }
        }
        if modes.is_empty() {
            modes = MODES.iter().map(ToString::to_string).collect();
        }
        Ok(Self {
            data: data.context("--data says where the collection is")?,
            modes,
            profile,
            built,
        })
    }
}

/// `cargo xtask eval --data DIR [--mode MODE]... [--profile PROFILE | --built DIR]`. The environment is
/// the server's too, so that `A2A_EMBEDDING__…` names a model.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    let options = Options::parse(args)?;
    let collection = Collection::read(&options.data)?;
    let programs = match &options.built {
        Some(directory) => directory.clone(),
        None => workspace.build_servers(&options.profile)?,
    };
    let place = workspace.target()?.join("eval");
    if place.is_dir() {
        fs::remove_dir_all(&place)?;
    }
    fs::create_dir_all(&place)?;
    let mut session = Session::open(server(&programs.join(SERVER), &place))?;
    let keys = remember(&mut session, &collection)?;
    if options.modes.iter().any(|mode| mode != "text") {
        await_vectors(&mut session)?;
    }
    println!(
        "| {} | nDCG@{RANKS} | recall@{RANKS} | ms a query |",
        collection.title()
    );
    println!("|---|---|---|---|");
    for mode in &options.modes {
        match measure(&mut session, &collection, &keys, mode)? {
            Ok(measures) => println!("| {mode} | {measures} |"),
            Err(why) => println!("| {mode} | not measured: {why} | | |"),
        }
    }
    if collection.title() == "cranfield" {
        for (name, ndcg, recall) in YARDSTICKS {
            println!("| ({name}) | {ndcg:.3} | {recall:.3} | |");
        }
    }
    Ok(())
}

fn server(program: &Path, place: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("--data-dir").arg(place);
    // Nobody else uses this one.
    command.env("A2A_RATE__REQUESTS", "1000000");
    command
}

/// Writes all documents and returns the document of each key.
fn remember(session: &mut Session, collection: &Collection) -> Result<HashMap<String, String>> {
    let started = Instant::now();
    for documents in collection.documents.chunks(BATCH) {
        let item = |document: &collection::Document| json!({ "key": document.key(), "value": document.text, "category": "eval" });
        let items: Vec<Value> = documents.iter().map(item).collect();
        session.answer("batch_remember", &json!({ "items": items }))?;
    }
    let count = collection.documents.len();
    eprintln!("{count} documents remembered in {:.1?}", started.elapsed());
    let key = |document: &collection::Document| (document.key(), document.id.clone());
    Ok(collection.documents.iter().map(key).collect())
}

/// Waits until each document has its vector, if there is a model that makes them.
fn await_vectors(session: &mut Session) -> Result<()> {
    let started = Instant::now();
    while started.elapsed() < EMBEDDING_LIMIT {
        let stats = session.answer("knowledge_stats", &json!({}))?;
        let count = |name: &str| {
            let number = stats.pointer(&format!("/embeddings/{name}"));
            number.and_then(Value::as_u64)
        };
        let Some(pending) = count("pending") else {
            eprintln!("the server says nothing of embeddings");
            return Ok(());
        };
        if pending == 0 {
            let failed = count("failed").unwrap_or(0);
            eprintln!("embedded in {:.0?}, {failed} failed", started.elapsed());
            return Ok(());
        }
        let probe = json!({ "query": "probe", "mode": "semantic", "limit": 1 });
        let probe = session.answer("search_knowledge", &probe)?;
        if probe.get("mode").and_then(Value::as_str) == Some("text") {
            eprintln!("no vectors are made");
            return Ok(());
        }
        eprintln!("{pending} documents to embed");
        thread::sleep(EMBEDDING_INTERVAL);
    }
    bail!("vectors were not made within {EMBEDDING_LIMIT:?}")
}

/// Asks each query; what was really done must be what was asked for.
fn measure(
    session: &mut Session,
    collection: &Collection,
    keys: &HashMap<String, String>,
    mode: &str,
) -> Result<Result<Measures, String>> {
    let mut measures = Measures::default();
    for query in &collection.queries {
        let arguments = json!({ "query": query.text, "mode": mode, "limit": RANKS });
        let started = Instant::now();
        let answer = session.answer("search_knowledge", &arguments)?;
        let taken = started.elapsed();
        if answer.get("mode").and_then(Value::as_str) != Some(mode) {
            let why = answer.get("why").and_then(Value::as_str);
            return Ok(Err(why
                .unwrap_or("the server searched otherwise")
                .to_owned()));
        }
        let results = answer.get("results").and_then(Value::as_array);
        let found: Vec<&str> = results
            .context("an answer without results")?
            .iter()
            .filter_map(|result| keys.get(result.get("key")?.as_str()?))
            .map(String::as_str)
            .collect();
        measures.add(&found, &query.gains, taken);
    }
    Ok(Ok(measures))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_its_options() {
        let parse = |line: &str| {
            let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            Options::parse(&args).map_err(|error| error.to_string())
        };
        let options = parse("--data d --mode text --mode hybrid").unwrap();
        assert_eq!(options.modes, ["text", "hybrid"]);
        assert_eq!(parse("--data d").unwrap().modes, MODES);
        assert_eq!(
            parse("").unwrap_err(),
            "--data says where the collection is"
        );
        assert_eq!(parse("--data").unwrap_err(), "--data needs a value");
        let error = parse("--data d --mode fuzzy").unwrap_err();
        assert_eq!(
            error,
            "no such mode: fuzzy; there are text, semantic, hybrid"
        );
    }
}
