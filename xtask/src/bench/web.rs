//! Fetching from a web server on loopback.

use anyhow::Result;
use serde_json::{Value, json};

use super::pages::Pages;
use super::place::{Place, Program};
use super::report::{Goal, Row, Unit};
use super::session::{Request, Session};
use super::turns::{Turns, medians};

const FETCHES: Turns = Turns {
    rounds: 5,
    samples: 40,
};

pub(super) fn rows(place: &Place) -> Result<Vec<Row>> {
    let pages = Pages::serve()?;
    let mut server = Session::open(place.command(Program::Server))?;
    let fetch = json!({ "url": pages.text() });
    let scrape = json!({ "url": pages.html(), "selector": "h2.title" });
    Ok(vec![
        row(
            &mut server,
            "fetch 100 KiB",
            ("http_request_secure", &fetch),
            1.5e-3,
        )?,
        row(
            &mut server,
            "scrape 100 KiB",
            ("scrape_webpage_secure", &scrape),
            6e-3,
        )?,
        way_out(place)?,
    ])
}

/// What judging adds to a request whose name is resolved anew.
fn way_out(place: &Place) -> Result<Row> {
    let [measured, client] = place.medians(Program::Fetch, ["egress", "client"])?;
    Ok(Row {
        what: "fetch by name, in process".to_owned(),
        unit: Unit::Time,
        goal: Goal::Plus(20e-6),
        measured,
        reference: Some(("reqwest", client)),
    })
}

fn row(server: &mut Session, what: &str, call: (&str, &Value), limit: f64) -> Result<Row> {
    let (tool, arguments) = call;
    let request = Request::call(tool, arguments);
    let [measured] = medians(FETCHES, [&mut || server.time(&request)])?;
    Ok(Row {
        what: what.to_owned(),
        unit: Unit::Time,
        goal: Goal::Limit(limit),
        measured,
        reference: None,
    })
}
