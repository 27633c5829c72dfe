//! A URL that the policy allowed.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mcp_security::addresses::{AddressPolicy, Refusal};
use mcp_security::hosts::{HostPolicy, HostRefusal, is_local_name, normalised};
use url::{Host, Url};

/// Characters of the longest URL; RFC 9110, section 4.1 asks for 8000 at least.
const LONGEST: usize = 16 * 1024;

/// A URL that may be requested: `http` or `https`, without user name and password, its host and
/// port allowed, its address public when it is a literal. Only [`crate::Egress::vet`] makes one.
///
/// Its fragment is gone: it is never sent.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct VettedUrl(Url);

/// A URL may not be requested.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UrlRefusal {
    /// It is longer than anything a server takes.
    #[error("the URL is longer than {limit} characters")]
    TooLong {
        /// Characters of the longest URL.
        limit: usize,
    },
    /// It does not parse.
    #[error("not a valid absolute URL")]
    Malformed {
        /// What the parser said.
        #[source]
        source: url::ParseError,
    },
    /// It is neither `http` nor `https`.
    #[error("the scheme {scheme:?} is not supported")]
    Scheme {
        /// The scheme found.
        scheme: String,
    },
    /// It carries a user name or a password.
    #[error("the URL carries credentials before its host")]
    Credentials,
    /// Its host is empty or has empty labels.
    #[error("{host:?} is not a valid host name")]
    BadHost {
        /// The host found.
        host: String,
    },
    /// The operator's lists of hosts and ports refuse it.
    #[error("{host}: {refusal}")]
    Host {
        /// The host, normalised.
        host: String,
        /// Why.
        refusal: HostRefusal,
    },
    /// Its host is a name of this machine.
    #[error("{host} names this machine")]
    LocalName {
        /// The host, normalised.
        host: String,
    },
    /// Its host is an address that may not be reached.
    #[error("{address} is {refusal}")]
    Address {
        /// The address, however it was written.
        address: IpAddr,
        /// Why.
        refusal: Refusal,
    },
}

impl UrlRefusal {
    /// Whether the policy refused a well-formed URL, rather than the URL being wrong in itself.
    pub fn is_policy(&self) -> bool {
        match self {
            Self::Host { .. } | Self::LocalName { .. } | Self::Address { .. } => true,
            Self::TooLong { .. }
            | Self::Malformed { .. }
            | Self::Scheme { .. }
            | Self::Credentials
            | Self::BadHost { .. } => false,
        }
    }
}

impl VettedUrl {
    /// The URL as text, normalised.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// What `reference` means on this page, as a browser would resolve it.
    pub fn join(&self, reference: &str) -> Result<Url, url::ParseError> {
        self.0.join(reference)
    }

    /// Whether a request to this URL goes over TLS.
    pub fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Whether both URLs have the same scheme, host and port (RFC 6454).
    pub fn same_origin(&self, other: &Self) -> bool {
        self.0.origin() == other.0.origin()
    }

    /// The host and port to connect to, such as `example.com:443`.
    pub fn authority(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        format!(
            "{host}:{}",
            self.0.port_or_known_default().unwrap_or_default()
        )
    }

    /// What is sent of the URL to its server (RFC 9112, section 3.2.1).
    pub(crate) fn path_and_query(&self) -> String {
        let path = self.0.path();
        match self.0.query() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        }
    }

    pub(crate) fn as_url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for VettedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Queries carry tokens, so only the origin is shown.
impl fmt::Debug for VettedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VettedUrl({}://{}/…)", self.0.scheme(), self.authority())
    }
}

/// Makes [`VettedUrl`]s.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    pub(crate) hosts: HostPolicy,
    pub(crate) addresses: AddressPolicy,
}

impl Gate {
    pub(crate) fn vet(&self, text: &str) -> Result<VettedUrl, UrlRefusal> {
        if text.len() > LONGEST {
            return Err(UrlRefusal::TooLong { limit: LONGEST });
        }
        let url = Url::parse(text).map_err(|source| UrlRefusal::Malformed { source })?;
        self.vet_parsed(url)
    }

    /// Judges a URL that is parsed already, such as the target of a redirect.
    pub(crate) fn vet_parsed(&self, mut url: Url) -> Result<VettedUrl, UrlRefusal> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(UrlRefusal::Scheme {
                scheme: url.scheme().to_owned(),
            });
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlRefusal::Credentials);
        }
        if url.as_str().len() > LONGEST {
            return Err(UrlRefusal::TooLong { limit: LONGEST });
        }
        url.set_fragment(None);
        drop_root_dot(&mut url)?;
        self.judge_host(&url)?;
        Ok(VettedUrl(url))
    }

    fn judge_host(&self, url: &Url) -> Result<(), UrlRefusal> {
        let bad_host = || UrlRefusal::BadHost {
            host: url.host_str().unwrap_or_default().to_owned(),
        };
        let host = url.host().ok_or_else(bad_host)?;
        let port = url.port_or_known_default().ok_or_else(bad_host)?;
        if let Some(refusal) = self.hosts.refusal(&host, port) {
            return Err(UrlRefusal::Host {
                host: host.to_string(),
                refusal,
            });
        }
        match host {
            Host::Domain(name) if is_local_name(name) && !self.opens_loopback() => {
                Err(UrlRefusal::LocalName {
                    host: name.to_owned(),
                })
            }
            Host::Domain(_) => Ok(()),
            Host::Ipv4(address) => self.judge_address(address.into()),
            Host::Ipv6(address) => self.judge_address(address.into()),
        }
    }

    fn judge_address(&self, address: IpAddr) -> Result<(), UrlRefusal> {
        match self.addresses.refusal(address) {
            Some(refusal) => Err(UrlRefusal::Address { address, refusal }),
            None => Ok(()),
        }
    }

    fn opens_loopback(&self) -> bool {
        [
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        ]
        .into_iter()
        .any(|address| self.addresses.refusal(address).is_none())
    }
}

/// `example.com.` and `example.com` are one host: lists, TLS and the breaker must see one name.
fn drop_root_dot(url: &mut Url) -> Result<(), UrlRefusal> {
    let Some(domain) = url.domain().map(str::to_owned) else {
        return Ok(());
    };
    let bad_host = || UrlRefusal::BadHost {
        host: domain.clone(),
    };
    let name = normalised(&domain).ok_or_else(bad_host)?;
    if name.len() != domain.len() {
        url.set_host(Some(name)).map_err(|_| bad_host())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
