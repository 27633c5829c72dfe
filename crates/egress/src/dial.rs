//! Connects to judged addresses.
#![expect(
    clippy::disallowed_methods,
    reason = "this module connects for the proxy; every address was judged"
)]

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Host;

use crate::resolver::JudgingResolver;
use crate::{EgressError, Phase, ResolveError, VettedUrl};

/// Addresses of one name that are tried; each has an equal share of the time.
const MOST_TRIED: usize = 4;

/// A connection to the host and port of `url`, within `limit` after the name is resolved.
pub(crate) async fn dial(
    url: &VettedUrl,
    resolver: &JudgingResolver,
    limit: Duration,
) -> Result<TcpStream, EgressError> {
    let host = || url.as_url().host_str().unwrap_or_default().to_owned();
    let mut failure = EgressError::TimedOut {
        phase: Phase::Connect,
        limit,
    };
    let found = judged(url, resolver)
        .await
        .map_err(|source| EgressError::Resolve {
            host: host(),
            source,
        })?;
    let tried = found.len().min(MOST_TRIED);
    let share = limit / u32::try_from(tried.max(1)).unwrap_or(1);
    for address in found.into_iter().take(tried) {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(source)) => {
                failure = EgressError::Connect {
                    host: host(),
                    source: source.into(),
                };
            }
            Err(_) => {}
        }
    }
    Err(failure)
}

/// An address literal was judged when the URL was vetted.
async fn judged(
    url: &VettedUrl,
    resolver: &JudgingResolver,
) -> Result<Vec<SocketAddr>, ResolveError> {
    let port = url.as_url().port_or_known_default().unwrap_or_default();
    match url.as_url().host() {
        None => Err(ResolveError::Empty),
        Some(Host::Ipv4(address)) => Ok(vec![(address, port).into()]),
        Some(Host::Ipv6(address)) => Ok(vec![(address, port).into()]),
        Some(Host::Domain(name)) => {
            let mut found = resolver.addresses_of(name).await?;
            for address in &mut found {
                address.set_port(port);
            }
            Ok(found)
        }
    }
}

#[cfg(test)]
mod tests {
    use mcp_security::addresses::AddressPolicy;

    use super::*;
    use crate::EgressConfig;

    #[tokio::test]
    async fn judges_what_a_name_resolves_to_and_reaches_what_is_allowed() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let local = vec!["127.0.0.0/8".parse().unwrap()];
        let lenient = EgressConfig {
            allow_networks: local.clone(),
            ..EgressConfig::default()
        };
        let url = lenient.build().unwrap();
        let url = url.vet(&format!("http://localhost:{port}/")).unwrap();
        let dial_with = async |allow, deny| {
            let resolver = JudgingResolver {
                addresses: AddressPolicy::new(allow, deny),
                timeout: Duration::from_secs(5),
            };
            dial(&url, &resolver, Duration::from_secs(5)).await
        };
        let stream = dial_with(local.clone(), Vec::new()).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap().port(), port);
        for (allow, deny) in [(Vec::new(), Vec::new()), (local.clone(), local)] {
            let refused = dial_with(allow, deny).await.unwrap_err();
            assert!(
                matches!(
                    &refused,
                    EgressError::Resolve {
                        source: ResolveError::Refused { .. },
                        ..
                    }
                ),
                "{refused:?}"
            );
        }
    }
}
