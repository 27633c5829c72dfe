//! The HTTP client, built when it is first needed.
#![expect(
    clippy::disallowed_methods,
    reason = "this module owns the one HTTP client"
)]

use std::sync::Arc;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder};
use tokio::sync::OnceCell;

use crate::resolver::JudgingResolver;
use crate::{EgressConfig, EgressError};

/// A client that starts on first use: loading the system's certificates takes tens of milliseconds
/// that a server's start must not pay.
pub(crate) struct LazyClient {
    recipe: Box<dyn Fn() -> ClientBuilder + Send + Sync>,
    client: OnceCell<Client>,
}

impl LazyClient {
    pub(crate) fn new(
        config: &EgressConfig,
        authorities: Vec<Certificate>,
        resolver: JudgingResolver,
    ) -> Self {
        let config = config.clone();
        let recipe = move || builder(&config, &authorities, resolver.clone());
        Self {
            recipe: Box::new(recipe),
            client: OnceCell::new(),
        }
    }

    pub(crate) async fn ready(&self) -> Result<&Client, EgressError> {
        self.client
            .get_or_try_init(|| async {
                let builder = (self.recipe)();
                let start = move || {
                    use_ring();
                    builder.build()
                };
                match tokio::task::spawn_blocking(start).await {
                    Ok(client) => client.map_err(|source| EgressError::Client { source }),
                    Err(_) => Err(EgressError::Panicked),
                }
            })
            .await
    }
}

/// reqwest is built without a crypto provider of its own and takes the process's default.
fn use_ring() {
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        tracing::debug!("a crypto provider is installed already");
    }
}

fn builder(
    config: &EgressConfig,
    authorities: &[Certificate],
    resolver: JudgingResolver,
) -> ClientBuilder {
    Client::builder()
        .dns_resolver(Arc::new(resolver))
        .redirect(Policy::none())
        .no_proxy()
        .referer(false)
        .user_agent(config.user_agent.as_str())
        .connect_timeout(config.connect_timeout)
        .pool_max_idle_per_host(config.pool_per_host)
        .pool_idle_timeout(config.pool_idle_timeout)
        .http1_max_headers(config.max_headers)
        .http2_max_header_list_size(config.max_header_bytes)
        .tls_certs_merge(authorities.iter().cloned())
}
