//! The server of what agents remember: at rest, writing, and searching in files of several sizes.
//!
//! The references are the other server and `SQLite` itself (`raw_sqlite`), with the same driver and
//! settings and on the same file. What is in the files is made up (`corpus`), and the same each time.

mod meaning;
mod rest;
mod searches;
mod writes;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use mcp_embedding::Model;
use serde_json::{Value, json};

use super::place::{Place, Program};
use super::session::{Request, Session};
use crate::process;

pub(super) use meaning::rows as meaning;
pub(super) use rest::rows as rest;
pub(super) use searches::rows as searches;
pub(super) use writes::rows as writes;

const MIB: f64 = 1_048_576.0;
/// The name of the file in the server's data directory.
const FILE_NAME: &str = "knowledge.db";

/// A file of made-up entries.
struct Corpus {
    /// The server's data directory.
    directory: PathBuf,
    /// Words of one entry each.
    rare: Vec<String>,
    /// A word of every fiftieth entry.
    fiftieth: String,
}

impl Corpus {
    /// Makes it, unless another group has.
    fn of(place: &Place, entries: u32) -> Result<Self> {
        let directory = place.directory(&format!("corpus-{entries}"))?;
        let list = directory.join("words.json");
        if !list.is_file() {
            let mut command = place.command(Program::Corpus);
            command.arg("file").arg(directory.join(FILE_NAME));
            command.arg(entries.to_string());
            if let Some(model) = &place.model {
                let model = Model::open(model)?;
                command.arg(model.id()).arg(model.dimension().to_string());
            }
            fs::write(&list, process::output(&mut command)?)?;
        }
        let words: Value = serde_json::from_str(&fs::read_to_string(&list)?)?;
        let rare = words.get("rare").context("no rare words")?;
        let fiftieth = words.get("fiftieth").and_then(Value::as_str);
        Ok(Self {
            directory,
            rare: serde_json::from_value(rare.clone())?,
            fiftieth: fiftieth.context("no word of 2 %")?.to_owned(),
        })
    }

    fn server(&self, place: &Place, model: Option<&Path>) -> Result<Session> {
        Session::open(server(place, &self.directory, model))
    }

    /// `SQLite` on the same file.
    fn raw(&self, place: &Place) -> Result<Session> {
        raw(place, Some(&self.directory.join(FILE_NAME)))
    }
}

/// The numbers of entries that files are made of.
fn sizes(place: &Place) -> Vec<(&'static str, u32)> {
    let mut sizes = vec![("1 k", 1000), ("10 k", 10_000), ("100 k", 100_000)];
    if place.million {
        sizes.push(("1 M", 1_000_000));
    }
    sizes
}

/// The server on a data directory; without a model it searches by words only.
fn server(place: &Place, directory: &Path, model: Option<&Path>) -> Command {
    let mut command = place.command(Program::Memory);
    command.arg("--data-dir").arg(directory);
    command.env("A2A_EMBEDDING__MODEL", model.unwrap_or(Path::new("off")));
    command
}

fn raw(place: &Place, file: Option<&Path>) -> Result<Session> {
    let scratch = place.directory("raw")?.join("scratch.db");
    let mut command = place.command(Program::RawSqlite);
    command.arg(scratch).args(file);
    Session::start(command)
}

/// The seconds that `SQLite` took for what it was asked.
fn raw_seconds(raw: &mut Session, asked: &Value) -> Result<f64> {
    let answer = raw.exchange(asked)?;
    let seconds = answer.get("seconds").and_then(Value::as_f64);
    seconds.with_context(|| format!("no seconds in {answer}"))
}

/// Made-up texts, as they are in the files.
fn texts(place: &Place, count: usize) -> Result<Vec<String>> {
    let mut command = place.command(Program::Corpus);
    let printed = process::output(command.args(["texts", &count.to_string()]))?;
    Ok(serde_json::from_str(&printed)?)
}

/// What a tool answers.
fn answer(session: &mut Session, tool: &str, arguments: &Value) -> Result<Value> {
    let params = json!({ "name": tool, "arguments": arguments });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let mut answer = session.exchange(&message)?;
    let content = answer.pointer_mut("/result/structuredContent");
    Ok(content.context("an answer without content")?.take())
}

fn search(query: &str, mode: &str) -> Value {
    json!({ "query": query, "mode": mode, "limit": 10 })
}

/// Searches for something new to the memory of results; what was made of queries stays, unless `scope`
/// says otherwise.
fn time_search(server: &mut Session, query: &str, mode: &str, scope: &str) -> Result<f64> {
    server.ask(&Request::call("clear_cache", &json!({ "scope": scope })))?;
    server.time(&Request::call("search_knowledge", &search(query, mode)))
}
