//! What keeps containers to themselves, and what they may take.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::Stack;
use super::containers::{SERVERS, inspect, sorted};

/// What a script sees of the confinement from inside.
const INSIDE: &str = "id -u; id -g
grep -E '^(CapEff|CapPrm|NoNewPrivs):' /proc/self/status | tr '\\t' ' '
touch /inside 2>/dev/null && echo 'the root can be written'
df -k /tmp | tail -1 | tr -s ' ' | cut -d ' ' -f 1,2
touch /tmp/inside && rm /tmp/inside && echo 'tmp can be written'";
const SEEN_INSIDE: &str = "10001\n10001\nCapPrm: 0000000000000000\nCapEff: 0000000000000000\n\
    NoNewPrivs: 1\ntmpfs 102400\ntmp can be written\n";

/// What keeps the containers that run to themselves, as the engine has it and as the servers see it.
pub(super) fn are_confined(stack: &Stack<'_>) -> Result<()> {
    for (container, service) in &running(stack)? {
        let state = inspect(stack, container)?;
        for (pointer, expected) in [
            ("/HostConfig/ReadonlyRootfs", json!(true)),
            ("/HostConfig/CapDrop", json!(["ALL"])),
            ("/HostConfig/Privileged", json!(false)),
            ("/HostConfig/SecurityOpt", json!(["no-new-privileges:true"])),
            (
                "/HostConfig/LogConfig",
                json!({ "Type": "json-file", "Config": {
                    "max-size": "10m", "max-file": "3", "labels": "service,environment" } }),
            ),
            ("/Config/Labels/service", json!(service)),
            ("/Config/Labels/environment", json!("production")),
        ] {
            holds(container, &state, pointer, &expected)?;
        }
        let ports = state
            .pointer("/HostConfig/PortBindings")
            .and_then(Value::as_object);
        for bound in ports.into_iter().flatten() {
            let host = bound.1.pointer("/0/HostIp");
            ensure!(
                host == Some(&json!("127.0.0.1")),
                "{container} publishes {bound:?}"
            );
        }
    }
    for (container, _) in &servers(stack)? {
        let seen = stack.engine.ask(&["exec", container, "sh", "-c", INSIDE])?;
        ensure!(
            sorted(&seen) == sorted(SEEN_INSIDE),
            "inside {container}: {seen}"
        );
    }
    Ok(())
}

/// 1 CPU, 512 MB, of which 128 MB are reserved, and a number of processes.
pub(super) fn are_limited(stack: &Stack<'_>) -> Result<()> {
    for (container, _) in &running(stack)? {
        let state = inspect(stack, container)?;
        let mib = 1024 * 1024;
        holds(
            container,
            &state,
            "/HostConfig/NanoCpus",
            &json!(1_000_000_000),
        )?;
        holds(container, &state, "/HostConfig/Memory", &json!(512 * mib))?;
        holds(
            container,
            &state,
            "/HostConfig/MemoryReservation",
            &json!(128 * mib),
        )?;
    }
    for (container, service) in &servers(stack)? {
        let processes = if service == "omnipotent-mcp" {
            512
        } else {
            128
        };
        let state = inspect(stack, container)?;
        holds(
            container,
            &state,
            "/HostConfig/PidsLimit",
            &json!(processes),
        )?;
    }
    Ok(())
}

/// The containers that run, each with its service.
fn running(stack: &Stack<'_>) -> Result<Vec<(String, String)>> {
    let format = "{{.Names}} {{.Label \"com.docker.compose.service\"}}";
    let listed = stack.engine.ask(&["ps", "--format", format])?;
    let pairs = listed.lines().filter_map(|line| line.split_once(' '));
    Ok(pairs
        .map(|(container, service)| (container.to_owned(), service.to_owned()))
        .collect())
}

/// Those of them that are servers, of which there is one of each at least.
fn servers(stack: &Stack<'_>) -> Result<Vec<(String, String)>> {
    let mut servers = running(stack)?;
    servers.retain(|(_, service)| SERVERS.iter().any(|(_, program)| program == service));
    for (_, program) in SERVERS {
        let runs = servers.iter().any(|(_, service)| service == program);
        ensure!(runs, "no {program} runs");
    }
    Ok(servers)
}

fn holds(container: &str, state: &Value, pointer: &str, expected: &Value) -> Result<()> {
    let found = state.pointer(pointer);
    ensure!(
        found == Some(expected),
        "{pointer} of {container} is {found:?}, not {expected}"
    );
    Ok(())
}
