//! Which hosts and ports a connection may be made to, by name.
//!
//! Names are compared as the URL standard normalises them (lower case, Punycode, no trailing dot).
//! This is the operator's allow-list; what an allowed name resolves to is judged by
//! [`crate::addresses`] as well.

mod pattern;
mod ports;

use std::fmt;

use url::Host;

pub use pattern::{BadPattern, HostPattern};
pub use ports::PortPolicy;

/// Judges hosts and ports. A denied pattern wins; with no allowed pattern every host is allowed.
#[derive(Debug, Clone, Default)]
pub struct HostPolicy {
    /// Hosts that may be reached; empty means all.
    pub allow: Vec<HostPattern>,
    /// Hosts that may not be reached.
    pub deny: Vec<HostPattern>,
    /// Ports that may be reached.
    pub ports: PortPolicy,
}

/// Why a host or port is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostRefusal {
    /// An operator's pattern denies the host.
    Denied(HostPattern),
    /// The operator listed allowed hosts and this is none of them.
    NotAllowed,
    /// The port belongs to a protocol that must not be spoken to, or is not on the operator's list.
    Port(u16),
    /// The operator denied the port.
    DeniedPort(u16),
}

impl fmt::Display for HostRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(pattern) => write!(f, "denied by the pattern {pattern}"),
            Self::NotAllowed => f.write_str("not on the list of allowed hosts"),
            Self::Port(port) => write!(f, "port {port} is not allowed"),
            Self::DeniedPort(port) => write!(f, "port {port} is denied"),
        }
    }
}

impl HostPolicy {
    /// Why `host` at `port` is refused, if it is. The host must be normalised: see [`normalised`].
    pub fn refusal(&self, host: &Host<&str>, port: u16) -> Option<HostRefusal> {
        if let Some(pattern) = self.deny.iter().find(|pattern| pattern.matches(host)) {
            return Some(HostRefusal::Denied(pattern.clone()));
        }
        if !self.allow.is_empty() && !self.allow.iter().any(|pattern| pattern.matches(host)) {
            return Some(HostRefusal::NotAllowed);
        }
        if self.ports.allows(port) {
            return None;
        }
        Some(if self.ports.deny.contains(&port) {
            HostRefusal::DeniedPort(port)
        } else {
            HostRefusal::Port(port)
        })
    }
}

/// `domain`, as the URL parser left it, without the dot that marks the DNS root; `None` when an
/// empty label remains.
pub fn normalised(domain: &str) -> Option<&str> {
    let name = domain.strip_suffix('.').unwrap_or(domain);
    name.split('.')
        .all(|label| !label.is_empty())
        .then_some(name)
}

/// Whether `domain` (normalised) names this machine: `localhost` and what lies beneath it
/// (RFC 6761), and the names that Linux distributions put in `/etc/hosts`.
pub fn is_local_name(domain: &str) -> bool {
    let last = domain.rsplit('.').next();
    last == Some("localhost")
        || matches!(
            domain,
            "localhost.localdomain"
                | "localhost4.localdomain4"
                | "localhost6.localdomain6"
                | "ip6-localhost"
                | "ip6-loopback"
        )
}

#[cfg(test)]
mod tests;
