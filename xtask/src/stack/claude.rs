//! The servers as clients reach them: through `docker exec`, and over HTTP on loopback.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Stack;
use super::containers::{PATIENCE, SERVERS, attach, until};
use super::{alerts, place};
use crate::bench::session::Session;
use crate::judge::tools::Tools;
use crate::{http, process};

/// For one client to do all that it does.
const CLIENT_LIMIT: Duration = Duration::from_mins(2);
const HTTP_LIMIT: Duration = Duration::from_secs(5);
const UNAUTHORIZED: u16 = 401;

/// What a command may reach of what is in the container: its workspace, but neither the token nor the audit.
const COMMAND: &str = "id -u; echo made > made && cat made; cat /run/secrets/omnipotent-token; \
    cat /var/lib/omnipotent-mcp/audit.jsonl; touch /var/lib/omnipotent-mcp/x || echo kept out";

pub(super) fn commands_keep_to_their_place(stack: &Stack<'_>) -> Result<()> {
    let mut client = open(stack, SERVERS[0])?;
    let ran = client.answer("execute_command", &json!({ "command": COMMAND }))?;
    let said = ran.get("stdout").and_then(Value::as_str);
    ensure!(
        said == Some("10001\nmade\nkept out\n"),
        "a command says {ran}"
    );
    Ok(())
}

/// The snippets of `deploy/claude/docker.json`: Claude Code connects with them, the Python SDK calls every
/// tool of the server that remembers with them, and what is called is in the container's audit and metrics.
pub(super) fn snippets_work(stack: &Stack<'_>) -> Result<()> {
    let text = fs::read_to_string(stack.place.deploy.join("claude/docker.json"))?;
    let snippets: Value = serde_json::from_str(&text)?;
    let snippets = snippets.get("mcpServers").and_then(Value::as_object);
    let snippets = snippets.context("docker.json names no servers")?;
    ensure!(snippets.len() == SERVERS.len(), "a server has no snippet");
    let home = stack.workspace.target()?.join("judge");
    let tools = Tools::install(&stack.workspace.root.join("xtask/judges"), &home)?;
    let config = stack.place.deploy.with_file_name("claude");
    fs::create_dir_all(&config)?;
    for (name, snippet) in snippets {
        let snippet = snippet.to_string();
        let mut add = claude(stack, &tools, &config);
        add.args(["mcp", "add-json", "--scope", "user", name, &snippet]);
        process::output_logged(&mut add, CLIENT_LIMIT, &stack.place.log)?;
    }
    let mut list = claude(stack, &tools, &config);
    let listed =
        process::output_logged(list.args(["mcp", "list"]), CLIENT_LIMIT, &stack.place.log)?;
    let connected = listed.lines().filter(|line| line.contains("Connected"));
    ensure!(
        connected.count() == SERVERS.len(),
        "Claude Code says {listed}"
    );
    python(stack, &tools)?;

    open(stack, SERVERS[0])?.answer("system_info", &json!({}))?;
    let (container, program) = SERVERS[0];
    let tail = ["exec", container, program, "audit", "tail", "-n", "1"];
    let record = stack.engine.ask(&tail)?;
    ensure!(
        record.contains("system_info"),
        "the last record is {record}"
    );
    let counted = "sum(mcp_server_operation_duration_seconds_count\
        {job=\"omnipotent-mcp\",gen_ai_tool_name=\"system_info\"})";
    until("the call in the metrics", PATIENCE, || {
        Ok(alerts::query(stack, counted)?.contains("=> 1 "))
    })?;
    Ok(())
}

/// The Python SDK in both eras; in the first one it calls every tool of the server that remembers.
fn python(stack: &Stack<'_>, tools: &Tools) -> Result<()> {
    let environment = stack.engine.environment().into_iter();
    let environment: Vec<String> = environment
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let (container, program) = SERVERS[1];
    let script = format!(
        "#!/bin/sh\nexec env {} docker exec -i {container} {program} attach\n",
        environment.join(" ")
    );
    let bridge = stack.place.deploy.with_file_name("attach");
    fs::write(&bridge, script)?;
    fs::set_permissions(&bridge, fs::Permissions::from_mode(0o755))?;
    let run = |arguments: &[&str]| {
        let mut python = tools.python("with_mcp.py");
        python.args(arguments).arg("--stdio").arg(&bridge);
        process::run_logged(&mut python, CLIENT_LIMIT, &stack.place.log)
            .with_context(|| format!("see {}", stack.place.log.display()))
    };
    run(&["--era", "legacy", "--calls", "memory"])?;
    // What this session writes, and nothing else, the client calls for, reads and is prompted with.
    let mut session = open(stack, SERVERS[1])?;
    for key in ["place", "colour"] {
        session.answer("forget", &json!({ "key": key }))?;
    }
    let entry =
        json!({ "key": "handover", "value": "written-by-one-client", "category": "judged" });
    session.answer("remember", &entry)?;
    run(&["--era", "modern", "--calls", "memory", "--handed-over"])
}

/// The Python SDK over HTTP through the proxy, behind which there are several replicas: in the first era each request
/// must find the one that has the session, in the second one any will do. What was there before is there.
pub(super) fn proxy_is_passed(stack: &Stack<'_>) -> Result<()> {
    let home = stack.workspace.target()?.join("judge");
    let tools = Tools::install(&stack.workspace.root.join("xtask/judges"), &home)?;
    let [_, memory] = stack.place.servers;
    let token = stack.place.deploy.join("compose/secrets/a2a-token");
    for era in ["legacy", "modern"] {
        let mut python = tools.python("with_mcp.py");
        python.args(["--era", era, "--calls", "memory", "--handed-over"]);
        python.arg("--token-file").arg(&token);
        python.args(["--http", &memory.endpoint()]);
        process::run_logged(&mut python, CLIENT_LIMIT, &stack.place.log)
            .with_context(|| format!("see {}", stack.place.log.display()))?;
    }
    Ok(())
}

/// Claude Code with nothing of the person's own environment.
fn claude(stack: &Stack<'_>, tools: &Tools, config: &PathBuf) -> Command {
    let mut claude = tools.claude(config);
    claude.env("HOME", config).envs(stack.engine.environment());
    claude.current_dir(config);
    claude
}

/// A client that is killed leaves no process in the container.
pub(super) fn bridges_end_with_their_clients(stack: &Stack<'_>) -> Result<()> {
    for server in SERVERS {
        let has_bridge =
            || -> Result<bool> { Ok(stack.engine.ask(&["top", server.0])?.contains(" attach")) };
        let client = open(stack, server)?;
        ensure!(has_bridge()?, "no bridge is seen in {}", server.0);
        drop(client);
        until("the end of the bridge", PATIENCE, || Ok(!has_bridge()?))?;
    }
    Ok(())
}

/// The published ports ask for the token.
pub(super) fn tokens_are_asked_for(stack: &Stack<'_>) -> Result<()> {
    for server in stack.place.servers {
        let without = http::status(server.http, "/mcp", HTTP_LIMIT)?;
        ensure!(without == UNAUTHORIZED, "without a token: {without}");
    }
    let status = with_token(stack, &place::token(stack.place)?)?;
    ensure!(status != UNAUTHORIZED, "the token is not taken");
    Ok(())
}

/// The token that was is refused, the new one is taken.
pub(super) fn token_was_rotated(stack: &Stack<'_>, before: &str) -> Result<()> {
    let now = place::token(stack.place)?;
    until("the new token to be taken", PATIENCE, || {
        Ok(with_token(stack, &now).is_ok_and(|status| status != UNAUTHORIZED))
    })?;
    let status = with_token(stack, before)?;
    ensure!(
        status == UNAUTHORIZED,
        "the old token is answered with {status}"
    );
    Ok(())
}

fn with_token(stack: &Stack<'_>, token: &str) -> Result<u16> {
    let [omnipotent, _] = stack.place.servers;
    let field = format!("Authorization: Bearer {token}\r\n");
    http::status_with(omnipotent.http, "/mcp", &field, HTTP_LIMIT)
}

/// Writes an entry.
pub(super) fn remember(stack: &Stack<'_>, key: &str, value: &str) -> Result<()> {
    let entry = json!({ "key": key, "value": value });
    open(stack, SERVERS[1])?.answer("remember", &entry)?;
    Ok(())
}

/// The entry is there.
pub(super) fn recalls(stack: &Stack<'_>, key: &str, value: &str) -> Result<()> {
    let entry = open(stack, SERVERS[1])?.answer("recall", &json!({ "key": key }))?;
    ensure!(
        entry.get("value") == Some(&json!(value)),
        "{key} is {entry}"
    );
    Ok(())
}

/// A client of the server in a container, which may just have been started.
fn open(stack: &Stack<'_>, server: (&str, &str)) -> Result<Session> {
    let mut session = None;
    until(server.0, PATIENCE, || {
        session = Session::open(attach(stack, server)).ok();
        Ok(session.is_some())
    })?;
    session.context("no session")
}
