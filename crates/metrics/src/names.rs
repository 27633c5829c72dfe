//! The one table of metrics: the README's table and the recorder's help texts come from it.

/// What a metric counts or measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations in buckets.
    Histogram,
}

impl Kind {
    /// The word that the Prometheus text format uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric as it is exposed.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its full name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// What it says, with its unit.
    pub help: &'static str,
}

pub(crate) const CALL_DURATION: &str = "mcp_server_operation_duration_seconds";
pub(crate) const CALLS_IN_FLIGHT: &str = "mcp_calls_in_flight";
/// Calls that arrived, by decision.
pub const ADMISSIONS: &str = "mcp_admissions_total";
/// Calls that the policy refused, by reason.
pub const SECURITY_BLOCKS: &str = "mcp_security_blocks_total";
pub(crate) const AUDIT_RECORDS: &str = "mcp_audit_records_total";
pub(crate) const AUDIT_LOST: &str = "mcp_audit_lost_records_total";
pub(crate) const AUDIT_FAILURES: &str = "mcp_audit_failures_total";
pub(crate) const CACHE_LOOKUPS: &str = "mcp_cache_lookups_total";
pub(crate) const CACHE_ENTRIES: &str = "mcp_cache_entries";
/// Time of outgoing HTTP requests, by outcome.
pub const EGRESS_DURATION: &str = "mcp_egress_request_duration_seconds";
/// Bytes received from other machines.
pub const EGRESS_BYTES: &str = "mcp_egress_received_bytes_total";
/// Hosts that are not asked for now.
pub const EGRESS_BREAKERS: &str = "mcp_egress_open_breakers";
/// Configurations that were looked at again, by what became of them.
pub const POLICY_RELOADS: &str = "mcp_policy_reloads_total";
/// Which policy is in force.
pub const POLICY_INFO: &str = "mcp_policy_info";
/// Whether the newest configuration is not in force.
pub const POLICY_STALE: &str = "mcp_policy_stale";
/// The tier of the sandbox that commands run in.
pub const SANDBOX_TIER: &str = "mcp_sandbox_tier";
/// Whether commands are refused for want of a sandbox.
pub const SANDBOX_MISSING: &str = "mcp_sandbox_missing";
pub(crate) const DISK_FREE: &str = "mcp_disk_free_bytes";
pub(crate) const DISK_SIZE: &str = "mcp_disk_size_bytes";
pub(crate) const TRACE_SPANS: &str = "mcp_trace_spans_total";
pub(crate) const BUILD_INFO: &str = "mcp_build_info";
pub(crate) const PROCESS_START: &str = "process_start_time_seconds";
pub(crate) const PROCESS_CPU: &str = "process_cpu_seconds_total";
pub(crate) const PROCESS_MEMORY: &str = "process_resident_memory_bytes";
pub(crate) const PROCESS_FDS: &str = "process_open_fds";

/// Counters whose label is an enum, with its values: they are shown as 0 before anything is
/// counted, so that a first increment is seen as one (`rate()` misses a counter's birth).
pub(crate) const ENUM_COUNTERS: &[(&str, &str, &[&str])] = &[
    (ADMISSIONS, "decision", DECISIONS),
    (POLICY_RELOADS, "outcome", RELOADS),
    (SECURITY_BLOCKS, "reason", REFUSALS),
    (TRACE_SPANS, "outcome", SPANS),
];

/// What becomes of a call on arrival.
const DECISIONS: &[&str] = &["admitted", "rate_limited", "saturated"];

/// What becomes of a configuration that is looked at again.
const RELOADS: &[&str] = &["applied", "unchanged", "refused"];

/// The tiers of the sandbox, strongest first.
pub(crate) const TIERS: &[&str] = &["strict", "landlock", "none"];

/// What becomes of a span that was recorded.
const SPANS: &[&str] = &["delivered", "dropped", "failed"];

/// The error codes of calls that the policy refused.
pub const REFUSALS: &[&str] = &[
    "path_denied",
    "command_denied",
    "egress_denied",
    "env_denied",
    "process_denied",
    "confirmation_required",
];

/// Every metric there is, by name.
pub const METRICS: &[Metric] = &[
    Metric {
        name: ADMISSIONS,
        kind: Kind::Counter,
        labels: &["decision"],
        help: "Calls that arrived, by decision: admitted, rate_limited or saturated.",
    },
    Metric {
        name: AUDIT_FAILURES,
        kind: Kind::Counter,
        labels: &[],
        help: "Attempts to write the audit, or to reserve room in it, that failed.",
    },
    Metric {
        name: AUDIT_LOST,
        kind: Kind::Counter,
        labels: &[],
        help: "Records of calls that were lost because the audit could not be written.",
    },
    Metric {
        name: AUDIT_RECORDS,
        kind: Kind::Counter,
        labels: &[],
        help: "Records written to the audit.",
    },
    Metric {
        name: BUILD_INFO,
        kind: Kind::Gauge,
        labels: &["version"],
        help: "Always 1; the label says which version runs.",
    },
    Metric {
        name: CACHE_ENTRIES,
        kind: Kind::Gauge,
        labels: &["cache"],
        help: "Entries in a cache when one was last stored or forgotten.",
    },
    Metric {
        name: CACHE_LOOKUPS,
        kind: Kind::Counter,
        labels: &["cache", "result"],
        help: "Cache lookups, by result: hit or miss.",
    },
    Metric {
        name: CALLS_IN_FLIGHT,
        kind: Kind::Gauge,
        labels: &[],
        help: "Calls in progress.",
    },
    Metric {
        name: DISK_FREE,
        kind: Kind::Gauge,
        labels: &["directory"],
        help: "Bytes that the server can still write where its data or its audit is kept.",
    },
    Metric {
        name: DISK_SIZE,
        kind: Kind::Gauge,
        labels: &["directory"],
        help: "Size of the file system where its data or its audit is kept, in bytes.",
    },
    Metric {
        name: EGRESS_BREAKERS,
        kind: Kind::Gauge,
        labels: &[],
        help: "Hosts that are not asked because they failed too often.",
    },
    Metric {
        name: EGRESS_BYTES,
        kind: Kind::Counter,
        labels: &[],
        help: "Bytes of response bodies received, after decompression; what commands receive, as it came.",
    },
    Metric {
        name: EGRESS_DURATION,
        kind: Kind::Histogram,
        labels: &["outcome"],
        help: "Time of an outgoing HTTP request with its redirects, in seconds, by outcome; of a \
               command's, until its connection stands.",
    },
    Metric {
        name: POLICY_INFO,
        kind: Kind::Gauge,
        labels: &["version"],
        help: "1 for the policy in force, 0 for those before it; the label is a hash of its source.",
    },
    Metric {
        name: POLICY_RELOADS,
        kind: Kind::Counter,
        labels: &["outcome"],
        help: "Times that the configuration was looked at again: applied, unchanged or refused.",
    },
    Metric {
        name: POLICY_STALE,
        kind: Kind::Gauge,
        labels: &[],
        help: "1 while the newest configuration is refused and the policy before it is in force.",
    },
    Metric {
        name: SANDBOX_MISSING,
        kind: Kind::Gauge,
        labels: &[],
        help: "1 while commands are refused because no tier of the sandbox that the host allows holds \
               what the policy demands.",
    },
    Metric {
        name: SANDBOX_TIER,
        kind: Kind::Gauge,
        labels: &["tier"],
        help: "1 for the tier of the sandbox that commands run in, 0 for the others.",
    },
    Metric {
        name: SECURITY_BLOCKS,
        kind: Kind::Counter,
        labels: &["reason"],
        help: "Calls that the policy refused, by error code.",
    },
    Metric {
        name: CALL_DURATION,
        kind: Kind::Histogram,
        labels: &["mcp_method_name", "gen_ai_tool_name", "error_type"],
        help: "Time of a call in seconds; error_type is its error code, empty on success; without a \
               tool, of the method.",
    },
    Metric {
        name: TRACE_SPANS,
        kind: Kind::Counter,
        labels: &["outcome"],
        help: "Spans recorded for traces: delivered in requests that the collector accepted, dropped because \
               too many waited, or failed to be delivered.",
    },
    Metric {
        name: PROCESS_CPU,
        kind: Kind::Counter,
        labels: &[],
        help: "CPU time of the server itself, user and system, in seconds.",
    },
    Metric {
        name: PROCESS_FDS,
        kind: Kind::Gauge,
        labels: &[],
        help: "File descriptors that the server has open.",
    },
    Metric {
        name: PROCESS_MEMORY,
        kind: Kind::Gauge,
        labels: &[],
        help: "Resident memory of the server, in bytes.",
    },
    Metric {
        name: PROCESS_START,
        kind: Kind::Gauge,
        labels: &[],
        help: "When the server started, in seconds since the Unix epoch.",
    },
];
