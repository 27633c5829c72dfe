//! Lines on standard input that no client should send. The server answers what it can by its id
//! and lives on.

use mcp_tests::{Era, Peer, Reply, Setup, Stdio};
use serde_json::json;

/// JSON-RPC's own codes (JSON-RPC 2.0, section 5.1).
const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;

fn start() -> [Stdio; 2] {
    [Era::Legacy, Era::Modern].map(|era| Setup::default().stdio(era))
}

#[test]
fn lines_that_are_no_messages_are_survived() {
    let deep = "[".repeat(5000);
    for mut server in start() {
        for line in [
            &b"garbage"[..],
            b"",
            b"\xff\xfe\x00\x80",
            b"{\"jsonrpc\":\"2.0\"",
            b"null",
            b"[]",
            b"{}",
            b"{\"jsonrpc\":\"1.0\",\"id\":null,\"method\":5}",
            b"\"text\"",
            b"\0\0\0",
            deep.as_bytes(),
            deep.replace('[', "{\"a\":").as_bytes(),
        ] {
            server.write(line);
            server.write(b"\n");
            server.assert_alive();
        }
    }
}

#[test]
fn a_request_that_cannot_be_read_is_answered_by_its_id() {
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    for (name, text) in [("deep", deep.as_bytes()), ("not UTF-8", b"\"\xff\xfe\"")] {
        for mut server in start() {
            server.write(b"{\"jsonrpc\":\"2.0\",\"id\":777,\"method\":\"tools/call\",");
            server.write(b"\"params\":{\"name\":\"analyze_text\",\"arguments\":{\"text\":");
            server.write(text);
            server.write(b"}}}\n");
            assert!(server.answer(777).is_err(), "{name}");
            server.assert_alive();
        }
    }
}

#[test]
fn unknown_methods_and_tools_are_protocol_errors() {
    for mut server in start() {
        let code = |answer: mcp_tests::Answer| answer.unwrap_err().code;
        assert_eq!(code(server.request("no/such", json!({}))), METHOD_NOT_FOUND);
        let call = json!({ "name": "no_such_tool", "arguments": {} });
        assert_eq!(code(server.request("tools/call", call)), INVALID_PARAMS);
        let nameless = json!({ "arguments": {} });
        assert!(server.request("tools/call", nameless).is_err());
        server.assert_alive();
    }
}

#[test]
fn a_call_before_initialize_is_not_run() {
    let mut server = Setup::default().stdio_unopened(Era::Legacy);
    let early = server.send_call(
        "write_file_secure",
        &json!({ "path": "early", "content": "x" }),
    );
    assert!(server.answer(early).is_err());
    assert!(!server.stage.path("root/early").exists());
}

#[test]
fn an_id_that_is_used_again_confuses_only_who_uses_it() {
    let mut server = Setup::default().stdio(Era::Legacy);
    for text in ["one", "two"] {
        server.send_line(&json!({
            "jsonrpc": "2.0", "id": "same", "method": "tools/call",
            "params": { "name": "analyze_text", "arguments": { "text": text } },
        }));
    }
    server.assert_alive();
    server.close_input();
    // The protocol forbids it (2025-11-25, Base Protocol, Requests), so one answer is enough.
    let rest = server.rest();
    assert!(
        rest.iter().any(|message| message["id"] == "same"),
        "{rest:?}"
    );
}

#[test]
fn a_line_of_two_hundred_megabytes_costs_no_memory() {
    const LINE: usize = 200_000_000;
    const LIMIT: u64 = 100_000_000;
    for mut server in start() {
        server.write(b"{\"jsonrpc\":\"2.0\",\"id\":888,\"method\":\"tools/call\",\"params\":\"");
        let part = vec![b'x'; 1_000_000];
        for _ in 0..LINE / part.len() {
            server.write(&part);
        }
        server.write(b"\"}\n");
        let failure = server.answer(888).unwrap_err();
        assert!(
            failure.message.contains("longer than 16777216 bytes"),
            "{failure:?}"
        );
        server.assert_alive();
        let memory = server.process.memory();
        assert!(memory.peak < LIMIT, "{memory:?}");
    }
}

#[test]
fn a_message_of_just_under_the_limit_is_read() {
    let mut server = Setup::default().stdio(Era::Modern);
    let text = "x".repeat(9_999_999);
    let counted = server.succeed("analyze_text", json!({ "text": text }));
    assert_eq!(counted["bytes"], 9_999_999);
}

#[test]
fn an_unread_answer_does_not_stop_other_calls() {
    let mut server = Setup::unlimited().stdio(Era::Legacy);
    // More than a pipe holds, so the server must wait with writing, not with working.
    let calls: Vec<u64> = (0..200)
        .map(|_| server.send_call("list_processes", &json!({})))
        .collect();
    for call in calls {
        assert!(!Reply::new(server.answer(call)).is_error());
    }
}
