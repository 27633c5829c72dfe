//! The process's recorder: what every measurement goes to and what `/metrics` shows.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::names::{self, ENUM_COUNTERS, Kind, METRICS};
use crate::{process, source};

/// Upper bounds of the duration buckets, in seconds: 50 µs to two minutes.
const DURATION_BUCKETS: &[f64] = &[
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
];

/// Observations since histograms were last drained into their buckets.
static PENDING: AtomicU32 = AtomicU32::new(0);

/// The process's recorder. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Recorder {
    version: &'static str,
}

impl Recorder {
    /// A handle on the recorder of this process, for the program of that version.
    pub fn new(version: &'static str) -> Self {
        process::started();
        Self { version }
    }

    /// All metrics in the Prometheus text format, version 0.0.4.
    pub fn render(&self) -> String {
        let recorder = installed();
        metrics::gauge!(names::BUILD_INFO, "version" => self.version).set(1.0);
        process::record();
        source::record();
        recorder.render()
    }
}

/// The recorder, installed on first need: it calibrates a clock, which takes longer than the rest
/// of a start together.
pub(crate) fn installed() -> &'static PrometheusHandle {
    static INSTALLED: OnceLock<PrometheusHandle> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let buckets = PrometheusBuilder::new().set_buckets_for_metric(
            Matcher::Suffix("_duration_seconds".to_owned()),
            DURATION_BUCKETS,
        );
        let recorder = buckets
            .unwrap_or_else(|_| PrometheusBuilder::new())
            .build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_ok() {
            describe();
            start_at_zero();
        }
        handle
    })
}

/// Counts an observation. Histograms keep raw observations until they are drained, which a scrape
/// does; without scrapes they are drained here, so that memory stays bounded without a timer.
pub(crate) fn observed() {
    const DRAIN_EVERY: u32 = 1024;
    if PENDING.fetch_add(1, Ordering::Relaxed) >= DRAIN_EVERY {
        PENDING.store(0, Ordering::Relaxed);
        installed().run_upkeep();
    }
}

fn start_at_zero() {
    for (name, label, values) in ENUM_COUNTERS {
        for value in *values {
            metrics::counter!(*name, *label => *value).absolute(0);
        }
    }
    metrics::counter!(names::EGRESS_BYTES).absolute(0);
    metrics::gauge!(names::CALLS_IN_FLIGHT).increment(0.0);
}

fn describe() {
    for metric in METRICS {
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, metric.help),
            Kind::Gauge => metrics::describe_gauge!(metric.name, metric.help),
            Kind::Histogram => metrics::describe_histogram!(metric.name, metric.help),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Exposition;

    #[test]
    fn shows_what_was_never_counted_as_zero() {
        let numbers = Exposition::parse(&Recorder::new("test").render());
        for (name, label, values) in ENUM_COUNTERS {
            let shown: Vec<_> = numbers
                .named(name)
                .map(|sample| sample.label(label))
                .collect();
            for value in *values {
                assert!(shown.contains(value), "{name} lacks {value}");
            }
        }
        assert_eq!(numbers.named(names::EGRESS_BYTES).count(), 1);
        assert_eq!(numbers.named(names::CALLS_IN_FLIGHT).count(), 1);
        assert_eq!(numbers.named(names::EGRESS_BREAKERS).count(), 1);
    }
}
