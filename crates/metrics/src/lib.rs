//! What is measured: the names, the label values, the recorder and what can be read back from it.
//!
//! Names follow the Prometheus conventions (base units, `_total` for counters) and, for calls, the
//! OpenTelemetry semantic conventions for MCP. No text from a caller ever becomes a label: label
//! values are enums, tool names of the catalogue, or constants.
//!
//! ```
//! let recorder = mcp_metrics::Recorder::new("1.0.0");
//! mcp_metrics::CallMeter::new("read_file").start().finish("");
//! let numbers = mcp_metrics::Exposition::parse(&recorder.render());
//! assert_eq!(mcp_metrics::calls(&numbers)["read_file"].calls, 1);
//! ```

mod exposition;
pub mod names;
mod process;
mod record;
mod recorder;
mod source;
mod summary;

pub use exposition::{Exposition, Sample};
pub use names::{Kind, METRICS, Metric};
pub use record::{
    Admission, CacheCounter, CacheLookup, CallMeter, CallTimer, Reload, SpanFate, admission,
    audit_failure, audit_lost, cache_entries, egress_received, egress_request, policy_reload,
    security_block, spans,
};
pub use recorder::Recorder;
pub use source::{
    GaugeSource, Sandbox, audit_records, disk_in_use, policy_in_force, sandbox_in_force,
};
pub use summary::{CallStats, blocks, calls};

/// Target of the `tracing` spans that traces are made of. They are of the level `TRACE`: where no traces
/// are wanted, each costs one comparison. Their fields become attributes, so they hold names of ours and
/// numbers, never text of a caller, but for the host of an outgoing request, which is sent only where
/// `tracing.hosts` asks for it.
pub const SPANS: &str = "mcp_spans";
