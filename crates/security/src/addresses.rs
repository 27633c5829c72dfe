//! Which addresses a connection may be made to.
//!
//! Everything that is not global unicast is refused: the IANA special-purpose registries (RFC 6890
//! and its updates), addresses that embed a refused IPv4 address, cloud metadata services and the
//! machine's own interfaces. The operator's networks come on top: a denied network always wins, an
//! allowed one opens special ranges, and metadata opens only when its exact address is allowed.

mod embedded;
mod own;
mod special;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use own::OwnAddresses;

/// Judges addresses. A cheap handle: clones share the list of own addresses.
#[derive(Debug, Clone)]
pub struct AddressPolicy(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    allow: Vec<IpNet>,
    deny: Vec<IpNet>,
    own: OwnAddresses,
}

/// Why an address is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It lies in a range that is not global unicast; the range's name.
    Special(&'static str),
    /// It is a cloud metadata service.
    Metadata,
    /// It belongs to one of this machine's interfaces.
    OwnInterface,
    /// The operator denied this network.
    DeniedNetwork(IpNet),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Special(range) => write!(f, "not a public address ({range})"),
            Self::Metadata => f.write_str("a cloud metadata service"),
            Self::OwnInterface => f.write_str("an address of this machine"),
            Self::DeniedNetwork(network) => write!(f, "in the denied network {network}"),
        }
    }
}

impl AddressPolicy {
    /// A policy with the operator's networks. An IPv4 network also covers the IPv6 forms that embed
    /// its addresses.
    pub fn new(allow: Vec<IpNet>, deny: Vec<IpNet>) -> Self {
        Self(Arc::new(Rules {
            allow,
            deny,
            own: OwnAddresses::default(),
        }))
    }

    /// Why `address` is refused, if it is.
    pub fn refusal(&self, address: IpAddr) -> Option<Refusal> {
        let Rules { allow, deny, own } = &*self.0;
        let inner = embedded::ipv4_within(address).map(IpAddr::V4);
        let forms = || [Some(address), inner].into_iter().flatten();

        if let Some(network) = deny
            .iter()
            .find(|network| forms().any(|form| network.contains(&form)))
        {
            return Some(Refusal::DeniedNetwork(*network));
        }
        if forms().any(special::is_metadata) && !allow.iter().any(|net| is_exactly(net, forms())) {
            return Some(Refusal::Metadata);
        }
        if allow
            .iter()
            .any(|network| forms().any(|form| network.contains(&form)))
        {
            return None;
        }
        if let Some(range) = special::range_of(address) {
            return Some(Refusal::Special(range));
        }
        forms()
            .any(|form| own.contains(form))
            .then_some(Refusal::OwnInterface)
    }
}

fn is_exactly(network: &IpNet, mut forms: impl Iterator<Item = IpAddr>) -> bool {
    network.prefix_len() == network.max_prefix_len() && forms.any(|form| network.addr() == form)
}

#[cfg(test)]
mod tests;
