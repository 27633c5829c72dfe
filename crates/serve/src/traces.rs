//! Traces: spans of each call and of its stages, sent to an OpenTelemetry collector.
//!
//! The spans are made with `tracing` wherever work is done ([`mcp_metrics::SPANS`]); only this module knows
//! what becomes of them. Without the feature `otlp` nothing does, but logs still name the trace that a
//! caller says its request belongs to.

#[cfg(not(feature = "otlp"))]
mod absent;
mod config;
mod context;
#[cfg(feature = "otlp")]
mod export;
mod request;

#[cfg(not(feature = "otlp"))]
use absent as export;

pub use config::{CollectorUrl, SampleRatio, TracingConfig};
pub use export::Traces;
pub(crate) use export::start;
pub(crate) use request::{RequestSpan, Target, Transport};
