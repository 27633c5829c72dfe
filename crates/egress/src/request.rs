//! What is sent.

use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;

use crate::{RequestHeaders, Robots, VettedUrl};

/// The methods that may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(
    missing_docs,
    reason = "the names are the methods of RFC 9110 and RFC 5789"
)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

impl Method {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }

    pub(crate) const fn to_http(self) -> http::Method {
        match self {
            Self::Get => http::Method::GET,
            Self::Head => http::Method::HEAD,
            Self::Post => http::Method::POST,
            Self::Put => http::Method::PUT,
            Self::Patch => http::Method::PATCH,
            Self::Delete => http::Method::DELETE,
            Self::Options => http::Method::OPTIONS,
        }
    }
}

/// A method that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the method is none of GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS")]
pub struct UnknownMethod;

impl FromStr for Method {
    type Err = UnknownMethod;

    /// Reads a method in any case.
    fn from_str(name: &str) -> Result<Self, UnknownMethod> {
        const ALL: [Method; 7] = [
            Method::Get,
            Method::Head,
            Method::Post,
            Method::Put,
            Method::Patch,
            Method::Delete,
            Method::Options,
        ];
        let named = |method: &Method| method.as_str().eq_ignore_ascii_case(name);
        ALL.into_iter().find(named).ok_or(UnknownMethod)
    }
}

/// A request that may be sent.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where to.
    pub url: VettedUrl,
    /// How.
    pub method: Method,
    /// The caller's header fields.
    pub headers: RequestHeaders,
    /// The body; empty means none.
    pub body: Bytes,
    /// Time for everything: redirects, head and body. At most `max_timeout` of the configuration.
    pub timeout: Duration,
    /// Bytes of the response body after decoding. At most `max_body_bytes` of the configuration.
    pub max_body_bytes: u64,
    /// Whether the site's robots.txt is asked first.
    pub robots: Robots,
}

impl Request {
    /// A plain `GET` that takes as much and as long as the configuration allows.
    pub fn get(url: VettedUrl) -> Self {
        Self {
            url,
            method: Method::Get,
            headers: RequestHeaders::default(),
            body: Bytes::new(),
            timeout: Duration::MAX,
            max_body_bytes: u64::MAX,
            robots: Robots::Ignore,
        }
    }
}
