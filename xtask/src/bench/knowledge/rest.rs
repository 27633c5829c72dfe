//! How soon the server answers, and what it costs while nobody asks.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::super::memory::{proportional, wakeups};
use super::super::place::{Place, Program};
use super::super::report::{Goal, Row, Unit};
use super::super::session::{Request, Session};
use super::super::turns::{Turns, medians, seconds};
use super::{MIB, server};

const STARTS: Turns = Turns {
    rounds: 40,
    samples: 1,
};
/// From the start until what it does once after a start is done.
const SETTLE: Duration = Duration::from_secs(4);
const IDLE_WATCH: Duration = Duration::from_secs(30);

pub(in crate::bench) fn rows(place: &Place) -> Result<Vec<Row>> {
    let directory = place.directory("rest")?;
    let command = || server(place, &directory, place.model.as_deref());
    let first_answer = |command| {
        seconds(|| {
            let mut session = Session::start(command)?;
            session.ask(&Request::initialize())?;
            Ok(session)
        })
    };
    let [measured, other] = medians(
        STARTS,
        [&mut || first_answer(command()), &mut || {
            first_answer(place.command(Program::Server))
        }],
    )?;
    let session = Session::open(command())?;
    thread::sleep(SETTLE);
    let size = proportional(session.pid())?;
    let before = wakeups(session.pid())?;
    thread::sleep(IDLE_WATCH);
    let woken = wakeups(session.pid())? - before;
    Ok(vec![
        Row {
            what: "memory: start to first answer".to_owned(),
            unit: Unit::Time,
            goal: Goal::Times(2.0),
            measured,
            reference: Some(("omnipotent-mcp", other)),
        },
        Row {
            what: "memory: idle PSS, the model not loaded".to_owned(),
            unit: Unit::Memory,
            goal: Goal::Limit(12.0 * MIB),
            measured: size,
            reference: None,
        },
        Row {
            what: "memory: wake-ups a minute, idle".to_owned(),
            unit: Unit::Count,
            goal: Goal::Limit(1.0),
            measured: woken * 60.0 / IDLE_WATCH.as_secs_f64(),
            reference: None,
        },
    ])
}
