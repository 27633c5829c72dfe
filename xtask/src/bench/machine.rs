//! Processes: listing them beside one pass over /proc, starting one beside starting one.

use std::fs;
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};
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
    let mut rows = vec![list_processes(&mut server)?];
    rows.extend(execute_command(place)?);
    Ok(rows)
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

/// The strict tier beside bubblewrap with the same mounts, the landlock tier beside no sandbox.
fn execute_command(place: &Place) -> Result<Vec<Row>> {
    let execute = Request::call("execute_command", &json!({ "command": "echo hi" }));
    let tier = |tier: &str| {
        let mut command = place.command(Program::Server);
        command
            .env("OMNIPOTENT_SANDBOX__REQUIRE", tier)
            .env("OMNIPOTENT_SANDBOX__PREFER", tier)
            .env("OMNIPOTENT_SANDBOX__WAIVE", "protected_paths,hidden_paths");
        Session::open(command)
    };
    let (mut strict, mut landlock) = (tier("strict")?, tier("landlock")?);
    let [strict, landlock, bubblewrap, plain] = medians(
        COMMANDS,
        [
            &mut || strict.time(&execute),
            &mut || landlock.time(&execute),
            &mut || seconds(|| echo(&mut wrapped(place))),
            &mut || seconds(|| echo(Command::new("/bin/sh").args(["-c", "echo hi"]))),
        ],
    )?;
    let row = |tier: &str, goal, measured, reference| Row {
        what: format!("execute_command, `echo hi`, tier {tier}"),
        unit: Unit::Time,
        goal,
        measured,
        reference: Some(reference),
    };
    Ok(vec![
        row(
            "strict",
            Goal::Times(1.2),
            strict,
            ("bubblewrap", bubblewrap),
        ),
        row(
            "strict, stretch",
            Goal::Times(0.6),
            strict,
            ("bubblewrap", bubblewrap),
        ),
        row(
            "landlock",
            Goal::Times(2.5),
            landlock,
            ("posix_spawn", plain),
        ),
    ])
}

/// The same command in Debian's bubblewrap, with what the strict tier shows.
fn wrapped(place: &Place) -> Command {
    let mut command = Command::new("bwrap");
    command.args([
        "--unshare-all",
        "--die-with-parent",
        "--new-session",
        "--clearenv",
    ]);
    for directory in ["/usr", "/etc", "/opt"] {
        command.args(["--ro-bind-try", directory, directory]);
    }
    for (target, link) in [
        ("usr/bin", "/bin"),
        ("usr/sbin", "/sbin"),
        ("usr/lib", "/lib"),
        ("usr/lib64", "/lib64"),
    ] {
        command.args(["--symlink", target, link]);
    }
    command.args(["--proc", "/proc", "--dev", "/dev"]);
    for private in ["/tmp", "/var/tmp", "/run", "/home"] {
        command.args(["--tmpfs", private]);
    }
    command.arg("--bind").args([&place.root, &place.root]);
    command.arg("--chdir").arg(&place.root);
    command.args(["/bin/sh", "-c", "echo hi"]);
    command
}

fn echo(command: &mut Command) -> Result<Output> {
    let output = command
        .output()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if output.stdout != b"hi\n" {
        bail!(
            "it does not echo: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(output)
}
