//! Resolves names to addresses that may be reached.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mcp_security::addresses::{AddressPolicy, Refusal};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Addresses of one name that are looked at.
const MOST_ADDRESSES: usize = 64;

/// A name leads to no address that may be reached.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ResolveError {
    /// The resolver did not answer in time.
    #[error("the name was not resolved within {} s", limit.as_secs_f32())]
    TimedOut {
        /// The time it had.
        limit: Duration,
    },
    /// There is no such name, or the resolver failed.
    #[error("the name cannot be resolved")]
    Failed {
        /// What the system's resolver said.
        #[source]
        source: Arc<io::Error>,
    },
    /// The name has no address.
    #[error("the name has no address")]
    Empty,
    /// The policy refuses every address of the name; this is the first.
    #[error("the name resolves to {address}, which is {refusal}")]
    Refused {
        /// The first address.
        address: IpAddr,
        /// Why it is refused.
        refusal: Refusal,
    },
}

/// Hands the client only judged addresses, so what was judged is what is dialled.
#[derive(Debug, Clone)]
pub(crate) struct JudgingResolver {
    pub(crate) addresses: AddressPolicy,
    pub(crate) timeout: Duration,
}

impl JudgingResolver {
    /// The addresses of `name` that may be reached, at least one, each with port 0.
    pub(crate) async fn addresses_of(&self, name: &str) -> Result<Vec<SocketAddr>, ResolveError> {
        judge(&self.addresses, &lookup(name, self.timeout).await?)
    }
}

impl Resolve for JudgingResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let judged: Addrs = Box::new(resolver.addresses_of(name.as_str()).await?.into_iter());
            Ok(judged)
        })
    }
}

async fn lookup(name: &str, limit: Duration) -> Result<Vec<SocketAddr>, ResolveError> {
    // Port 0 stands for the one in the URL.
    match tokio::time::timeout(limit, tokio::net::lookup_host((name, 0))).await {
        Ok(Ok(found)) => Ok(found.take(MOST_ADDRESSES).collect()),
        Ok(Err(source)) => Err(ResolveError::Failed {
            source: Arc::new(source),
        }),
        Err(_) => Err(ResolveError::TimedOut { limit }),
    }
}

fn judge(policy: &AddressPolicy, found: &[SocketAddr]) -> Result<Vec<SocketAddr>, ResolveError> {
    let mut first_refused = None;
    let mut allowed = Vec::with_capacity(found.len());
    for address in found {
        match policy.refusal(address.ip()) {
            None => allowed.push(*address),
            Some(refusal) => {
                first_refused.get_or_insert(ResolveError::Refused {
                    address: address.ip(),
                    refusal,
                });
            }
        }
    }
    if allowed.is_empty() {
        Err(first_refused.unwrap_or(ResolveError::Empty))
    } else {
        Ok(allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(found: &[&str], expected: Result<&[&str], &str>) {
        let parse = |list: &[&str]| list.iter().map(|a| a.parse().unwrap()).collect::<Vec<_>>();
        let judged = judge(&AddressPolicy::new(Vec::new(), Vec::new()), &parse(found));
        assert_eq!(
            judged.map_err(|error| error.to_string()),
            expected.map(parse).map_err(str::to_owned)
        );
    }

    #[test]
    fn drops_refused_addresses_and_fails_when_none_is_left() {
        check(&["8.8.8.8:0", "10.0.0.1:0"], Ok(&["8.8.8.8:0"]));
        check(&["[::1]:0", "8.8.8.8:0", "127.0.0.1:0"], Ok(&["8.8.8.8:0"]));
        check(&[], Err("the name has no address"));
        check(
            &["10.0.0.1:0", "[::1]:0"],
            Err(
                "the name resolves to 10.0.0.1, which is not a public address \
                 (private, 10.0.0.0/8)",
            ),
        );
    }
}
