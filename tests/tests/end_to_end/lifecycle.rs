//! How a server ends, and what it leaves behind: nothing.

use std::io::Read;
use std::net::TcpListener;
use std::time::Duration;

use mcp_tests::{Ended, Era, Peer, Setup, Signal, Stdio, alive_with, mark, until};
use serde_json::json;

/// A server that does nothing ends within this.
const IDLE: Duration = Duration::from_millis(300);
/// A server with a command running ends within this.
const BUSY: Duration = Duration::from_millis(700);

/// A server with a `sleep` running, and the mark to know it by.
fn busy(era: Era) -> (Stdio, String) {
    let mut server = Setup::default().stdio(era);
    let mark = mark();
    let command = format!("sleep {mark}");
    server.send_call(
        "execute_command",
        &json!({ "command": command, "timeout": 600 }),
    );
    until("the sleep", || is_asleep(&mark));
    (server, mark)
}

/// Whether the `sleep` itself runs, and not only the shell that will start it.
fn is_asleep(mark: &str) -> bool {
    alive_with(mark).into_iter().any(|pid| {
        std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "sleep\n")
    })
}

#[test]
fn an_idle_server_ends_with_its_input() {
    for era in [Era::Legacy, Era::Modern] {
        let mut server = Setup::default().stdio(era);
        server.assert_alive();
        server.close_input();
        assert_eq!(
            server.process.ended_within(IDLE),
            Ended::Exited(0),
            "{era:?}"
        );
    }
}

#[test]
fn a_server_that_nobody_spoke_to_ends_with_its_input() {
    let mut server = Setup::default().stdio_unopened(Era::Legacy);
    server.close_input();
    assert_eq!(server.process.ended_within(IDLE), Ended::Exited(0));
    assert_eq!(server.process.last_errors(), "");
}

#[test]
fn a_busy_server_ends_with_its_input_and_kills_the_command() {
    for era in [Era::Legacy, Era::Modern] {
        let (mut server, mark) = busy(era);
        server.close_input();
        assert_eq!(
            server.process.ended_within(BUSY),
            Ended::Exited(0),
            "{era:?}"
        );
        until("the end of the sleep", || alive_with(&mark).is_empty());
    }
}

#[test]
fn signals_end_idle_and_busy_servers_in_order() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut idle = Setup::default().stdio(Era::Modern);
        idle.assert_alive();
        idle.process.signal(signal);
        assert_eq!(
            idle.process.ended_within(IDLE),
            Ended::Exited(0),
            "{signal:?}, idle"
        );

        let (mut server, mark) = busy(Era::Modern);
        server.process.signal(signal);
        assert_eq!(
            server.process.ended_within(BUSY),
            Ended::Exited(0),
            "{signal:?}, busy"
        );
        until("the end of the sleep", || alive_with(&mark).is_empty());
    }
}

#[test]
fn signals_end_an_http_server_in_order() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = Setup::default().http();
        let mark = mark();
        let arguments = json!({ "command": format!("sleep {mark}"), "timeout": 600 });
        let call = json!({ "name": "execute_command", "arguments": arguments });
        let _connection = server.begin("tools/call", call);
        until("the sleep", || is_asleep(&mark));
        server.process.signal(signal);
        assert_eq!(
            server.process.ended_within(BUSY),
            Ended::Exited(0),
            "{signal:?}"
        );
        until("the end of the sleep", || alive_with(&mark).is_empty());
    }
}

#[test]
fn a_signal_before_the_first_message_ends_the_server() {
    let mut server = Setup::default().stdio_unopened(Era::Legacy);
    // The handlers are set up before the first answer, so ask for one that changes nothing.
    server.write(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n");
    drop(server.answer(1));
    server.process.signal(Signal::TERM);
    assert_eq!(server.process.ended_within(IDLE), Ended::Exited(0));
}

#[test]
fn requests_sent_just_before_the_end_of_input_are_answered() {
    let mut server = Setup::default().stdio(Era::Legacy);
    let calls: Vec<u64> = ["echo last", "echo words"]
        .iter()
        .map(|command| server.send_call("execute_command", &json!({ "command": command })))
        .collect();
    server.close_input();
    for call in calls {
        assert!(server.answer(call).is_ok());
    }
    assert_eq!(server.process.ended_within(BUSY), Ended::Exited(0));
}

#[test]
fn a_whole_conversation_may_be_piped_in() {
    for era in [Era::Legacy, Era::Modern] {
        let mut server = Setup::default().stdio_unopened(era);
        if era == Era::Legacy {
            server.send_opening();
        }
        let file = json!({ "path": "piped.txt", "content": "all at once" });
        let write = server.send_call("write_file_secure", &file);
        server.close_input();
        assert!(server.answer(write).is_ok(), "{era:?}");
        assert_eq!(server.process.ended_within(IDLE), Ended::Exited(0));
        let path = server.stage.path("root/piped.txt");
        assert_eq!(std::fs::read_to_string(path).unwrap(), "all at once");
    }
}

#[test]
fn a_client_that_stops_reading_does_not_keep_the_server_alive() {
    let mut server = Setup::unlimited().stdio(Era::Legacy);
    server.close_output();
    for _ in 0..200 {
        server.send_call("list_processes", &json!({}));
    }
    server.close_input();
    server.process.ended_within(BUSY);
}

#[test]
fn a_killed_server_leaves_no_command_behind() {
    let (server, mark) = busy(Era::Legacy);
    server.process.signal(Signal::KILL);
    until("the end of the sleep", || alive_with(&mark).is_empty());
}

#[test]
fn a_cancelled_call_ends_its_command() {
    for era in [Era::Legacy, Era::Modern] {
        let mut server = Setup::default().stdio(era);
        let mark = mark();
        let arguments =
            json!({ "command": format!("sleep {mark} & sleep {mark}"), "timeout": 600 });
        let call = server.send_call("execute_command", &arguments);
        until("the sleeps", || alive_with(&mark).len() >= 3);
        server.notify(
            "notifications/cancelled",
            &json!({ "requestId": call, "reason": "enough" }),
        );
        until("the end of the sleeps", || alive_with(&mark).is_empty());
        server.assert_alive();
    }
}

#[test]
fn a_closed_connection_ends_its_command() {
    let mut server = Setup::default().http();
    let mark = mark();
    let arguments = json!({ "command": format!("sleep {mark}"), "timeout": 600 });
    let call = json!({ "name": "execute_command", "arguments": arguments });
    let connection = server.begin("tools/call", call);
    until("the sleep", || is_asleep(&mark));
    drop(connection);
    until("the end of the sleep", || alive_with(&mark).is_empty());
    server.assert_alive();
}

#[test]
fn a_taken_operations_port_does_not_stop_stdio() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut server = Setup::default()
        .arguments(&["--ops", &address])
        .stdio(Era::Modern);
    server.assert_alive();
    assert!(
        server.process.errors().contains(&address),
        "{}",
        server.process.errors()
    );
}

#[test]
fn what_was_sent_over_http_before_the_stop_is_answered() {
    for _ in 0..3 {
        let mut server = Setup::default().http();
        // It finds the requests and the signal at once.
        server.process.signal(Signal::STOP);
        let call = json!({ "name": "get_env_var", "arguments": { "name": "PATH" } });
        let calls = [0; 6].map(|_| server.begin("tools/call", call.clone()));
        let openings = [0; 6].map(|_| server.begin_session());
        server.process.signal(Signal::TERM);
        server.process.signal(Signal::CONT);
        for (mut stream, said) in calls
            .into_iter()
            .map(|call| (call, "\"structuredContent\""))
            .chain(openings.map(|opening| (opening, "\"serverInfo\"")))
        {
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
            assert!(answer.contains(said), "{answer:?}");
        }
        assert_eq!(server.process.ended_within(BUSY), Ended::Exited(0));
    }
}
