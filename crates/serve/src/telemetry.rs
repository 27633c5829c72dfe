//! The log: standard error only, because standard output belongs to the protocol.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::stderr::Stderr;
use crate::{LogConfig, LogFormat, LogLevel};

/// Starts the log of this process. A second call changes nothing.
pub fn start_logging(config: &LogConfig) {
    let level = match config.level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    // The SDK logs each message at `info` and whole arguments at `debug`.
    let of_libraries = match config.level {
        LogLevel::Trace => LevelFilter::TRACE,
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error | LogLevel::Warn | LogLevel::Info | LogLevel::Debug => LevelFilter::ERROR,
    };
    let filter = Targets::new()
        .with_default(level)
        .with_target("rmcp", of_libraries)
        .with_target("hyper", of_libraries)
        .with_target("hyper_util", of_libraries)
        .with_target("reqwest", of_libraries)
        .with_target("html5ever", of_libraries)
        .with_target("selectors", of_libraries);
    let registry = tracing_subscriber::registry().with(filter);
    let started = match config.format {
        LogFormat::Text => registry
            .with(
                fmt::layer()
                    .with_writer(|| Stderr)
                    .with_ansi(false)
                    .with_target(false),
            )
            .try_init(),
        LogFormat::Json => registry
            .with(fmt::layer().json().with_writer(|| Stderr))
            .try_init(),
    };
    if started.is_err() {
        tracing::debug!("the log was started before");
    }
}
