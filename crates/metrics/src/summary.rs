//! Calls by tool, read from an exposition.

use std::collections::BTreeMap;

use crate::exposition::{Exposition, Sample};
use crate::names::{CALL_DURATION, SECURITY_BLOCKS};

/// What the histogram says of one tool.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CallStats {
    /// Calls that ended.
    pub calls: u64,
    /// Calls that ended with an error.
    pub errors: u64,
    /// Time they took together, in seconds.
    pub seconds: f64,
    /// Median time in seconds, as Prometheus' `histogram_quantile` estimates it.
    pub p50: f64,
    /// 99th percentile in seconds, estimated alike.
    pub p99: f64,
}

/// What each tool did.
pub fn calls(numbers: &Exposition) -> BTreeMap<String, CallStats> {
    let mut tools: BTreeMap<String, CallStats> = BTreeMap::new();
    let of_tools = |series: &str| {
        let name = format!("{CALL_DURATION}_{series}");
        let mut samples: Vec<&Sample> = numbers.named(&name).collect();
        samples.retain(|sample| !tool(sample).is_empty());
        samples
    };
    for sample in of_tools("count") {
        let stats = tools.entry(tool(sample)).or_default();
        let count = sample.count();
        stats.calls += count;
        if !sample.label("error_type").is_empty() {
            stats.errors += count;
        }
    }
    for sample in of_tools("sum") {
        tools.entry(tool(sample)).or_default().seconds += sample.value;
    }
    let mut buckets: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for sample in of_tools("bucket") {
        let bound = sample.label("le").parse().unwrap_or(f64::INFINITY);
        let of_tool = buckets.entry(tool(sample)).or_default();
        match of_tool
            .iter_mut()
            .find(|(le, _)| le.total_cmp(&bound).is_eq())
        {
            Some((_, count)) => *count += sample.value,
            None => of_tool.push((bound, sample.value)),
        }
    }
    for (name, mut of_tool) in buckets {
        of_tool.sort_by(|a, b| a.0.total_cmp(&b.0));
        let stats = tools.entry(name).or_default();
        stats.p50 = quantile(0.5, &of_tool);
        stats.p99 = quantile(0.99, &of_tool);
    }
    tools
}

/// Calls that the policy refused.
pub fn blocks(numbers: &Exposition) -> u64 {
    numbers.total(SECURITY_BLOCKS)
}

fn tool(sample: &Sample) -> String {
    sample.label("gen_ai_tool_name").to_owned()
}

/// Linear interpolation within a bucket; the last finite bound for what lies above it.
fn quantile(q: f64, cumulative: &[(f64, f64)]) -> f64 {
    let Some(&(_, all)) = cumulative.last() else {
        return 0.0;
    };
    let rank = q * all;
    let mut below = (0.0, 0.0);
    for &(bound, count) in cumulative {
        if count >= rank && count > 0.0 {
            if bound.is_infinite() || count <= below.1 {
                return below.0;
            }
            return below.0 + (bound - below.0) * (rank - below.1) / (count - below.1);
        }
        below = (bound, count);
    }
    0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_quantiles_as_prometheus_does() {
        let cumulative = [(0.1, 10.0), (0.2, 30.0), (0.4, 40.0), (f64::INFINITY, 40.0)];
        assert!((quantile(0.5, &cumulative) - 0.15).abs() < 1e-9);
        assert!((quantile(0.99, &cumulative) - 0.392).abs() < 1e-9);
        assert!((quantile(0.5, &[(0.1, 0.0), (f64::INFINITY, 5.0)]) - 0.1).abs() < 1e-9);
        assert!(quantile(0.5, &[]).abs() < 1e-9);
    }

    #[test]
    fn adds_up_outcomes_of_one_tool() {
        let line = |error: &str, suffix: &str, le: &str, value: u32| {
            format!(
                "{CALL_DURATION}_{suffix}{{gen_ai_tool_name=\"t\",error_type=\"{error}\"{le}}} {value}\n"
            )
        };
        let text = [
            line("", "bucket", ",le=\"1\"", 3),
            line("", "bucket", ",le=\"+Inf\"", 3),
            line("", "sum", "", 2),
            line("", "count", "", 3),
            line("internal", "bucket", ",le=\"1\"", 1),
            line("internal", "bucket", ",le=\"+Inf\"", 1),
            line("internal", "sum", "", 1),
            line("internal", "count", "", 1),
            format!(
                "{CALL_DURATION}_count{{mcp_method_name=\"resources/read\",gen_ai_tool_name=\"\"}} 7\n"
            ),
        ];
        let tools = calls(&Exposition::parse(&text.concat()));
        assert_eq!(tools.len(), 1, "a method without a tool was taken for one");
        let stats = tools["t"];
        assert_eq!(
            (stats.calls, stats.errors, stats.seconds, stats.p50),
            (4, 1, 3.0, 0.5)
        );
    }
}
