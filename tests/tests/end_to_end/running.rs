//! Sub-commands that ask a running server: `health` and `attach`.

use std::time::Duration;

use mcp_tests::{
    Ended, Era, Http, PATIENCE, Peer, Reply, Setup, Signal, Stdio, alive_with, mark, until,
};
use serde_json::{Value, json};

/// A bridge with nothing to wait for ends within this.
const IDLE: Duration = Duration::from_secs(3);

/// What a process is started with to find the server.
fn beside(server: &Http) -> Setup {
    let setup = Setup::bare().arguments(&["--http", &server.address.to_string()]);
    match &server.token {
        Some((_, file)) => setup.variable("OMNIPOTENT_HTTP__TOKEN_FILE", file.to_str().unwrap()),
        None => setup,
    }
}

/// A client on standard input and output of a bridge to the server.
fn attached(server: &Http, era: Era) -> Stdio {
    beside(server).arguments(&["attach"]).stdio(era)
}

#[test]
fn health_says_whether_the_server_lives_and_serves() {
    let server = Setup::default().http();
    let ask = |server: &Http, more: &[&str]| {
        let ops = server.ops.to_string();
        let ask = beside(server).arguments(&["--ops", &ops, "health"]);
        ask.arguments(more).run()
    };
    let (ended, said, _) = ask(&server, &[]);
    assert_eq!(ended, Ended::Exited(0));
    assert_eq!(said, format!("ok: http://{}/healthz\n", server.ops));
    let (ended, said, _) = ask(&server, &["--ready"]);
    assert_eq!(ended, Ended::Exited(0));
    assert!(said.ends_with("/readyz\n"), "{said}");

    server.process.signal(Signal::STOP);
    let (ended, _, errors) = ask(&server, &[]);
    server.process.signal(Signal::CONT);
    assert_eq!(ended, Ended::Exited(1));
    assert!(errors.contains("does not answer within"), "{errors}");

    server.process.signal(Signal::KILL);
    until("the end of the server", || {
        ask(&server, &[]).2.contains("cannot connect")
    });
    assert_eq!(ask(&server, &[]).0, Ended::Exited(1));
}

#[test]
fn health_and_attach_say_what_is_not_configured() {
    let (ended, _, errors) = Setup::bare().arguments(&["health"]).run();
    assert_eq!(ended, Ended::Exited(1));
    assert!(errors.contains("set ops.listen or http.listen"), "{errors}");
    let (ended, _, errors) = Setup::bare().arguments(&["attach"]).run();
    assert_eq!(ended, Ended::Exited(1));
    assert!(errors.contains("set http.listen"), "{errors}");
    let without_token = Setup::bare().arguments(&["--http", "127.0.0.1:9", "attach"]);
    let (ended, _, errors) = without_token.run();
    assert_eq!(ended, Ended::Exited(1));
    assert!(errors.contains("there is no token in"), "{errors}");
    let nobody = Setup::bare().arguments(&["--http", "127.0.0.1:9", "--no-auth", "attach"]);
    let (ended, _, errors) = nobody.run();
    assert_eq!(ended, Ended::Exited(1));
    assert!(errors.contains("no server runs there"), "{errors}");
}

#[test]
fn calls_through_a_bridge_are_those_of_the_running_server() {
    let mut server = Setup::default().http();
    let tools = server.tools();
    for (era, name) in [(Era::Legacy, "a.txt"), (Era::Modern, "b.txt")] {
        let mut client = attached(&server, era);
        assert_eq!(client.tools(), tools);
        let file = json!({ "path": name, "content": "müde\n" });
        client.succeed("write_file_secure", file);
        let path = server.stage.path(&format!("root/{name}"));
        assert_eq!(std::fs::read_to_string(path).unwrap(), "müde\n");
        let refused = client.refused("read_file_secure", json!({ "path": "/etc/shadow" }));
        assert_eq!(refused["code"], "path_denied");
        let unknown = client.request("tools/call", json!({ "name": "nobody", "arguments": {} }));
        assert_eq!(unknown.unwrap_err().code, -32602);
    }
    let metrics = server.get_ops("/metrics").text();
    let refusals = r#"mcp_security_blocks_total{reason="path_denied"} 2"#;
    assert!(metrics.contains(refusals), "{metrics}");
}

#[test]
fn large_messages_go_through_a_bridge() {
    let server = Setup::default().http();
    let content = "0123456789abcde\n".repeat(64 * 1024);
    for era in [Era::Legacy, Era::Modern] {
        let mut client = attached(&server, era);
        let file = json!({ "path": "large.txt", "content": content });
        client.succeed("write_file_secure", file);
        let read = json!({ "path": "large.txt", "max_bytes": 10_000_000 });
        let read = client.call("read_file_secure", read);
        assert!(!read.is_error(), "{:.300}", read.text());
        assert!(read.text().len() > 64 * 1024);
    }
}

#[test]
fn a_bridge_runs_calls_beside_each_other_and_passes_progress_on() {
    let server = Setup::default().http();
    for era in [Era::Legacy, Era::Modern] {
        let mut client = attached(&server, era);
        let slow = client.send(
            "tools/call",
            json!({
                "name": "execute_command",
                "arguments": { "command": "sleep 2.5" },
                "_meta": { "progressToken": "mine" },
            }),
        );
        client.assert_alive();
        let told_before: Vec<Value> = client.others();
        assert!(told_before.len() < 2, "the cheap call came first");
        Reply::new(client.answer(slow)).content();
        let told = client.others();
        assert!(!told.is_empty());
        for notification in told {
            assert_eq!(notification["method"], "notifications/progress");
        }
    }
}

#[test]
fn a_call_cancelled_through_a_bridge_ends_its_command() {
    let server = Setup::default().http();
    for era in [Era::Legacy, Era::Modern] {
        let mut client = attached(&server, era);
        let mark = mark();
        let command = json!({ "command": format!("sleep {mark}"), "timeout": 600 });
        let call = client.send_call("execute_command", &command);
        until("the sleep", || !alive_with(&mark).is_empty());
        client.notify("notifications/cancelled", &json!({ "requestId": call }));
        until("the end of the sleep", || alive_with(&mark).is_empty());
        client.assert_alive();
    }
}

#[test]
fn a_bridge_ends_with_its_input_and_takes_its_calls_along() {
    let server = Setup::default().http();
    for era in [Era::Legacy, Era::Modern] {
        let mut idle = attached(&server, era);
        idle.assert_alive();
        idle.close_input();
        assert_eq!(idle.process.ended_within(IDLE), Ended::Exited(0));

        let mut busy = attached(&server, era);
        let mark = mark();
        let command = json!({ "command": format!("sleep {mark}"), "timeout": 600 });
        busy.send_call("execute_command", &command);
        until("the sleep", || !alive_with(&mark).is_empty());
        busy.close_input();
        assert_eq!(busy.process.ended_within(IDLE), Ended::Exited(0));
        until("the end of the sleep", || alive_with(&mark).is_empty());
    }
}

#[test]
fn a_whole_conversation_may_be_piped_through_a_bridge() {
    let server = Setup::default().http();
    let mut client = beside(&server)
        .arguments(&["attach"])
        .variable("OMNIPOTENT_TRANSPORT__STOP_GRACE", "10s")
        .stdio_unopened(Era::Legacy);
    // The server takes its time, as on a machine that does much else.
    server.process.signal(Signal::STOP);
    client.send_opening();
    let call = client.send_call("health_check", &json!({}));
    client.close_input();
    std::thread::sleep(Duration::from_millis(500));
    server.process.signal(Signal::CONT);
    assert!(client.answer(call).is_ok());
    assert_eq!(client.process.ended_within(PATIENCE), Ended::Exited(0));
}

#[test]
fn what_cannot_be_read_is_answered_and_the_bridge_goes_on() {
    let server = Setup::default().http();
    let mut client = attached(&server, Era::Modern);
    client.write(
        b"no JSON\n\n{\"jsonrpc\":\"2.0\",\"id\":77,\"method\":\"tools/call\",\"params\":{\n",
    );
    let refusal = client.response(77);
    assert!(refusal["error"]["message"].is_string(), "{refusal}");
    client.assert_alive();
}

#[test]
fn a_session_that_the_server_forgot_is_opened_again() {
    let server = Setup::default()
        .variable("OMNIPOTENT_HTTP__SESSION_IDLE", "300ms")
        .http();
    let mut client = attached(&server, Era::Legacy);
    client.assert_alive();
    std::thread::sleep(Duration::from_secs(1));
    client.assert_alive();
    client.assert_alive();
}

#[test]
fn callers_hear_when_the_server_behind_a_bridge_is_gone() {
    for era in [Era::Legacy, Era::Modern] {
        let mut server = Setup::default().http();
        let mut client = attached(&server, era);
        let call = client.send_call("execute_command", &json!({ "command": "sleep 60" }));
        until("the call", || {
            server
                .get_ops("/metrics")
                .text()
                .contains("mcp_calls_in_flight 1")
        });
        server.process.signal(Signal::KILL);
        assert!(client.answer(call).is_err(), "{era:?}");
        server.process.ended_within(PATIENCE);
        let next = client.request("tools/list", json!({})).unwrap_err();
        assert!(next.message.contains("cannot connect"), "{next:?}");
    }
}
