//! Clients that do not read what they asked for, or do not finish what they began to send: they
//! keep nothing and nobody waiting for ever.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use mcp_tests::{Ended, Era, Peer, Setup, Signal, Stdio, alive_with, mark, until};
use serde_json::json;

/// A server ends within this, whatever it is doing.
const SOON: Duration = Duration::from_millis(700);

/// A server that waits for its client to read a page of a megabyte.
fn with_an_unread_page(mut server: Stdio) -> Stdio {
    let line = "a line of forty characters, all of them\n";
    server.stage.file("root/large", line.repeat(25_000));
    let page = json!({ "path": "large", "max_bytes": 1_000_000 });
    server.send_call("read_file_secure", &page);
    server
}

#[test]
fn a_call_is_cancelled_although_its_progress_is_not_read() {
    let mut server = Setup::default().stdio(Era::Legacy);
    let mark = mark();
    let call = server.send(
        "tools/call",
        json!({
            "name": "execute_command",
            "arguments": { "command": format!("sleep {mark}"), "timeout": 600 },
            "_meta": { "progressToken": "unread" },
        }),
    );
    until("the sleep", || !alive_with(&mark).is_empty());
    let mut server = with_an_unread_page(server);
    // By now an update waits behind the page.
    let began = std::time::Instant::now();
    until("progress", || began.elapsed() > Duration::from_secs(2));
    server.notify("notifications/cancelled", &json!({ "requestId": call }));
    until("the end of the sleep", || alive_with(&mark).is_empty());
}

#[test]
fn the_end_of_input_is_seen_while_nothing_is_read() {
    for era in [Era::Legacy, Era::Modern] {
        let server = Setup::unlimited().stdio(era);
        let mut server = with_an_unread_page(server);
        for _ in 0..6 {
            server = with_an_unread_page(server);
        }
        // Fills the pipe behind what the server does not read any more.
        for _ in 0..100 {
            server.send_call("analyze_text", &json!({ "text": "unread" }));
        }
        server.close_input();
        assert_eq!(
            server.process.ended_within(SOON),
            Ended::Exited(0),
            "{era:?}"
        );
    }
}

#[test]
fn a_client_that_does_not_read_loses_its_place() {
    let setup = Setup::unlimited()
        .variable("OMNIPOTENT_HTTP__MAX_CONNECTIONS", "1")
        .variable("OMNIPOTENT_HTTP__WRITE_TIMEOUT", "100ms");
    // More than the kernel keeps for a connection.
    setup.stage.file("root/large", vec![b'x'; 7_000_000]);
    let mut server = setup.http_without_token();
    let page = json!({ "path": "large", "max_bytes": 7_000_000 });
    let call = json!({ "name": "read_file_secure", "arguments": page });
    let unread = server.begin("tools/call", call);
    server.assert_alive();
    drop(unread);
}

#[test]
fn a_signal_ends_a_server_whose_connections_are_all_taken() {
    let setup = Setup::default().variable("OMNIPOTENT_HTTP__MAX_CONNECTIONS", "2");
    let mut server = setup.http_without_token();
    let stuck = |text: &str| {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream
    };
    let _head = stuck("POST /mcp HTTP/1.1\r\nHost: loc");
    let _body = stuck(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nContent-Length: 100\r\n\r\n{",
    );
    let _waiting = stuck("POST /mcp HTTP/1.1\r\n");
    server.process.signal(Signal::TERM);
    assert_eq!(server.process.ended_within(SOON), Ended::Exited(0));
}

#[test]
fn a_log_that_nobody_reads_keeps_no_call_waiting() {
    let setup = Setup::unlimited().variable("OMNIPOTENT_LOG__LEVEL", "debug");
    let mut server = setup.stdio(Era::Modern);
    server.process.leave_errors_unread();
    // Each leaves a line; together they are several times what a pipe holds.
    let long = format!("missing/{}", "long".repeat(100));
    for _ in 0..1000 {
        let refused = server.call("read_file_secure", json!({ "path": long }));
        assert!(refused.is_error());
    }
    server.process.read_errors();
    until("the notice", || {
        server.call("read_file_secure", json!({ "path": long }));
        server
            .process
            .errors()
            .contains(" lines of the log were dropped")
    });
}
