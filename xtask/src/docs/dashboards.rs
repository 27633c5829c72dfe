//! Grafana's dashboards, made from the metrics that the servers say they have: one panel for each, of the form
//! that its kind asks for.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// Where they are kept, as `deploy/compose/compose.yml` mounts them.
pub(super) const DIRECTORY: &str = "deploy/grafana/dashboards";

/// Width of a panel, of 24, and its height.
const WIDTH: usize = 12;
const HEIGHT: usize = 8;

/// What a dashboard shows.
struct Dashboard {
    /// Its file's name, and how it is known in addresses.
    name: &'static str,
    title: &'static str,
    /// Which series, in the words of `PromQL`.
    selector: &'static str,
    /// How the names of its metrics begin.
    prefixes: &'static [&'static str],
    /// What it shows first: a title and an expression.
    first: &'static [(&'static str, &'static str)],
}

const CALLS: &[&str] = &[
    "mcp_server_",
    "mcp_calls_",
    "mcp_cache_",
    "mcp_egress_",
    "process_",
];

const DASHBOARDS: &[Dashboard] = &[
    Dashboard {
        name: "fleet",
        title: "Fleet",
        selector: "job=~\".+-mcp\"",
        prefixes: &[
            "mcp_build_",
            "process_",
            "mcp_calls_",
            "mcp_disk_",
            "mcp_trace_",
        ],
        first: &[
            ("Servers that answer", "up{job=~\".+-mcp\"}"),
            ("Calls per second", "job:mcp_calls:rate5m"),
            ("Share of calls that fail", "job:mcp_failures:ratio5m"),
            ("Alerts", "ALERTS{alertstate=\"firing\"}"),
        ],
    },
    Dashboard {
        name: "omnipotent",
        title: "Hands on a machine",
        selector: "job=\"omnipotent-mcp\"",
        prefixes: CALLS,
        first: &[],
    },
    Dashboard {
        name: "knowledge",
        title: "Memory",
        selector: "job=\"a2a-unified-mcp\"",
        prefixes: CALLS,
        first: &[(
            "Latency, 95th percentile",
            "job:mcp_latency_seconds:p95_5m{job=\"a2a-unified-mcp\"}",
        )],
    },
    Dashboard {
        name: "security",
        title: "Security",
        selector: "job=~\".+-mcp\"",
        prefixes: &[
            "mcp_security_",
            "mcp_admissions_",
            "mcp_audit_",
            "mcp_policy_",
            "mcp_sandbox_",
            "mcp_egress_open_",
        ],
        first: &[(
            "Calls refused in five minutes",
            "job:mcp_security_blocks:increase5m",
        )],
    },
];

/// The dashboards by the names of their files.
pub(super) fn render(reference: &Value) -> Result<Vec<(String, String)>> {
    let metrics = reference.get("metrics").and_then(Value::as_array);
    let metrics = metrics.context("the reference lacks `metrics`")?;
    for metric in metrics {
        let name = field(metric, "name")?;
        let is_shown = DASHBOARDS.iter().any(|dashboard| shows(dashboard, name));
        ensure!(is_shown, "no dashboard shows {name}");
    }
    DASHBOARDS
        .iter()
        .map(|dashboard| {
            let text = format!("{:#}\n", one(dashboard, metrics)?);
            Ok((format!("{}.json", dashboard.name), text))
        })
        .collect()
}

fn shows(dashboard: &Dashboard, metric: &str) -> bool {
    dashboard
        .prefixes
        .iter()
        .any(|prefix| metric.starts_with(prefix))
}

fn one(dashboard: &Dashboard, metrics: &[Value]) -> Result<Value> {
    let mut panels: Vec<Value> = dashboard
        .first
        .iter()
        .map(|(title, expression)| panel(title, "", &[((*expression).to_owned(), "")]))
        .collect();
    for metric in metrics {
        let name = field(metric, "name")?;
        if shows(dashboard, name) {
            let queries = queries(metric, dashboard.selector)?;
            panels.push(panel(name, field(metric, "help")?, &queries));
        }
    }
    for (index, panel) in panels.iter_mut().enumerate() {
        let place = json!({
            "x": index % 2 * WIDTH, "y": index / 2 * HEIGHT, "w": WIDTH, "h": HEIGHT,
        });
        if let Some(panel) = panel.as_object_mut() {
            panel.insert("id".to_owned(), json!(index + 1));
            panel.insert("gridPos".to_owned(), place);
        }
    }
    Ok(json!({
        "uid": format!("mcp-{}", dashboard.name),
        "title": dashboard.title,
        "tags": ["mcp"],
        "schemaVersion": 39,
        "editable": false,
        "refresh": "30s",
        "time": { "from": "now-6h", "to": "now" },
        "panels": panels,
    }))
}

/// A counter is shown as a rate, a histogram as two quantiles and a rate, by its labels.
fn queries(metric: &Value, selector: &str) -> Result<Vec<(String, &'static str)>> {
    let name = field(metric, "name")?;
    let labels = metric.get("labels").and_then(Value::as_array);
    let labels = labels
        .context("a metric says no labels")?
        .iter()
        .filter_map(Value::as_str);
    let by: Vec<&str> = std::iter::once("job").chain(labels).collect();
    let by = by.join(", ");
    let rate = |suffix: &str| format!("rate({name}{suffix}{{{selector}}}[$__rate_interval])");
    let quantile = |share: &str| {
        let buckets = rate("_bucket");
        format!("histogram_quantile({share}, sum by (job, le) ({buckets}))")
    };
    Ok(match field(metric, "kind")? {
        "counter" => vec![(format!("sum by ({by}) ({})", rate("")), "")],
        "histogram" => vec![
            (quantile("0.5"), "median"),
            (quantile("0.95"), "95th percentile"),
            (format!("sum by ({by}) ({})", rate("_count")), ""),
        ],
        _ => vec![(format!("{name}{{{selector}}}"), "")],
    })
}

fn panel(title: &str, description: &str, queries: &[(String, &str)]) -> Value {
    let target = |(letter, (expression, legend)): (char, &(String, &str))| {
        let legend = if legend.is_empty() { "__auto" } else { legend };
        json!({ "refId": letter, "expr": expression, "legendFormat": legend })
    };
    let targets: Vec<Value> = ('A'..).zip(queries).map(target).collect();
    json!({
        "type": "timeseries",
        "title": title,
        "description": description,
        "datasource": { "type": "prometheus", "uid": "prometheus" },
        "targets": targets,
    })
}

fn field<'a>(metric: &'a Value, name: &str) -> Result<&'a str> {
    let value = metric.get(name).and_then(Value::as_str);
    value.with_context(|| format!("a metric says no {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(name: &str, kind: &str) -> Value {
        json!({ "metrics": [{ "name": name, "kind": kind, "labels": ["a"], "help": "Says it." }] })
    }

    #[test]
    fn a_metric_is_shown_as_its_kind_asks() {
        let check = |kind: &str, expected: &[&str]| {
            let reference = reference("mcp_security_x", kind);
            let rendered = render(&reference).unwrap();
            let (_, text) = rendered
                .iter()
                .find(|(name, _)| name == "security.json")
                .unwrap();
            let dashboard: Value = serde_json::from_str(text).unwrap();
            let targets = dashboard["panels"][1]["targets"].as_array().unwrap();
            let found: Vec<&str> = targets
                .iter()
                .map(|target| target["expr"].as_str().unwrap())
                .collect();
            assert_eq!(found, expected, "{kind}");
        };
        let all = "{job=~\".+-mcp\"}";
        check("gauge", &[&format!("mcp_security_x{all}")]);
        let rate = |name: &str| format!("(rate({name}{all}[$__rate_interval]))");
        check(
            "counter",
            &[&format!("sum by (job, a) {}", rate("mcp_security_x"))],
        );
        let buckets = format!("sum by (job, le) {}", rate("mcp_security_x_bucket"));
        check(
            "histogram",
            &[
                &format!("histogram_quantile(0.5, {buckets})"),
                &format!("histogram_quantile(0.95, {buckets})"),
                &format!("sum by (job, a) {}", rate("mcp_security_x_count")),
            ],
        );
    }

    #[test]
    fn a_metric_that_no_dashboard_shows_is_named() {
        let error = render(&reference("new_metric", "gauge")).unwrap_err();
        assert_eq!(error.to_string(), "no dashboard shows new_metric");
    }
}
