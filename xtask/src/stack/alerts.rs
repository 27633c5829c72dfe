//! Prometheus and Alertmanager: what they see, and whom they tell.

use std::collections::BTreeSet;
use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Stack;
use super::containers::{SERVERS, until};
use super::images::WATCHERS;

/// From a scrape that fails to Alertmanager; the windows add up to a few seconds.
const PATIENCE: Duration = Duration::from_mins(1);
/// For Prometheus to know its Alertmanager again after it was told to read its configuration anew: it looks
/// every five seconds, and what it has to tell before is lost.
const DISCOVERY: Duration = Duration::from_secs(7);
/// What was lost is told again after a minute (`--rules.alert.resend-delay`).
const TOLD_AGAIN: Duration = Duration::from_secs(90);
/// How the names of metrics begin.
const PREFIXES: [&str; 2] = ["mcp_", "process_"];
/// What a histogram's series are called beside its name.
const SUFFIXES: [&str; 3] = ["_bucket", "_count", "_sum"];

/// All targets are scraped, the rules are right, and they speak of metrics that there are.
pub(super) fn targets_are_scraped(stack: &Stack<'_>) -> Result<()> {
    let rules = stack.workspace.root.join("deploy/prometheus");
    let volume = format!("{}:/rules:ro", rules.display());
    let run = ["run", "--rm", "--volume", &volume, "--entrypoint"];
    let test = [
        "promtool",
        WATCHERS,
        "test",
        "rules",
        "/rules/alerts_test.yml",
    ];
    let tested = stack.engine.ask(&[&run[..], &test].concat());
    tested.context("the alerts do not do what their tests say")?;
    names_are_real(stack)?;
    let up = "sum(up) == 4 and count(up) == 4";
    until("four targets that are up", PATIENCE, || {
        Ok(query(stack, up)?.contains("=> 4"))
    })?;
    Ok(())
}

/// What Prometheus answers to a query.
pub(super) fn query(stack: &Stack<'_>, expression: &str) -> Result<String> {
    let server = "http://127.0.0.1:9090";
    let promtool = [
        "exec",
        "prometheus-production",
        "promtool",
        "query",
        "instant",
    ];
    stack
        .engine
        .ask(&[&promtool[..], &[server, expression]].concat())
}

/// Every panel of every dashboard is a query that Prometheus takes, and shows something when there is anything
/// of its metric to show.
pub(super) fn panels_show_something(stack: &Stack<'_>) -> Result<()> {
    let directory = stack.place.deploy.join("grafana/dashboards");
    let mut shown = 0;
    for entry in fs::read_dir(&directory)? {
        let path = entry?.path();
        let dashboard: Value = serde_json::from_str(&fs::read_to_string(&path)?)?;
        let panels = dashboard.get("panels").and_then(Value::as_array);
        for panel in panels.context("a dashboard without panels")? {
            let targets = panel.get("targets").and_then(Value::as_array);
            for target in targets.context("a panel without targets")? {
                let expression = target.get("expr").and_then(Value::as_str);
                let expression = expression.context("a target without a query")?;
                let expression = expression.replace("$__rate_interval", "1m");
                let series = query(stack, &expression)?;
                let has_any = names(&expression)
                    .map(|name| Ok(!query(stack, name)?.is_empty()))
                    .collect::<Result<Vec<bool>>>()?;
                let may_be_empty = has_any.is_empty() || has_any.contains(&false);
                ensure!(
                    may_be_empty || !series.is_empty(),
                    "nothing is shown of {expression}"
                );
                shown += usize::from(!series.is_empty());
            }
        }
    }
    println!("stack dashboards: {shown} queries show something");
    ensure!(shown > 0, "no panel shows anything");
    Ok(())
}

/// An alert comes when a server is stopped, and goes when it is started again.
pub(super) fn come_and_go(stack: &Stack<'_>) -> Result<()> {
    let (container, _) = SERVERS[0];
    thread::sleep(DISCOVERY);
    stack.engine.ask(&["stop", container])?;
    let came = until("the alert McpServerDown", TOLD_AGAIN, || {
        Ok(alerts(stack)?.contains("McpServerDown"))
    });
    let came = came.with_context(|| {
        let seen = query(stack, "{__name__=~\"up|ALERTS\"}");
        format!("Prometheus sees {seen:?}")
    })?;
    stack.engine.ask(&["start", container])?;
    let went = until("the end of the alert", PATIENCE, || {
        Ok(!alerts(stack)?.contains("McpServerDown"))
    })?;
    println!(
        "stack alert: {:.1} s after the server was stopped, gone {:.1} s after it was started",
        came.as_secs_f64(),
        went.as_secs_f64()
    );
    Ok(())
}

fn alerts(stack: &Stack<'_>) -> Result<String> {
    let server = "--alertmanager.url=http://127.0.0.1:9093";
    stack.engine.ask(&[
        "exec",
        "alertmanager-production",
        "amtool",
        server,
        "alert",
        "query",
    ])
}

/// Every metric that the rules and alerts name is one of the servers'.
fn names_are_real(stack: &Stack<'_>) -> Result<()> {
    let mut real = BTreeSet::new();
    for (container, program) in SERVERS {
        let reference = stack
            .engine
            .ask(&["exec", container, program, "reference"])?;
        let reference: Value = serde_json::from_str(&reference)?;
        let metrics = reference.get("metrics").and_then(Value::as_array);
        let metrics = metrics.context("the reference lists no metrics")?.iter();
        let names = metrics.filter_map(|metric| metric.get("name")?.as_str().map(str::to_owned));
        real.extend(names);
    }
    for file in ["rules.yml", "alerts.yml"] {
        let text = fs::read_to_string(stack.place.deploy.join("prometheus").join(file))?;
        let expressions = text.lines().filter(|line| !line.contains("- record:"));
        for name in expressions.flat_map(names) {
            ensure!(
                is_real(name, &real),
                "{file} speaks of {name}, which no server has"
            );
        }
    }
    Ok(())
}

/// The words of a line that are names of metrics; a recorded series has colons in its name. Labels, which
/// may begin like metrics, stand in braces and after `by`.
fn names(line: &str) -> impl Iterator<Item = &str> {
    let unselected = outside(line, "{", '}');
    let parts = unselected.flat_map(|part| outside(part, "by (", ')'));
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = parts.flat_map(move |part| part.split(move |c| !is_part(c)));
    words.filter(|word| PREFIXES.iter().any(|prefix| word.starts_with(prefix)))
}

/// What of a text is not between `open` and the next `close`.
fn outside<'a>(text: &'a str, open: &'a str, close: char) -> impl Iterator<Item = &'a str> {
    let mut parts = text.split(open);
    let first = parts.next();
    let after = parts.filter_map(move |part| part.split_once(close).map(|(_, after)| after));
    first.into_iter().chain(after)
}

fn is_real(name: &str, real: &BTreeSet<String>) -> bool {
    let whole = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix));
    real.contains(name) || whole.is_some_and(|whole| real.contains(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_metrics_of_an_expression() {
        let line = "expr: sum by (job) (rate(mcp_calls_count{a=\"b\"}[5m])) > job:mcp_x:rate5m";
        assert_eq!(names(line).collect::<Vec<_>>(), ["mcp_calls_count"]);
        let line =
            "sum by (job, mcp_method_name) (rate(mcp_a{mcp_b=\"c\"}[1m])) / mcp_d > process_e";
        assert_eq!(
            names(line).collect::<Vec<_>>(),
            ["mcp_a", "mcp_d", "process_e"]
        );
        let real = BTreeSet::from(["mcp_calls".to_owned()]);
        assert!(is_real("mcp_calls", &real) && is_real("mcp_calls_count", &real));
        assert!(!is_real("mcp_call", &real) && !is_real("mcp_calls_total", &real));
    }

    #[test]
    fn each_alert_has_a_test_in_which_it_fires() {
        let alerts = include_str!("../../../deploy/prometheus/alerts.yml");
        let tests = include_str!("../../../deploy/prometheus/alerts_test.yml");
        let named = alerts
            .lines()
            .filter_map(|line| line.trim().strip_prefix("- alert: "));
        let named: Vec<&str> = named.collect();
        assert!(named.len() > 5, "{named:?}");
        for alert in named {
            let fires = format!("alertname: {alert}\n        exp_alerts:\n");
            assert!(tests.contains(&fires), "{alert} never fires in a test");
        }
    }
}
