//! Clients others wrote, each over stdio and over HTTP, in both eras of the protocol where the
//! client can be told which: `legacy` opens with `initialize` (2025-11-25 and before), `modern`
//! is stateless (2026-07-28).

use std::process::Command;

use anyhow::{Result, bail, ensure};
use serde_json::Value;

use super::bench::Bench;
use crate::server::Server;

const INSPECTOR: &str = "@modelcontextprotocol/inspector/clients/launcher/build/index.js";
/// The Inspector's exit code for a result with `isError`.
const TOOL_ERROR: &str = "exit status: 5";

/// How the client reaches the server.
enum Route {
    /// The client starts the server.
    Stdio,
    /// The server is already running.
    Http(Server),
}

pub(super) fn inspector_stdio_legacy(bench: &Bench<'_>) -> Result<()> {
    inspector(bench, &Route::Stdio, "legacy")
}

pub(super) fn inspector_stdio_modern(bench: &Bench<'_>) -> Result<()> {
    inspector(bench, &Route::Stdio, "modern")
}

pub(super) fn inspector_http_legacy(bench: &Bench<'_>) -> Result<()> {
    inspector(bench, &Route::Http(bench.serve()?), "legacy")
}

pub(super) fn inspector_http_modern(bench: &Bench<'_>) -> Result<()> {
    inspector(bench, &Route::Http(bench.serve()?), "modern")
}

pub(super) fn mcp_stdio_legacy(bench: &Bench<'_>) -> Result<()> {
    python(bench, Route::Stdio, &["with_mcp.py", "--era", "legacy"])
}

pub(super) fn mcp_stdio_modern(bench: &Bench<'_>) -> Result<()> {
    python(bench, Route::Stdio, &["with_mcp.py", "--era", "modern"])
}

pub(super) fn mcp_http_legacy(bench: &Bench<'_>) -> Result<()> {
    python(
        bench,
        Route::Http(bench.serve()?),
        &["with_mcp.py", "--era", "legacy"],
    )
}

pub(super) fn mcp_http_modern(bench: &Bench<'_>) -> Result<()> {
    python(
        bench,
        Route::Http(bench.serve()?),
        &["with_mcp.py", "--era", "modern"],
    )
}

/// The program and its arguments, with nothing said of a model: it has to find the one beside itself.
pub(super) fn mcp_started_by(bench: &Bench<'_>, words: &[String]) -> Result<()> {
    let Some((program, arguments)) = words.split_first() else {
        bail!("there is no command");
    };
    let mut command = bench.tools.python("with_mcp.py");
    command.args(["--era", "legacy", "--calls", bench.subject.calls]);
    command.args(["--stdio", program]);
    command.args(arguments.iter().map(|word| format!("--argument={word}")));
    command
        .envs(bench.settings())
        .env("A2A_EMBEDDING__MODEL", "auto");
    bench.run(&mut command)?;
    Ok(())
}

pub(super) fn fastmcp_stdio(bench: &Bench<'_>) -> Result<()> {
    python(bench, Route::Stdio, &["with_fastmcp.py"])
}

pub(super) fn fastmcp_http(bench: &Bench<'_>) -> Result<()> {
    python(bench, Route::Http(bench.serve()?), &["with_fastmcp.py"])
}

/// Adds the server as a user would and asks whether it connects; no model is called.
pub(super) fn claude_stdio(bench: &Bench<'_>) -> Result<()> {
    let mut add = claude(bench);
    add.args(["mcp", "add", "--scope", "user", "judged"]);
    for (name, value) in bench.settings() {
        add.args(["--env", &format!("{name}={value}")]);
    }
    bench.run(add.arg("--").arg(&bench.binary))?;
    connected(bench)
}

pub(super) fn claude_http(bench: &Bench<'_>) -> Result<()> {
    let server = bench.serve()?;
    let mut add = claude(bench);
    add.args([
        "mcp",
        "add",
        "--scope",
        "user",
        "--transport",
        "http",
        "judged",
    ]);
    add.arg(server.addresses.endpoint());
    add.args([
        "--header",
        &format!("Authorization: {}", bench.authorization()?),
    ]);
    bench.run(&mut add)?;
    connected(bench)?;
    server.stop()
}

/// What one client writes, another one reads from another process after the first has ended.
pub(super) fn two_clients(bench: &Bench<'_>) -> Result<()> {
    let words = "key=handover value=written-by-one-client category=judged";
    let mut write = vec!["tools/call", "--tool-name", "remember"];
    for argument in words.split(' ') {
        write.extend(["--tool-arg", argument]);
    }
    inspect(bench, &Route::Stdio, "modern", &write)?;
    python(
        bench,
        Route::Http(bench.serve()?),
        &["with_mcp.py", "--handed-over"],
    )
}

/// Lists the tools, then makes calls, the last of which must be refused.
fn inspector(bench: &Bench<'_>, route: &Route, era: &str) -> Result<()> {
    let tools = inspect(bench, route, era, &["tools/list", "--strict"])?;
    let tools = tools
        .pointer("/tools")
        .or_else(|| tools.pointer("/result/tools"));
    let count = tools.and_then(Value::as_array).map_or(0, Vec::len);
    let expected = bench.subject.tool_count;
    ensure!(
        count == expected,
        "{count} tools are listed instead of {expected}"
    );
    let call = |(tool, arguments): (&str, &[&'static str])| {
        let mut args = vec!["tools/call", "--tool-name", tool];
        for argument in arguments {
            args.extend(["--tool-arg", argument]);
        }
        inspect(bench, route, era, &args)
    };
    let mut last = Value::Null;
    for made in bench.subject.inspected {
        last = call(*made)?;
    }
    ensure!(
        last.to_string().contains("judged"),
        "what was asked for is missing from {last}"
    );
    match call(bench.subject.refused) {
        Err(error) if error.to_string().ends_with(TOOL_ERROR) => Ok(()),
        Err(error) => Err(error),
        Ok(reply) => bail!("{:?} was not refused: {reply}", bench.subject.refused),
    }
}

/// One request of the Inspector, and its answer.
fn inspect(bench: &Bench<'_>, route: &Route, era: &str, args: &[&str]) -> Result<Value> {
    let mut command = bench.tools.node();
    command.arg(bench.tools.node_file(INSPECTOR)).arg("--cli");
    reach(&mut command, bench, route)?;
    command.args(["--protocol-era", era, "--format", "json", "--method"]);
    Ok(serde_json::from_str(&bench.run(command.args(args))?)?)
}

/// The Inspector's arguments for the server.
fn reach(command: &mut Command, bench: &Bench<'_>, route: &Route) -> Result<()> {
    match route {
        Route::Stdio => {
            for (name, value) in bench.settings() {
                command.args(["-e", &format!("{name}={value}")]);
            }
            command.arg(&bench.binary);
        }
        Route::Http(server) => {
            command
                .arg(server.addresses.endpoint())
                .args(["--transport", "http", "--header"]);
            command.arg(format!("Authorization: {}", bench.authorization()?));
        }
    }
    Ok(())
}

/// Runs a script that calls every tool and checks each answer.
fn python(bench: &Bench<'_>, route: Route, script: &[&str]) -> Result<()> {
    let Some((name, args)) = script.split_first() else {
        bail!("no script is named");
    };
    let mut command = bench.tools.python(name);
    command.args(args).envs(bench.settings());
    command.args(["--calls", bench.subject.calls]);
    match route {
        Route::Stdio => {
            bench.run(command.arg("--stdio").arg(&bench.binary))?;
            Ok(())
        }
        Route::Http(server) => {
            command.args(["--http", &server.addresses.endpoint()]);
            bench.run(command.arg("--token-file").arg(bench.token_file()))?;
            server.stop()
        }
    }
}

/// Claude Code with settings that nobody has used before.
fn claude(bench: &Bench<'_>) -> Command {
    bench.tools.claude(&bench.home.join("claude"))
}

fn connected(bench: &Bench<'_>) -> Result<()> {
    let listing = bench.run(claude(bench).args(["mcp", "list"]))?;
    let line = listing
        .lines()
        .find(|line| line.starts_with("judged:"))
        .unwrap_or(&listing);
    ensure!(
        line.contains("Connected"),
        "Claude Code does not connect: {line}"
    );
    Ok(())
}
