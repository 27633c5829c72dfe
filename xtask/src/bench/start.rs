//! How soon a server answers, and what it costs while nobody asks.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::memory::{proportional, wakeups};
use super::place::{Place, Program};
use super::report::{Goal, Row, Unit};
use super::session::{Request, Session};
use super::turns::{Turns, medians, seconds};

const STARTS: Turns = Turns {
    rounds: 40,
    samples: 1,
};
const SIZES: Turns = Turns {
    rounds: 3,
    samples: 1,
};
/// From the last answer until a process counts as idle.
const SETTLE: Duration = Duration::from_millis(300);
const IDLE_WATCH: Duration = Duration::from_secs(5);

const MIB: f64 = 1_048_576.0;

pub(super) fn rows(place: &Place) -> Result<Vec<Row>> {
    let mut rows = first_answer(place)?;
    rows.extend(idle_memory(place)?);
    rows.push(idle_wakeups(place)?);
    Ok(rows)
}

fn first_answer(place: &Place) -> Result<Vec<Row>> {
    let initialize = Request::initialize();
    let start = |program| {
        seconds(|| {
            let mut session = Session::start(place.command(program))?;
            session.ask(&initialize)?;
            Ok(session)
        })
    };
    let [server, bare, floor] = medians(
        STARTS,
        [
            &mut || start(Program::Server),
            &mut || start(Program::Bare),
            &mut || start(Program::Floor),
        ],
    )?;
    let row = |what: &str, reference| Row {
        what: what.to_owned(),
        unit: Unit::Time,
        goal: Goal::Times(1.5),
        measured: server,
        reference: Some(reference),
    };
    Ok(vec![
        row("start to first answer", ("bare rmcp", bare)),
        row("start to first answer, stretch", ("floor", floor)),
    ])
}

fn idle_memory(place: &Place) -> Result<Vec<Row>> {
    let size = |program| {
        let session = Session::open(place.command(program))?;
        thread::sleep(SETTLE);
        proportional(session.pid())
    };
    let [server, bare] = medians(
        SIZES,
        [&mut || size(Program::Server), &mut || size(Program::Bare)],
    )?;
    let row = |what: &str, limit| Row {
        what: what.to_owned(),
        unit: Unit::Memory,
        goal: Goal::Limit(limit),
        measured: server,
        reference: Some(("bare rmcp", bare)),
    };
    Ok(vec![
        row("idle PSS", 9.0 * MIB),
        row("idle PSS, stretch", 6.0 * MIB),
    ])
}

fn idle_wakeups(place: &Place) -> Result<Row> {
    let server = Session::open(place.command(Program::Server))?;
    let bare = Session::open(place.command(Program::Bare))?;
    thread::sleep(SETTLE);
    let count = || Ok::<_, anyhow::Error>((wakeups(server.pid())?, wakeups(bare.pid())?));
    let before = count()?;
    thread::sleep(IDLE_WATCH);
    let after = count()?;
    Ok(Row {
        what: format!("wake-ups in {} idle seconds", IDLE_WATCH.as_secs()),
        unit: Unit::Count,
        goal: Goal::Limit(0.0),
        measured: after.0 - before.0,
        reference: Some(("bare rmcp", after.1 - before.1)),
    })
}
