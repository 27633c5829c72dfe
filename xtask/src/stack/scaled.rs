//! Replicas behind the proxy: found, scraped, and shared out.

use std::time::Duration;

use anyhow::Result;

use super::containers::{SERVERS, until};
use super::{Stack, alerts, claude, confinement};

/// For the proxy and Prometheus to find what has been started.
const PATIENCE: Duration = Duration::from_secs(30);
const REPLICAS: usize = 2;

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
