//! The one way out to the network.
//!
//! [`Egress::vet`] turns a text into a [`VettedUrl`], the only thing that can be sent to. Names are
//! resolved by a resolver that judges every address, inside the client, so the address that was
//! judged is the address that is dialled; redirects are followed by hand and judged anew. Every
//! answer is bounded in headers, decoded bytes, rate and time, and a host that keeps failing is
//! left alone for a while. A command reaches the network through [`Egress::proxy`], judged alike.
//!
//! This crate deliberately knows nothing of tools or of what a body means, but for robots.txt when
//! a request asks for it: bytes in, bytes out. It keeps no cookies, reads no proxy from the environment and retries nothing by itself.
//!
//! ```
//! use mcp_egress::{EgressConfig, UrlRefusal};
//!
//! let egress = EgressConfig::default().build()?;
//! assert!(egress.vet("https://example.com/").is_ok());
//! assert!(matches!(egress.vet("http://[::ffff:7f00:1]/"), Err(UrlRefusal::Address { .. })));
//! # Ok::<(), mcp_egress::ConfigError>(())
//! ```

mod body;
mod breaker;
mod client;
mod config;
mod dial;
mod error;
mod exchange;
mod headers;
mod observe;
mod proxy;
mod redirect;
mod request;
mod resolver;
mod response;
mod robots;
mod vetted;

pub use breaker::BreakerConfig;
pub use config::{ConfigError, EgressConfig};
pub use error::{EgressError, POLICY_HINT, Phase};
pub use exchange::Egress;
pub use headers::{HeaderRefusal, RequestHeaders};
pub use proxy::{CommandProxy, ProxyConfig, Refused};
pub use request::{Method, Request, UnknownMethod};
pub use resolver::ResolveError;
pub use response::{Completeness, Response};
pub use robots::{Robots, RobotsRefusal};
pub use vetted::{UrlRefusal, VettedUrl};

#[cfg(test)]
mod tests;
