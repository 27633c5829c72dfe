//! What the containers are: confined, limited, healthy, and gone when they are taken down.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::{Stack, alerts};
use crate::dist::archives;
use crate::process;

/// Both servers: the container, the program in it.
pub(super) const SERVERS: [(&str, &str); 2] = [
    ("omnipotent-mcp-production", "omnipotent-mcp"),
    ("a2a-unified-mcp-production", "a2a-unified-mcp"),
];
const ALL: [&str; 4] = [
    "omnipotent-mcp-production",
    "a2a-unified-mcp-production",
    "prometheus-production",
    "alertmanager-production",
];
const VOLUMES: [&str; 5] = [
    "a2a-unified-data-production",
    "alertmanager-data",
    "omnipotent-state-production",
    "omnipotent-workspace-production",
    "prometheus-data",
];

/// From a start to answers; they take milliseconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// The engine looks at a container's health for the first time after 30 seconds.
const HEALTH_PATIENCE: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(100);

/// Waits until something holds.
pub(super) fn until(
    what: &str,
    patience: Duration,
    mut holds: impl FnMut() -> Result<bool>,
) -> Result<Duration> {
    let started = Instant::now();
    while started.elapsed() < patience {
        if holds()? {
            return Ok(started.elapsed());
        }
        thread::sleep(POLL);
    }
    bail!("waited {patience:?} for {what}")
}

/// Prints what the images take, and above their base.
pub(super) fn report_images(stack: &Stack<'_>) -> Result<()> {
    let size = |image: &str| -> Result<f64> {
        let size = stack
            .engine
            .ask(&["image", "inspect", "--format", "{{.Size}}", image])?;
        Ok(size.trim().parse::<f64>()? / 1e6)
    };
    let base = size("debian:bookworm-slim")?;
    for (_, image) in SERVERS {
        let all = size(image)?;
        println!(
            "stack image {image}: {all:.1} MB, {:.1} MB above its base",
            all - base
        );
    }
    Ok(())
}

/// Archives as `cargo xtask dist --images` makes them: an engine that has not the image gets it from there.
pub(super) fn are_carried_as_archives(stack: &Stack<'_>) -> Result<()> {
    let root = stack.place.deploy.parent();
    let root = root.context("deploy/ lies in a folder")?;
    for (_, image) in SERVERS {
        let id = ["image", "inspect", "--format", "{{.Id}}", image];
        let archive = archives::save(
            &|| stack.engine.docker(),
            image,
            &root.join("images"),
            &root.join("archives"),
        )?;
        let made = stack.engine.ask(&id)?;
        stack.engine.ask(&["image", "rm", "--force", image])?;
        ensure!(!stack.engine.succeeds(&id), "{image} is still there");
        let archive = archive.to_str().context("a path is text")?;
        stack.engine.ask(&["load", "--input", archive])?;
        ensure!(stack.engine.ask(&id)? == made, "another {image} was loaded");
    }
    Ok(())
}

/// Waits until both servers say that they are ready.
pub(super) fn await_service(stack: &Stack<'_>, started: Instant) -> Result<()> {
    for (container, program) in SERVERS {
        until(container, PATIENCE, || {
            let ask = ["exec", container, program, "health", "--ready"];
            Ok(stack.engine.succeeds(&ask))
        })?;
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("stack serves {seconds:.1} s after `up` began");
    Ok(())
}

/// Waits until the engine says that all containers are healthy.
pub(super) fn become_healthy(stack: &Stack<'_>, started: Instant) -> Result<()> {
    for container in ALL {
        until(container, HEALTH_PATIENCE, || {
            let state = inspect(stack, container)?;
            let status = state.pointer("/State/Health/Status").cloned();
            ensure!(
                status != Some(json!("unhealthy")),
                "{container} is unhealthy"
            );
            Ok(status == Some(json!("healthy")))
        })?;
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("stack is healthy {seconds:.1} s after `up` began");
    Ok(())
}

/// Lines in an order that does not depend on the kernel's.
pub(super) fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

/// Prints what the containers take: what the engine counts, and what so many servers say is resident.
pub(super) fn report_memory(stack: &Stack<'_>, when: &str, servers: usize) -> Result<()> {
    let format = &format!("stack memory {when} {{{{.Name}}}}: {{{{.MemUsage}}}}");
    print!(
        "{}",
        stack
            .engine
            .ask(&["stats", "--no-stream", "--format", format])?
    );
    let mut resident = String::new();
    until("the servers' memory in the metrics", PATIENCE, || {
        // Not what the Prometheus before this one saw.
        let expression = "process_resident_memory_bytes{job=~\".+-mcp\"} / 1e6 \
            and timestamp(process_resident_memory_bytes) > time() - 5";
        resident = alerts::query(stack, expression).unwrap_or_default();
        Ok(resident.lines().count() == servers)
    })?;
    for line in resident.lines() {
        println!("stack resident {when} MB {line}");
    }
    Ok(())
}

/// Prints what containers there are and what they said last, for whoever looks for a fault.
pub(super) fn report_state(stack: &Stack<'_>) -> Result<()> {
    let listed = ["ps", "--all", "--format", "{{.Names}} {{.Status}}"];
    for line in stack.engine.ask(&listed)?.lines() {
        println!("\n{line}");
        let name = line.split(' ').next().unwrap_or_default();
        let mut logs = stack.engine.docker();
        process::run_within(logs.args(["logs", "--tail", "10", name]), PATIENCE)?;
    }
    Ok(())
}

/// What `doctor` said, each time that it was asked.
pub(super) fn tiers_are(said: &str, expected: &[&str]) -> Result<()> {
    let tiers = said
        .lines()
        .filter_map(|line| line.strip_prefix("in force: "));
    let tiers: Vec<&str> = tiers.collect();
    ensure!(
        tiers == expected,
        "commands run in the tiers {tiers:?}, not {expected:?}"
    );
    println!(
        "stack sandbox tiers: {}",
        tiers.join(", then with the profile ")
    );
    Ok(())
}

/// No container and no network is left, and all volumes or none.
pub(super) fn are_gone(stack: &Stack<'_>, data_stays: bool) -> Result<()> {
    let containers = stack
        .engine
        .ask(&["ps", "--all", "--format", "{{.Names}}"])?;
    ensure!(containers.is_empty(), "left: {containers}");
    let networks = stack
        .engine
        .ask(&["network", "ls", "--format", "{{.Name}}"])?;
    ensure!(
        !networks.contains("mcp-production-network"),
        "left: {networks}"
    );
    let volumes = stack
        .engine
        .ask(&["volume", "ls", "--format", "{{.Name}}"])?;
    let mut found = sorted(&volumes);
    if data_stays {
        // Version 1 of compose makes the volumes of services that are not started too.
        found.retain(|volume| *volume != "grafana-data");
    }
    let expected: &[&str] = if data_stays { &VOLUMES } else { &[] };
    ensure!(found == expected, "volumes are {volumes}");
    Ok(())
}

/// The image that `omnipotent-mcp` runs from.
pub(super) fn image(stack: &Stack<'_>) -> Result<String> {
    let (container, _) = SERVERS[0];
    stack
        .engine
        .ask(&["inspect", "--format", "{{.Image}}", container])
}

/// What the engine knows of a container.
pub(super) fn inspect(stack: &Stack<'_>, container: &str) -> Result<Value> {
    let text = stack.engine.ask(&["inspect", container])?;
    let mut state: Value = serde_json::from_str(&text)?;
    let only = state.get_mut(0).map(Value::take);
    only.with_context(|| format!("{container} is unknown"))
}

/// A bridge to the server in a container.
pub(super) fn attach(stack: &Stack<'_>, (container, program): (&str, &str)) -> Command {
    let mut docker = stack.engine.docker();
    docker.args(["exec", "-i", container, program, "attach"]);
    docker
}
