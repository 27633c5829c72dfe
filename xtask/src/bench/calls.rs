//! Calls that do next to nothing: what the server adds to each call, on both transports.

use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::load::Load;
use super::one_core::OneCore;
use super::place::{Place, Program};
use super::report::{Goal, Row, Unit};
use super::session::{Request, Session};
use super::turns::{Turns, medians};
use crate::process::Grouped;
use crate::server::{Addresses, Server};

/// The tool of the reference servers.
pub(super) const ECHO: &str = "echo";
/// The server's cheapest tool.
pub(super) const CHEAP: &str = "get_env_var";

const SEQUENTIAL: Turns = Turns {
    rounds: 30,
    samples: 100,
};
const FLOODS: Turns = Turns {
    rounds: 15,
    samples: 1,
};
const IN_FLIGHT: u32 = 64;
const FLOOD_CALLS: u32 = 4000;
const CONNECTIONS: usize = 64;
const HTTP_CALLS: usize = 4000;

/// From start to a listening socket.
const LISTEN_LIMIT: Duration = Duration::from_secs(10);
const LISTEN_INTERVAL: Duration = Duration::from_millis(5);

pub(super) fn rows(place: &Place) -> Result<Vec<Row>> {
    Ok(vec![
        sequential(place)?,
        in_flight(place)?,
        over_http(place)?,
    ])
}

/// Both tools take these and answer with the name and a value.
pub(super) fn cheap_arguments() -> Value {
    json!({ "name": "LANG" })
}

/// The server and the least one on the same SDK.
pub(super) fn sessions(place: &Place) -> Result<(Session, Session)> {
    let server = Session::open(place.command(Program::Server))?;
    Ok((server, Session::open(place.command(Program::Bare))?))
}

fn sequential(place: &Place) -> Result<Row> {
    let _core = OneCore::enter()?;
    let (mut server, mut bare) = sessions(place)?;
    let cheap = Request::call(CHEAP, &cheap_arguments());
    let echo = Request::call(ECHO, &cheap_arguments());
    let [measured, reference] = medians(
        SEQUENTIAL,
        [&mut || server.time(&cheap), &mut || bare.time(&echo)],
    )?;
    Ok(Row {
        what: "cheap call, on one core".to_owned(),
        unit: Unit::Time,
        goal: Goal::Times(1.4),
        measured,
        reference: Some(("bare rmcp", reference)),
    })
}

fn in_flight(place: &Place) -> Result<Row> {
    let (mut server, mut bare) = sessions(place)?;
    let arguments = cheap_arguments();
    let [measured, reference] = medians(
        FLOODS,
        [
            &mut || server.flood(CHEAP, &arguments, IN_FLIGHT, FLOOD_CALLS),
            &mut || bare.flood(ECHO, &arguments, IN_FLIGHT, FLOOD_CALLS),
        ],
    )?;
    Ok(Row {
        what: format!("cheap calls, {IN_FLIGHT} in flight"),
        unit: Unit::Rate,
        goal: Goal::Share(0.7),
        measured,
        reference: Some(("bare rmcp", reference)),
    })
}

fn over_http(place: &Place) -> Result<Row> {
    let addresses = Addresses::any()?;
    let _server = Server::start(place.silent(Program::Server), addresses)?;
    let bare_address = Addresses::any()?.http;
    let mut bare_command = place.silent(Program::Bare);
    let _bare = Grouped::spawn(bare_command.args(["--http", &bare_address.to_string()]))?;
    await_listening(bare_address)?;

    let token = place.token()?;
    let connect =
        |address, tool| Load::connect(address, CONNECTIONS, http_request(address, tool, &token));
    let mut server_load = connect(addresses.http, CHEAP)?;
    let mut bare_load = connect(bare_address, ECHO)?;
    let [measured, reference] = medians(
        FLOODS,
        [&mut || server_load.run(HTTP_CALLS), &mut || {
            bare_load.run(HTTP_CALLS)
        }],
    )?;
    Ok(Row {
        what: format!("cheap calls over HTTP, {CONNECTIONS} connections"),
        unit: Unit::Rate,
        goal: Goal::Share(0.7),
        measured,
        reference: Some(("bare rmcp", reference)),
    })
}

fn await_listening(address: SocketAddr) -> Result<()> {
    let deadline = Instant::now() + LISTEN_LIMIT;
    while TcpStream::connect_timeout(&address, LISTEN_LIMIT).is_err() {
        if Instant::now() > deadline {
            bail!("nothing listened on {address} within {LISTEN_LIMIT:?}");
        }
        thread::sleep(LISTEN_INTERVAL);
    }
    Ok(())
}

/// A call in the stateless era (2026-07-28), which says in each request who calls.
fn http_request(address: SocketAddr, tool: &str, token: &str) -> Vec<u8> {
    let body = json!({
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {
            "name": tool,
            "arguments": cheap_arguments(),
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": { "name": "bench", "version": "1" },
            },
        },
    })
    .to_string();
    let length = body.len();
    format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
         MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: {tool}\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}
