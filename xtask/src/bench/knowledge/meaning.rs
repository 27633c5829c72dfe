//! Searching by words and meaning, and what the model costs.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::super::memory::{peak, proportional};
use super::super::place::{Place, Program};
use super::super::report::{Goal, Row, Unit};
use super::super::session::Session;
use super::super::turns::{Turns, medians};
use super::{Corpus, MIB, answer, search, sizes, texts, time_search};
use crate::process;

const HYBRID: Turns = Turns {
    rounds: 10,
    samples: 3,
};
/// From the last answer until the memory is looked at.
const SETTLE: Duration = Duration::from_millis(300);
const WORDS: usize = 4;

pub(in crate::bench) fn rows(place: &Place) -> Result<Vec<Row>> {
    let model = place.model.as_deref();
    let model = model.context("there is no model: cargo xtask model, or --model FILE")?;
    let embedding = embedding(place, model)?;
    let row = |what: &str, limit| Row {
        what: format!("embedding 50 tokens, processor time of one thread{what}"),
        unit: Unit::Time,
        goal: Goal::Limit(limit),
        measured: embedding,
        reference: None,
    };
    let mut rows = vec![row("", 30e-3), row(", stretch", 16e-3)];
    for (size, entries) in sizes(place) {
        rows.extend(hybrid(place, model, (size, entries), embedding)?);
    }
    Ok(rows)
}

/// The median in seconds, of the line of `embed` that begins `50 tokens: median 15.31 ms`.
fn embedding(place: &Place, model: &Path) -> Result<f64> {
    let printed = process::output(place.command(Program::Embed).arg(model))?;
    let line = printed.lines().find_map(|line| {
        let (median, _) = line.strip_prefix("50 tokens: median ")?.split_once(" ms")?;
        median.parse::<f64>().ok()
    });
    Ok(line.with_context(|| format!("no 50 tokens in {printed}"))? / 1e3)
}

fn hybrid(
    place: &Place,
    model: &Path,
    (size, entries): (&str, u32),
    embedding: f64,
) -> Result<Vec<Row>> {
    let corpus = Corpus::of(place, entries)?;
    let mut server = corpus.server(place, Some(model))?;
    let queries: Vec<String> = texts(place, HYBRID.samples)?
        .iter()
        .map(|text| text.split(' ').take(WORDS).collect::<Vec<_>>().join(" "))
        .collect();
    for query in &queries {
        let found = answer(&mut server, "search_knowledge", &search(query, "hybrid"))?;
        let mode = found.get("mode").and_then(Value::as_str);
        ensure!(mode == Some("hybrid"), "not searched by meaning: {found}");
    }
    // New queries first, so that all are embedded when the others come.
    let new = turns(&mut server, &queries, "all")?;
    let known = turns(&mut server, &queries, "medium")?;
    let row = |what: &str, goal, measured, reference| Row {
        what: format!("hybrid search, {size} entries, {what}"),
        unit: Unit::Time,
        goal,
        measured,
        reference,
    };
    let mut rows = vec![
        row("query embedded before", Goal::Limit(30e-3), known, None),
        row(
            "new query",
            Goal::Plus(embedding),
            new,
            Some(("embedded before", known)),
        ),
    ];
    if entries == 100_000 {
        thread::sleep(SETTLE);
        let size = |what: &str, limit, measured| Row {
            what: format!("memory: {what} with the model and 100 k entries"),
            unit: Unit::Memory,
            goal: Goal::Limit(limit * MIB),
            measured,
            reference: None,
        };
        rows.push(size("PSS", 180.0, proportional(server.pid())?));
        rows.push(size("peak RSS", 300.0, peak(server.pid())?));
    }
    Ok(rows)
}

fn turns(server: &mut Session, queries: &[String], forgotten: &str) -> Result<f64> {
    let mut queries = queries.iter().cycle();
    let mut sample = || {
        let query = queries.next().context("no query")?;
        time_search(server, query, "hybrid", forgotten)
    };
    let [median] = medians(HYBRID, [&mut sample])?;
    Ok(median)
}
