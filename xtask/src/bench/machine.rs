//! Processes: listing them beside one pass over /proc, starting one beside starting one.

use std::fs;
use std::process::{Command, Output};

use anyhow::{Result, bail};
use serde_json::json;

use super::place::{Place, Program};
use super::report::{Goal, Row, Unit};
use super::session::{Request, Session};
use super::turns::{Turns, medians, seconds};

const LISTS: Turns = Turns {
    rounds: 10,
    samples: 20,
};
const COMMANDS: Turns = Turns {
    rounds: 10,
    samples: 20,
};

pub(super) fn rows(place: &Place) -> Result<Vec<Row>> {
    let mut server = Session::open(place.command(Program::Server))?;
    Ok(vec![
        list_processes(&mut server)?,
        execute_command(&mut server)?,
    ])
}

fn list_processes(server: &mut Session) -> Result<Row> {
    let forget = Request::call("clear_cache", &json!({}));
    let list = Request::call("list_processes", &json!({}));
    let [measured, pass] = medians(
        LISTS,
        [
            &mut || {
                server.ask(&forget)?;
                server.time(&list)
            },
            &mut || seconds(pass_over_processes),
        ],
    )?;
    Ok(Row {
        what: format!(
            "list_processes, {} of them, not cached",
            pass_over_processes()?
        ),
        unit: Unit::Time,
        goal: Goal::Times(3.0),
        measured,
        reference: Some(("one pass over /proc", pass)),
    })
}

/// Reads the `stat` of every process; how many there are.
fn pass_over_processes() -> Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let name = entry.file_name();
        if !name.as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        // A process may end while its directory is listed.
        if fs::read(entry.path().join("stat")).is_ok() {
            count += 1;
        }
    }
    Ok(count)
}

fn execute_command(server: &mut Session) -> Result<Row> {
    let execute = Request::call("execute_command", &json!({ "command": "echo hi" }));
    let [measured, plain] = medians(
        COMMANDS,
        [&mut || server.time(&execute), &mut || seconds(echo)],
    )?;
    Ok(Row {
        what: "execute_command, `echo hi`".to_owned(),
        unit: Unit::Time,
        goal: Goal::Times(2.0),
        measured,
        reference: Some(("posix_spawn", plain)),
    })
}

/// The standard library starts it with `posix_spawn(3)`.
fn echo() -> Result<Output> {
    let output = Command::new("/bin/sh").args(["-c", "echo hi"]).output()?;
    if output.stdout != b"hi\n" {
        bail!("/bin/sh does not echo");
    }
    Ok(output)
}
