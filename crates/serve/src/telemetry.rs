//! The log, on standard error only because standard output belongs to the protocol, and traces.

use mcp_metrics::SPANS;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::stderr::Stderr;
use crate::{Identity, LogConfig, LogFormat, LogLevel, ServeConfig, Traces, traces};

/// Starts the log of this process and, where a collector is configured, its traces. A second call changes
/// nothing.
pub fn start_telemetry(identity: Identity, log: &LogConfig, serve: &ServeConfig) -> Traces {
    let (spans, traces) = traces::start(identity, serve);
    let registry = tracing_subscriber::registry();
    // Filters of single layers are asked for each span and event; one for all is not.
    let started = match spans {
        None => registry
            .with(filter(log.level))
            .with(written(log.format))
            .try_init(),
        Some(spans) => registry
            .with(spans.with_filter(Targets::new().with_target(SPANS, LevelFilter::TRACE)))
            .with(written(log.format).with_filter(filter(log.level)))
            .try_init(),
    };
    if started.is_err() {
        tracing::debug!("the log was started before");
    }
    traces
}

fn filter(level: LogLevel) -> Targets {
    // The SDK logs each message at `info` and whole arguments at `debug`.
    let of_libraries = match level {
        LogLevel::Trace => LevelFilter::TRACE,
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error | LogLevel::Warn | LogLevel::Info | LogLevel::Debug => LevelFilter::ERROR,
    };
    let level = match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    Targets::new()
        .with_default(level)
        .with_target(SPANS, LevelFilter::OFF)
        .with_target("rmcp", of_libraries)
        .with_target("hyper", of_libraries)
        .with_target("hyper_util", of_libraries)
        .with_target("reqwest", of_libraries)
        .with_target("html5ever", of_libraries)
        .with_target("selectors", of_libraries)
}

fn written<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    match format {
        LogFormat::Text => fmt::layer()
            .with_writer(|| Stderr)
            .with_ansi(false)
            .with_target(false)
            .boxed(),
        LogFormat::Json => fmt::layer().json().with_writer(|| Stderr).boxed(),
    }
}
