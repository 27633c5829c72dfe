//! Remembering: one by one, many at once, and in batches. Each answer means that it is on the disk.

use std::cell::Cell;

use anyhow::Result;
use serde_json::{Value, json};

use super::super::one_core::OneCore;
use super::super::place::Place;
use super::super::report::{Goal, Row, Unit};
use super::super::session::{Request, Session};
use super::super::turns::{Turns, medians};
use super::{raw, raw_seconds, server, texts};

const SEQUENTIAL: Turns = Turns {
    rounds: 20,
    samples: 20,
};
const FLOODS: Turns = Turns {
    rounds: 7,
    samples: 1,
};
const BATCHES: Turns = Turns {
    rounds: 10,
    samples: 4,
};
const IN_FLIGHT: usize = 32;
const FLOOD_CALLS: usize = 2000;
const BATCH: usize = 500;
/// Texts that are remembered, again and again under new keys.
const TEXTS: usize = 5000;

pub(in crate::bench) fn rows(place: &Place) -> Result<Vec<Row>> {
    let writes = Writes {
        texts: texts(place, TEXTS)?,
        next: Cell::new(0),
    };
    let mut rows = vec![writes.sequential(place)?, writes.in_flight(place)?];
    rows.extend(writes.batches(place)?);
    Ok(rows)
}

struct Writes {
    texts: Vec<String>,
    /// How many were remembered.
    next: Cell<usize>,
}

impl Writes {
    fn text(&self) -> (usize, &str) {
        let number = self.next.replace(self.next.get() + 1);
        let text = self.texts.get(number % TEXTS);
        (number, text.map_or("", String::as_str))
    }

    /// An entry that was not there before.
    fn entry(&self) -> Value {
        let (number, text) = self.text();
        json!({ "key": format!("note-{number}"), "value": text })
    }

    fn sequential(&self, place: &Place) -> Result<Row> {
        let _core = OneCore::enter()?;
        let mut session = start(place, "sequential")?;
        let mut raw = raw(place, None)?;
        let [measured, reference] = medians(
            SEQUENTIAL,
            [
                &mut || session.time(&Request::call("remember", &self.entry())),
                &mut || raw_seconds(&mut raw, &json!({ "commit": self.text().1 })),
            ],
        )?;
        Ok(Row {
            what: "remember, one by one, on one core".to_owned(),
            unit: Unit::Time,
            goal: Goal::Times(1.5),
            measured,
            reference: Some(("bare commit", reference)),
        })
    }

    fn in_flight(&self, place: &Place) -> Result<Row> {
        let mut session = start(place, "in-flight")?;
        let mut flood = || {
            let entries = (0..FLOOD_CALLS).map(|_| self.entry());
            session.flood_with("remember", entries, IN_FLIGHT)
        };
        let [measured] = medians(FLOODS, [&mut flood])?;
        Ok(Row {
            what: format!("remember, {IN_FLIGHT} in flight"),
            unit: Unit::Rate,
            goal: Goal::Least(5000.0),
            measured,
            reference: None,
        })
    }

    fn batches(&self, place: &Place) -> Result<Vec<Row>> {
        let mut session = start(place, "batches")?;
        let mut batch = || {
            let items: Vec<Value> = (0..BATCH).map(|_| self.entry()).collect();
            session.time(&Request::call("batch_remember", &json!({ "items": items })))
        };
        let [seconds] = medians(BATCHES, [&mut batch])?;
        let row = |what: &str, least| Row {
            what: format!("entries remembered in batches of {BATCH}{what}"),
            unit: Unit::Rate,
            goal: Goal::Least(least),
            measured: 500.0 / seconds,
            reference: None,
        };
        Ok(vec![row("", 20_000.0), row(", stretch", 40_000.0)])
    }
}

/// The server on a file of its own.
fn start(place: &Place, name: &str) -> Result<Session> {
    Session::open(server(place, &place.directory(name)?, None))
}
