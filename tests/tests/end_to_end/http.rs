//! Streamable HTTP: who is let in, what is refused, and what the operator sees.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;

use mcp_tests::{Ended, Http, HttpAnswer, PATIENCE, Peer, Setup};
use serde_json::json;

use crate::samples::text;

/// Status of a well-formed `tools/list` with further fields in its head.
fn status(server: &mut Http, fields: &str) -> u16 {
    let (head, body) = server.post("tools/list", json!({}));
    server.exchange(&(head + fields), &body).status
}

#[test]
fn only_callers_with_the_token_are_served() {
    let mut server = Setup::default().http();
    let right = server.authorization();
    assert_eq!(status(&mut server, &right), 200);
    for wrong in [
        "",
        "Authorization: Bearer wrong\n",
        "Authorization: Bearer\n",
        "Authorization: Basic dXNlcjpwYXNz\n",
        &right.to_lowercase().replace("bearer ", "bearer x"),
        &right.replace("Bearer ", ""),
        &format!("{right}{right}"),
    ] {
        let (head, body) = server.post("tools/list", json!({}));
        let answer = server.exchange(&(head + wrong), &body);
        let challenge = answer
            .header("www-authenticate")
            .unwrap_or_default()
            .to_owned();
        assert_eq!(
            (answer.status, challenge.as_str()),
            (401, "Bearer realm=\"mcp\""),
            "{wrong}"
        );
        assert!(!answer.text().contains(&server.token.as_ref().unwrap().0));
    }
}

#[test]
fn there_is_nothing_at_other_paths() {
    let mut server = Setup::default().http();
    let token = server.authorization();
    let (head, body) = server.post("tools/list", json!({}));
    for path in ["/", "/mcp/", "/mcpx", "/mcp/x", "//mcp", "/MCP"] {
        let known = server.exchange_at(path, &format!("{head}{token}"), &body);
        assert_eq!(known.status, 404, "{path}");
        let stranger = server.exchange_at(path, &head, &body);
        assert_eq!(stranger.status, 401, "{path}");
    }
    let right = server.exchange_at("/mcp?x=1", &format!("{head}{token}"), &body);
    assert_eq!(right.status, 200);
}

#[test]
fn foreign_hosts_and_origins_are_turned_away() {
    let mut server = Setup::default().http();
    let token = server.authorization();
    let port = server.address.port();
    let mut check = |field: &str, expected: u16| {
        assert_eq!(
            status(&mut server, &format!("{token}{field}\n")),
            expected,
            "{field}"
        );
    };
    check(&format!("Host: localhost:{port}"), 200);
    check("Host: evil.example", 403);
    check(&format!("Host: evil.example:{port}"), 403);
    check(
        &format!("Host: localhost:{port}\nHost: localhost:{port}"),
        400,
    );
    check("Host: localhost\nhost: evil.example", 400);
    check("Host: ", 400);
    check("Origin: https://evil.example", 403);
    check("Origin: null", 403);
    check("Origin: http://localhost:1", 403);
    check(&format!("Origin: https://localhost:{port}"), 403);
}

#[test]
fn what_is_announced_is_served() {
    for listen in ["0.0.0.0:0", "127.0.0.2:0"] {
        let mut server = Setup::default().http_at(listen);
        assert!(!server.address.ip().is_unspecified(), "{}", server.address);
        let token = server.authorization();
        assert_eq!(status(&mut server, &token), 200, "{listen}");
    }
}

#[test]
fn a_check_makes_no_token() {
    let elsewhere = Setup::default().stage;
    let file = elsewhere.path("home/state/token");
    let (ended, output, errors) = Setup::default()
        .variable("OMNIPOTENT_HTTP__TOKEN_FILE", &text(file.clone()))
        .arguments(&["--http", "127.0.0.1:0", "--check"])
        .run();
    assert_eq!((ended, errors.as_str()), (Ended::Exited(0), ""));
    assert!(
        output.starts_with("the configuration is valid\n"),
        "{output}"
    );
    assert!(!file.try_exists().unwrap(), "the token was made");
}

#[test]
fn without_a_token_only_loopback_is_served() {
    let mut open = Setup::default().http_without_token();
    assert_eq!(status(&mut open, ""), 200);
    let exposed = Setup::default().arguments(&["--http", "0.0.0.0:0", "--no-auth"]);
    let (ended, output, errors) = exposed.run();
    assert_ne!(ended, Ended::Exited(0));
    assert_eq!(output, "");
    assert!(
        errors.contains("--no-auth") && errors.contains("loopback only"),
        "{errors}"
    );
}

#[test]
fn the_token_stays_in_its_file() {
    let mut server = Setup::default().http();
    let (token, file) = server.token.clone().unwrap();
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o7777,
        0o600
    );
    assert_eq!(file, server.stage.path("home/state/omnipotent-mcp/token"));
    for (tool, arguments) in [
        (
            "execute_command",
            json!({ "command": format!("cat {0}; env; rev {0} | rev", text(file)) }),
        ),
        ("health_check", json!({})),
        ("system_info", json!({})),
        ("list_processes", json!({})),
        ("get_metrics", json!({})),
    ] {
        let reply = server.call(tool, arguments);
        assert!(!reply.text().contains(&token), "{tool} shows it");
    }
    for page in ["/metrics", "/healthz", "/readyz", "/mcp", "/"] {
        assert!(
            !server.get_ops(page).text().contains(&token),
            "{page} shows it"
        );
    }
    assert!(!server.process.errors().contains(&token));
}

#[test]
fn a_token_file_is_used_again_and_must_be_private() {
    let setup = Setup::default();
    let file = setup
        .stage
        .file("mine", "0123456789abcdef0123456789abcdef\n");
    let path = text(file.clone());
    let mode =
        |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o600);
    let setup = setup.variable("OMNIPOTENT_HTTP__TOKEN_FILE", &path);
    let mut server = setup.http();
    assert_eq!(
        server.token.as_ref().unwrap().0,
        "0123456789abcdef0123456789abcdef"
    );
    server.assert_alive();

    let setup = Setup::default().variable("OMNIPOTENT_HTTP__TOKEN_FILE", &path);
    let (_, printed, _) = setup.arguments(&["--print-config"]).run();
    assert!(
        printed.contains(&path) && !printed.contains("0123456789abcdef"),
        "{printed}"
    );

    mode(0o644);
    let setup = Setup::default().variable("OMNIPOTENT_HTTP__TOKEN_FILE", &path);
    let (ended, _, errors) = setup.arguments(&["--http", "127.0.0.1:0"]).run();
    assert_ne!(ended, Ended::Exited(0));
    assert!(
        errors.contains(&path) && !errors.contains("0123456789abcdef"),
        "{errors}"
    );
}

#[test]
fn the_modern_era_has_no_streams_and_no_sessions() {
    let server = Setup::default().http_without_token();
    let modern = "Accept: application/json, text/event-stream\nMCP-Protocol-Version: 2026-07-28\n";
    for method in ["GET", "DELETE"] {
        assert_eq!(
            server.exchange(&format!("{method}\n{modern}"), b"").status,
            405,
            "{method}"
        );
    }
}

/// What a client of the legacy era sends in every request's head.
const LEGACY: &str =
    "POST\nContent-Type: application/json\nAccept: application/json, text/event-stream\n";

/// Opens a session of the legacy era.
fn open_session(server: &Http) -> HttpAnswer {
    let opening = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": { "name": "mcp-tests", "version": "1" },
        },
    });
    server.exchange(LEGACY, opening.to_string().as_bytes())
}

#[test]
fn a_session_of_the_legacy_era_is_opened_used_and_closed() {
    let server = Setup::default().http_without_token();
    let welcome = open_session(&server);
    let session = welcome.header("mcp-session-id").unwrap();
    let head = format!("{LEGACY}Mcp-Session-Id: {session}\nMCP-Protocol-Version: 2025-11-25\n");
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(
        server.exchange(&head, ready.to_string().as_bytes()).status,
        202
    );
    let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" }).to_string();
    let listed = server.exchange(&head, list.as_bytes()).messages();
    let answer = listed.iter().find(|message| message["id"] == 2).unwrap();
    assert_eq!(answer["result"]["tools"].as_array().unwrap().len(), 14);
    let leave = head.replacen("POST", "DELETE", 1);
    assert!([200, 202, 204].contains(&server.exchange(&leave, b"").status));
    assert_eq!(server.exchange(&head, list.as_bytes()).status, 404);
}

#[test]
fn sessions_are_bounded_and_do_not_shut_out_the_modern_era() {
    let setup = Setup::default().variable("OMNIPOTENT_HTTP__MAX_SESSIONS", "2");
    let mut server = setup.http_without_token();
    let opened: Vec<u16> = (0..3).map(|_| open_session(&server).status).collect();
    assert_eq!(opened, [200, 200, 503]);
    server.assert_alive();
}

#[test]
fn a_body_past_sixteen_mebibytes_is_too_large() {
    let mut server = Setup::default().http();
    let token = server.authorization();
    let (head, _) = server.post("tools/list", json!({}));
    let body = vec![b' '; 16 * 1024 * 1024 + 1];
    assert_eq!(server.exchange(&(head + &token), &body).status, 413);
    server.assert_alive();
}

#[test]
fn bodies_that_are_no_requests_are_refused() {
    let mut server = Setup::default().http_without_token();
    let (head, _) = server.post("tools/list", json!({}));
    let deep = "[".repeat(5000);
    for body in [
        &b"garbage"[..],
        b"{}",
        b"[]",
        b"null",
        b"\xff\xfe",
        deep.as_bytes(),
    ] {
        let status = server.exchange(&head, body).status;
        assert!(
            (400..500).contains(&status),
            "{status} for {}",
            String::from_utf8_lossy(body)
        );
    }
    server.assert_alive();
}

#[test]
fn a_body_that_does_not_come_ends_its_request() {
    let setup = Setup::default().variable("OMNIPOTENT_HTTP__BODY_TIMEOUT", "50ms");
    let mut server = setup.http();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000\r\n{}\r\n\r\n",
        server.address,
        server.authorization().trim_end()
    );
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let mut status = String::new();
    BufReader::new(stream).read_line(&mut status).unwrap();
    assert_eq!(status, "HTTP/1.1 408 Request Timeout\r\n");
    server.assert_alive();
}
