//! Sends a request, follows its redirects and reads the answer.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::{HeaderMap, LOCATION};
use mcp_metrics::GaugeSource;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use crate::body::{self, BodyBounds};
use crate::breaker::{Breakers, Health, Pass};
use crate::client::LazyClient;
use crate::dial::dial;
use crate::error::classify;
use crate::resolver::JudgingResolver;
use crate::robots::RobotsTexts;
use crate::vetted::Gate;
use crate::{
    EgressConfig, EgressError, Phase, Request, Response, Robots, UrlRefusal, VettedUrl, observe,
    redirect,
};

/// The way out. A cheap handle: clones share pool and breakers.
#[derive(Clone)]
pub struct Egress(Arc<Inner>);

struct Inner {
    config: EgressConfig,
    gate: Gate,
    resolver: JudgingResolver,
    client: LazyClient,
    breakers: Arc<Breakers>,
    robots: RobotsTexts,
    _open_breakers: GaugeSource,
}

/// A request on its way.
pub(crate) type Sending<'a> =
    Pin<Box<dyn Future<Output = Result<Response, EgressError>> + Send + 'a>>;

/// What one hop brought.
enum Hop {
    Final(Box<Response>),
    Redirect {
        status: StatusCode,
        location: String,
    },
}

impl Egress {
    pub(crate) fn new(
        config: EgressConfig,
        gate: Gate,
        resolver: JudgingResolver,
        client: LazyClient,
    ) -> Self {
        let breakers = Arc::new(Breakers::new(config.breaker));
        let counted = Arc::clone(&breakers);
        Self(Arc::new(Inner {
            robots: RobotsTexts::new(&config.user_agent),
            config,
            gate,
            resolver,
            client,
            breakers,
            _open_breakers: GaugeSource::open_breakers(move || length(counted.open())),
        }))
    }

    /// Judges a URL. Names are judged again when they are resolved.
    pub fn vet(&self, url: &str) -> Result<VettedUrl, UrlRefusal> {
        self.0.gate.vet(url)
    }

    /// Sends a request and follows its redirects. Dropping the future closes the connection.
    pub async fn send(&self, mut request: Request) -> Result<Response, EgressError> {
        let config = &self.0.config;
        request.timeout = request.timeout.min(config.max_timeout);
        request.max_body_bytes = request.max_body_bytes.min(config.max_body_bytes);
        let started = Instant::now();
        let result = self.follow(request, started).await;
        observe::finished(&result, started.elapsed());
        result
    }

    /// [`Egress::send`] behind a pointer, for the request that a request makes.
    pub(crate) fn send_boxed(&self, request: Request) -> Sending<'_> {
        Box::pin(self.send(request))
    }

    /// Hosts that are left alone now because they kept failing.
    pub fn open_breakers(&self) -> usize {
        self.0.breakers.open()
    }

    async fn follow(
        &self,
        mut request: Request,
        started: Instant,
    ) -> Result<Response, EgressError> {
        let limit = self.0.config.max_redirects;
        let mut redirects = Vec::new();
        loop {
            let deadline = started + request.timeout;
            if request.robots == Robots::Respect {
                self.0.robots.judge(self, &request.url, deadline).await?;
            }
            match self.hop(&request, deadline).await? {
                Hop::Final(mut response) => {
                    response.redirects = redirects;
                    response.elapsed = started.elapsed();
                    return Ok(*response);
                }
                Hop::Redirect { .. } if redirects.len() == limit => {
                    return Err(EgressError::TooManyRedirects { limit });
                }
                Hop::Redirect { status, location } => {
                    redirects.push(request.url.clone());
                    request = redirect::follow(&self.0.gate, request, status, &location)?;
                }
            }
        }
    }

    /// One exchange with one host. The deadline lies inside, so running out of time counts against
    /// the host, while a caller who gives up does not.
    async fn hop(&self, request: &Request, deadline: Instant) -> Result<Hop, EgressError> {
        let pass = self.admit(&request.url)?;
        let span = observe::span(request);
        let exchange = self.exchange(request).instrument(span.clone());
        let outcome = match timeout_at(deadline, exchange).await {
            Ok(outcome) => outcome,
            Err(_) => Err(EgressError::TimedOut {
                phase: Phase::Total,
                limit: request.timeout,
            }),
        };
        pass.settle(health(&outcome));
        let status = outcome.as_ref().map(|hop| match hop {
            Hop::Final(response) => response.status,
            Hop::Redirect { status, .. } => status.as_u16(),
        });
        observe::answered(&span, status);
        outcome
    }

    /// Asks the breaker of the URL's host and port.
    pub(crate) fn admit(&self, url: &VettedUrl) -> Result<Pass<'_>, EgressError> {
        let host = url.authority();
        let pass = self.0.breakers.admit(host.clone());
        pass.map_err(|retry_after| EgressError::BreakerOpen { host, retry_after })
    }

    /// Connects to the URL's host and port, at an address that the policy allows.
    pub(crate) async fn dial(&self, url: &VettedUrl) -> Result<TcpStream, EgressError> {
        dial(url, &self.0.resolver, self.0.config.connect_timeout).await
    }

    pub(crate) fn config(&self) -> &EgressConfig {
        &self.0.config
    }

    async fn exchange(&self, request: &Request) -> Result<Hop, EgressError> {
        let client = self.0.client.ready().await?;
        let host = request.url.as_url().host_str().unwrap_or_default();
        let outgoing = client
            .request(request.method.to_http(), request.url.as_url().clone())
            .headers(request.headers.as_map().clone())
            .body(request.body.clone())
            .send();
        let limit = self.0.config.first_byte_timeout;
        let response = match tokio::time::timeout(limit, outgoing).await {
            Ok(sent) => sent.map_err(|error| self.connect_timeout_or(error, host))?,
            Err(_) => {
                return Err(EgressError::TimedOut {
                    phase: Phase::FirstByte,
                    limit,
                });
            }
        };
        self.bound_head(response.headers(), host)?;
        let status = response.status();
        match response.headers().get(LOCATION) {
            Some(location) if redirect::is_redirect(status) => {
                let location = String::from_utf8_lossy(location.as_bytes()).into_owned();
                Ok(Hop::Redirect { status, location })
            }
            Some(_) | None => self
                .read(response, request)
                .await
                .map(|response| Hop::Final(Box::new(response))),
        }
    }

    async fn read(
        &self,
        mut response: reqwest::Response,
        request: &Request,
    ) -> Result<Response, EgressError> {
        let config = &self.0.config;
        let bounds = BodyBounds {
            max_bytes: request.max_body_bytes,
            min_per_window: config
                .min_rate_bytes_per_s
                .saturating_mul(config.rate_window.as_secs()),
            window: config.rate_window,
        };
        let status = response.status().as_u16();
        let declared_bytes = response.content_length();
        let headers = std::mem::take(response.headers_mut());
        let (body, completeness) = body::read(response, bounds).await?;
        Ok(Response {
            url: request.url.clone(),
            redirects: Vec::new(),
            status,
            body,
            completeness,
            declared_bytes,
            elapsed: Duration::ZERO,
            headers,
        })
    }

    fn bound_head(&self, headers: &HeaderMap, host: &str) -> Result<(), EgressError> {
        let bytes: usize = headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        let limit = usize::try_from(self.0.config.max_header_bytes).unwrap_or(usize::MAX);
        if bytes > limit || headers.len() > self.0.config.max_headers {
            return Err(EgressError::HeadTooLarge {
                host: host.to_owned(),
            });
        }
        Ok(())
    }

    fn connect_timeout_or(&self, error: reqwest::Error, host: &str) -> EgressError {
        let timed_out = error.is_timeout();
        let error = classify(error, host);
        if timed_out && matches!(error, EgressError::Connect { .. }) {
            let limit = self.0.config.connect_timeout;
            return EgressError::TimedOut {
                phase: Phase::Connect,
                limit,
            };
        }
        error
    }

    #[cfg(test)]
    pub(crate) fn gate(&self) -> &Gate {
        &self.0.gate
    }
}

/// Shows nothing of the configuration: it may name internal hosts.
impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress")
            .field("open_breakers", &self.open_breakers())
            .finish()
    }
}

fn length(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn health(outcome: &Result<Hop, EgressError>) -> Health {
    match outcome {
        Ok(Hop::Final(response)) if response.status >= 500 => Health::Bad,
        Ok(_) => Health::Good,
        Err(error) => health_after(error),
    }
}

/// What a failed exchange says of the host.
pub(crate) fn health_after(error: &EgressError) -> Health {
    match error {
        EgressError::HeadTooLarge { .. } => Health::Good,
        EgressError::Client { .. } | EgressError::Panicked => Health::Unknown,
        error if error.is_policy() => Health::Unknown,
        EgressError::BreakerOpen { .. }
        | EgressError::Resolve { .. }
        | EgressError::Connect { .. }
        | EgressError::Tls { .. }
        | EgressError::Transport { .. }
        | EgressError::TimedOut { .. }
        | EgressError::TooSlow { .. }
        | EgressError::TooManyRedirects { .. }
        | EgressError::Redirect { .. }
        | EgressError::Downgrade { .. }
        | EgressError::Robots { .. } => Health::Bad,
    }
}
