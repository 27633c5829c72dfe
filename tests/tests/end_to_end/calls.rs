//! Every tool, called on every transport.

use std::collections::HashMap;
use std::time::Duration;

use jsonschema::draft202012;
use mcp_tests::{Era, Peer, Reply, Setup, Stage};
use serde_json::{Value, json};

use crate::samples::{Props, TOOLS};

/// Calls every tool and compares its reply with what it publishes and with its text.
fn check(server: &mut impl Peer, props: &Props) {
    let schemas: HashMap<String, Value> = server
        .tools()
        .into_iter()
        .map(|tool| {
            (
                tool["name"].as_str().unwrap().to_owned(),
                tool["outputSchema"].clone(),
            )
        })
        .collect();
    for tool in TOOLS {
        let reply = server.call(tool, props.arguments(tool));
        let twin: Value = serde_json::from_str(reply.text()).unwrap();
        let content = reply.content();
        assert_eq!(content, twin, "{tool}");
        let schema = draft202012::new(&schemas[tool]).unwrap();
        let faults: Vec<_> = schema
            .iter_errors(&content)
            .map(|fault| format!("{}: {fault}", fault.instance_path()))
            .collect();
        assert_eq!(faults, Vec::<String>::new(), "{tool}");
    }
}

fn prepare() -> (Setup, Props) {
    let setup = Setup::default().with_loopback();
    let props = Props::on(&setup.stage);
    (setup, props)
}

#[test]
fn every_tool_keeps_its_promise_on_legacy_stdio() {
    let (setup, props) = prepare();
    check(&mut setup.stdio(Era::Legacy), &props);
}

#[test]
fn every_tool_keeps_its_promise_on_modern_stdio() {
    let (setup, props) = prepare();
    check(&mut setup.stdio(Era::Modern), &props);
}

#[test]
fn every_tool_keeps_its_promise_on_http() {
    let (setup, props) = prepare();
    check(&mut setup.http(), &props);
}

#[test]
fn a_long_command_tells_its_progress() {
    for era in [Era::Legacy, Era::Modern] {
        let mut server = Setup::default().stdio(era);
        let call = server.send(
            "tools/call",
            json!({
                "name": "execute_command",
                "arguments": { "command": "echo start; sleep 2.5" },
                "_meta": { "progressToken": "mine" },
            }),
        );
        Reply::new(server.answer(call)).content();
        let told: Vec<f64> = server.others().iter().map(progress_of_mine).collect();
        assert!(told.len() >= 2, "{told:?}");
        assert!(
            told.is_sorted_by(|before, after| before < after),
            "{told:?}"
        );
    }
}

fn progress_of_mine(notification: &Value) -> f64 {
    assert_eq!(notification["method"], "notifications/progress");
    assert_eq!(notification["params"]["progressToken"], "mine");
    notification["params"]["progress"].as_f64().unwrap()
}

#[test]
fn progress_reaches_callers_on_http_too() {
    let mut server = Setup::default().http_without_token();
    let (head, body) = server.post(
        "tools/call",
        json!({
            "name": "execute_command",
            "arguments": { "command": "sleep 2.5" },
            "_meta": { "progressToken": "mine" },
        }),
    );
    let mut messages = server.exchange(&head, &body).messages();
    let answer = messages.pop().unwrap();
    assert_eq!(answer["result"]["isError"], false);
    let told: Vec<f64> = messages.iter().map(progress_of_mine).collect();
    assert!(told.len() >= 2, "{told:?}");
    assert!(
        told.is_sorted_by(|before, after| before < after),
        "{told:?}"
    );
}

#[test]
fn nobody_is_told_progress_without_asking() {
    let mut server = Setup::default().stdio(Era::Modern);
    server.succeed("execute_command", json!({ "command": "sleep 1.2" }));
    assert_eq!(server.others(), Vec::<Value>::new());
}

#[test]
fn sixty_four_calls_at_once_are_all_answered() {
    let mut server = Setup::default().stdio(Era::Legacy);
    let calls: Vec<(u64, String)> = (0..64)
        .map(|number| {
            let command = json!({ "command": format!("sleep 0.1; echo {number}") });
            (
                server.send_call("execute_command", &command),
                format!("{number}\n"),
            )
        })
        .collect();
    for (id, printed) in calls {
        assert_eq!(Reply::new(server.answer(id)).content()["stdout"], printed);
    }
}

#[test]
fn a_cheap_call_does_not_wait_for_a_long_one() {
    let mut server = Setup::default().stdio(Era::Modern);
    let long = server.send_call(
        "execute_command",
        &json!({ "command": "sleep 2; echo done" }),
    );
    let started = std::time::Instant::now();
    server.succeed("analyze_text", json!({ "text": "quick" }));
    assert!(started.elapsed() < Duration::from_secs(1));
    assert_eq!(
        Reply::new(server.answer(long)).content()["stdout"],
        "done\n"
    );
}

#[test]
fn the_hundred_and_first_call_in_a_minute_is_refused() {
    let mut server = Setup::default().stdio(Era::Modern);
    let mut calls: Vec<u64> = (0..101)
        .map(|_| server.send_call("get_env_var", &json!({ "name": "LANG" })))
        .collect();
    let last = calls.pop().unwrap();
    for call in calls {
        Reply::new(server.answer(call)).content();
    }
    let refusal = Reply::new(server.answer(last)).error();
    assert_eq!(
        (&refusal["code"], &refusal["limit"]),
        (&json!("rate_limited"), &json!(100))
    );
    let wait = refusal["retry_after_ms"].as_u64().unwrap();
    assert!((1..=600).contains(&wait), "{refusal}");
}

#[test]
fn callers_can_read_only_harmless_variables() {
    let setup = Setup::default().variable("CANARY_TOKEN", "canary-secret-value");
    let mut server = setup.variable("LANG", "C.UTF-8").stdio(Era::Modern);
    let mut value = |name: &str| {
        let found = server.succeed("get_env_var", json!({ "name": name, "default": "unset" }));
        found["value"].as_str().unwrap().to_owned()
    };
    assert_eq!(value("LANG"), "C.UTF-8");
    assert_eq!(
        (value("CANARY_TOKEN"), value("NO_SUCH")),
        ("unset".into(), "unset".into())
    );
}

#[test]
fn secrets_of_the_environment_are_masked_in_replies() {
    let setup = Setup::default().variable("CANARY_TOKEN", "canary-secret-value");
    write_secret(&setup.stage);
    let mut server = setup.stdio(Era::Modern);
    let reply = server.call("read_file_secure", json!({ "path": "notes.txt" }));
    assert!(
        !reply.text().contains("canary-secret-value"),
        "{}",
        reply.text()
    );
}

fn write_secret(stage: &Stage) {
    stage.file(
        "root/notes.txt",
        "the token is canary-secret-value, keep it\n",
    );
}
