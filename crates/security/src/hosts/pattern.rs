//! A pattern of host names in the operator's lists.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Host;

use super::normalised;

/// One host (`example.com`, `192.0.2.1`, `[2001:db8::1]`) or all beneath a domain
/// (`*.example.com`, which does not match `example.com` itself).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPattern(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Exactly(Host),
    /// The domain with its leading dot.
    Beneath(String),
}

/// A text is no host pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pattern:?} is no host pattern: expected a host name, an address or `*.` and a domain")]
pub struct BadPattern {
    pattern: String,
}

impl HostPattern {
    /// Whether the pattern covers `host`, which must be normalised.
    pub fn matches(&self, host: &Host<&str>) -> bool {
        match (&self.0, host) {
            (Kind::Exactly(Host::Domain(own)), Host::Domain(name)) => own == name,
            (Kind::Exactly(Host::Ipv4(own)), Host::Ipv4(address)) => own == address,
            (Kind::Exactly(Host::Ipv6(own)), Host::Ipv6(address)) => own == address,
            (Kind::Beneath(domain), Host::Domain(name)) => {
                name.len() > domain.len() && name.ends_with(domain)
            }
            (Kind::Exactly(_) | Kind::Beneath(_), _) => false,
        }
    }
}

impl FromStr for HostPattern {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Self, BadPattern> {
        let bad = || BadPattern {
            pattern: text.to_owned(),
        };
        let beneath = text.strip_prefix("*.");
        let host = Host::parse(beneath.unwrap_or(text)).map_err(|_| bad())?;
        match (host, beneath) {
            (Host::Domain(domain), _) if domain.contains('*') => Err(bad()),
            (Host::Domain(domain), None) => {
                let name = normalised(&domain).ok_or_else(bad)?;
                Ok(Self(Kind::Exactly(Host::Domain(name.to_owned()))))
            }
            (Host::Domain(domain), Some(_)) => {
                let name = normalised(&domain).ok_or_else(bad)?;
                Ok(Self(Kind::Beneath(format!(".{name}"))))
            }
            (address @ (Host::Ipv4(_) | Host::Ipv6(_)), None) => Ok(Self(Kind::Exactly(address))),
            (Host::Ipv4(_) | Host::Ipv6(_), Some(_)) => Err(bad()),
        }
    }
}

impl TryFrom<String> for HostPattern {
    type Error = BadPattern;

    fn try_from(text: String) -> Result<Self, BadPattern> {
        text.parse()
    }
}

impl From<HostPattern> for String {
    fn from(pattern: HostPattern) -> Self {
        pattern.to_string()
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Exactly(host) => host.fmt(f),
            Kind::Beneath(domain) => write!(f, "*{domain}"),
        }
    }
}
