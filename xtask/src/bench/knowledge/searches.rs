//! Searching by words, and what is found again.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::super::calls::{CHEAP, cheap_arguments};
use super::super::one_core::OneCore;
use super::super::place::{Place, Program};
use super::super::report::{Goal, Row, Unit};
use super::super::session::{Request, Session};
use super::super::turns::{Turns, medians};
use super::{Corpus, answer, raw_seconds, search, sizes, time_search};

const RARE: Turns = Turns {
    rounds: 20,
    samples: 10,
};
const FIFTIETH: Turns = Turns {
    rounds: 20,
    samples: 2,
};
const CACHED: Turns = Turns {
    rounds: 30,
    samples: 20,
};

pub(in crate::bench) fn rows(place: &Place) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (size, entries) in sizes(place) {
        let corpus = Corpus::of(place, entries)?;
        let _core = OneCore::enter()?;
        rows.extend(rare(place, &corpus, size)?);
        rows.push(fiftieth(place, &corpus, size)?);
        if entries == 100_000 {
            rows.push(cached(place, &corpus)?);
        }
    }
    Ok(rows)
}

fn rare(place: &Place, corpus: &Corpus, size: &str) -> Result<Vec<Row>> {
    let mut server = corpus.server(place, None)?;
    let mut raw = corpus.raw(place)?;
    let mut words = corpus.rare.iter().cycle();
    let mut word = || words.next().context("no rare word");
    expect(&mut server, word()?, 1)?;
    let mut same = corpus.rare.iter().cycle();
    let [measured, reference] = medians(
        RARE,
        [
            &mut || time_search(&mut server, word()?, "text", "medium"),
            &mut || {
                let word = same.next().context("no rare word")?;
                raw_seconds(&mut raw, &json!({ "match": word }))
            },
        ],
    )?;
    let row = |what: &str, goal| Row {
        what: format!("text search, rare word, {size} entries{what}"),
        unit: Unit::Time,
        goal,
        measured,
        reference: Some(("raw FTS5", reference)),
    };
    let stretch = match size {
        "10 k" => Some(200e-6),
        "100 k" => Some(250e-6),
        _ => None,
    };
    let stretch = stretch.map(|limit| row(", stretch", Goal::Limit(limit)));
    Ok([row("", Goal::Times(6.0))]
        .into_iter()
        .chain(stretch)
        .collect())
}

fn fiftieth(place: &Place, corpus: &Corpus, size: &str) -> Result<Row> {
    let mut server = corpus.server(place, None)?;
    let mut raw = corpus.raw(place)?;
    let word = &corpus.fiftieth;
    expect(&mut server, word, 10)?;
    let [measured, reference] = medians(
        FIFTIETH,
        [
            &mut || time_search(&mut server, word, "text", "medium"),
            &mut || raw_seconds(&mut raw, &json!({ "match": word })),
        ],
    )?;
    Ok(Row {
        what: format!("text search, word of 2 % of {size} entries"),
        unit: Unit::Time,
        goal: Goal::Times(1.3),
        measured,
        reference: Some(("raw FTS5", reference)),
    })
}

fn cached(place: &Place, corpus: &Corpus) -> Result<Row> {
    let mut server = corpus.server(place, None)?;
    let mut other = Session::open(place.command(Program::Server))?;
    let word = corpus.rare.first().context("no rare word")?;
    expect(&mut server, word, 1)?;
    let again = Request::call("search_knowledge", &search(word, "text"));
    let cheap = Request::call(CHEAP, &cheap_arguments());
    let [measured, reference] = medians(
        CACHED,
        [&mut || server.time(&again), &mut || other.time(&cheap)],
    )?;
    Ok(Row {
        what: "cached search, one result".to_owned(),
        unit: Unit::Time,
        goal: Goal::Times(1.5),
        measured,
        reference: Some(("cheap call", reference)),
    })
}

/// That a search finds what is there; otherwise it would be quick for nothing.
fn expect(server: &mut Session, word: &str, count: u64) -> Result<()> {
    let found = answer(server, "search_knowledge", &search(word, "text"))?;
    let counted = found.get("count").and_then(Value::as_u64);
    ensure!(
        counted == Some(count),
        "{word} found {counted:?}, not {count}"
    );
    Ok(())
}
