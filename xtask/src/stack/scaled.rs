//! Replicas behind the proxy: found, shared out, replaced under load, and kept when their successors fail.

use std::collections::BTreeSet;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::containers::{SERVERS, report_memory, until};
use super::load::{Era, Load, Record};
use super::{Stack, alerts, claude, confinement, guide, place, setbacks};
use crate::process;

/// For the proxy and Prometheus to find what has been started.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the load goes on to see who answers, and how exact its times are.
const GLANCE: Duration = Duration::from_secs(1);
pub(super) const REPLICAS: usize = 2;

/// Two replicas of each server, and what must be true of them.
pub(super) fn serve(stack: &mut Stack<'_>) -> Result<()> {
    stack.chapter("Scale out")?;
    confinement::are_confined(stack)?;
    confinement::are_limited(stack)?;
    // Not what the Prometheus before this one saw.
    let up = "count by (job) (up == 1 and timestamp(up) > time() - 5)";
    until("replicas that are scraped", PATIENCE, || {
        let scraped = alerts::query(stack, up)?;
        let is_scraped =
            |job: &str, count: usize| scraped.contains(&format!("{{job=\"{job}\"}} => {count} "));
        let are_scraped = SERVERS.iter().all(|(_, job)| is_scraped(job, REPLICAS));
        Ok(are_scraped && is_scraped("proxy", 1))
    })?;
    claude::proxy_is_passed(stack)
}

/// The replicas of `omnipotent-mcp` are replaced by other ones, by ones that do not start, and by the first ones
/// again, and in the end only one is left, while clients call: no call fails, and sessions stay with their replicas until these are drained.
pub(super) fn are_replaced(stack: &mut Stack<'_>) -> Result<()> {
    let [server, _] = stack.place.servers;
    let script = stack.place.deploy.join("compose/blue-green.sh");
    process::run(Command::new("shellcheck").arg(script))?;
    let mut load = Load::start(server.http, &place::token(stack.place)?);
    await_answers(&mut load, "blue", REPLICAS)?;
    let first = images(stack)?;

    stack.chapter("Upgrade without a pause")?;
    was_replaced(&load.take()?, ["blue", "green"])?;
    await_answers(&mut load, "green", REPLICAS)?;
    let new = images(stack)?;
    ensure!(new != first, "the new image is not used");
    stack.place.colour_is_kept("green")?;

    setbacks::are_taken_back(stack, &mut load)?;

    stack.chapter("Go back without a pause")?;
    was_replaced(&load.take()?, ["green", "blue"])?;
    ensure!(images(stack)? == new, "the old image is not used");
    stack.place.colour_is_kept("blue")?;
    report_memory(stack, "under load", SERVERS.len() * REPLICAS)?;

    stack.chapter("Scale in")?;
    await_answers(&mut load, "blue", 1)?;
    load.stop()
}

/// Waits until so many replicas of a colour answer, and nobody else.
pub(super) fn await_answers(load: &mut Load, colour: &str, replicas: usize) -> Result<()> {
    until("answers of all replicas", PATIENCE, || {
        thread::sleep(GLANCE);
        let records = load.take()?;
        let seen = records.iter().flat_map(|record| record.replicas.keys());
        let seen: BTreeSet<&String> = seen.collect();
        Ok(seen.len() == replicas && seen.iter().all(|replica| replica.starts_with(colour)))
    })?;
    Ok(())
}

/// Calls went over to the new colour, those in sessions of the old one when it had been drained.
fn was_replaced(records: &[Record], [old, new]: [&str; 2]) -> Result<()> {
    report(&format!("{old} replaced"), records);
    let of = |era| records.iter().filter(move |record| record.era == era);
    let switched = of(Era::Modern).flat_map(|record| record.times(new));
    let switched = switched.map(|(first, _)| first).min();
    let switched = switched.context("the new replicas get no calls")?;
    for record in of(Era::Modern) {
        ensure!(record.saw(new), "a client was left behind: {record:?}");
        for (_, last) in record.times(old) {
            let late = last.saturating_duration_since(switched);
            ensure!(late < GLANCE, "{late:?} after the switch: {record:?}");
        }
    }
    for record in of(Era::Legacy) {
        let last = record.times(old).map(|(_, last)| last).max();
        let last = last.context("a session without calls")?;
        let kept = last.saturating_duration_since(switched);
        ensure!(
            kept + GLANCE > guide::DRAIN && record.reopened == 1,
            "a session was kept for {kept:?} and opened {} times: {record:?}",
            record.reopened
        );
    }
    Ok(())
}

pub(super) fn report(what: &str, records: &[Record]) {
    let calls: usize = records.iter().map(|record| record.calls).sum();
    let longest = records.iter().map(|record| record.longest).max();
    let longest = longest.unwrap_or_default().as_secs_f64() * 1e3;
    println!("stack load, {what}: {calls} calls, none failed, the longest took {longest:.0} ms");
}

/// The images that the replicas of `omnipotent-mcp` run from.
pub(super) fn images(stack: &Stack<'_>) -> Result<BTreeSet<String>> {
    let service = "label=com.docker.compose.service=omnipotent-mcp";
    let replicas = stack.engine.ask(&["ps", "--quiet", "--filter", service])?;
    let replicas: Vec<&str> = replicas.split_whitespace().collect();
    ensure!(replicas.len() == REPLICAS, "there are {replicas:?}");
    let inspect = [&["inspect", "--format", "{{.Image}}"], &*replicas].concat();
    let images = stack.engine.ask(&inspect)?;
    Ok(images.lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    const COMPOSE: &str = include_str!("../../../deploy/compose/compose.yml");
    const SCALED: &str = include_str!("../../../deploy/compose/compose.scaled.yml");
    const PROXY: &str = include_str!("../../../deploy/haproxy/haproxy.cfg");
    const SCRIPT: &str = include_str!("../../../deploy/compose/blue-green.sh");
    /// Has each setting with its default.
    const SETTINGS: &str = include_str!("../../../README.md");

    #[test]
    fn both_compose_files_confine_alike() {
        let shared = |text: &'static str| {
            let (_, rest) = text.split_once("\nx-logging:").unwrap();
            rest.split_once("\nservices:").unwrap().0
        };
        assert_eq!(shared(SCALED), shared(COMPOSE));
    }

    #[test]
    fn the_script_and_the_proxy_agree() {
        let assigned = |name: &str| {
            let line = SCRIPT.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap().trim_matches('"')
        };
        let places: Vec<&str> = assigned("places=").split(' ').collect();
        let kept: u64 = assigned("kept=").parse().unwrap();
        let minutes = kept / 60_000;
        let expire = format!("size 20k expire {minutes}m");
        let idle = format!("\n| `http.session_idle` | `\"{minutes}m\"` |");
        assert_eq!(SETTINGS.matches(&idle).count(), 2, "of both servers");
        for (server, port) in [("omnipotent-mcp", 8931), ("a2a-unified-mcp", 8932)] {
            let backend = PROXY.split("\n\n");
            let heading = format!("backend {server}\n");
            let backend = backend.filter(|part| part.starts_with(&heading));
            let backend = backend.collect::<String>();
            assert!(backend.contains(&expire), "{backend}");
            for colour in ["blue", "green"] {
                let (count, ops) = (places.len(), port + 1000);
                let line =
                    format!("server-template {colour} {count} {server}-{colour}:{port} port {ops}");
                let mut lines = backend.lines().map(str::trim);
                assert!(
                    lines.any(|known| known == line),
                    "{line} is not in {backend}"
                );
            }
        }
    }
}
