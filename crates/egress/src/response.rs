//! What came back.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;

use crate::VettedUrl;

/// The answer at the end of the redirects, its body read.
#[derive(Debug, Clone)]
pub struct Response {
    /// The URL that answered.
    pub url: VettedUrl,
    /// The URLs that redirected, in order; empty when the first answered.
    pub redirects: Vec<VettedUrl>,
    /// The status code.
    pub status: u16,
    /// The decoded body.
    pub body: Bytes,
    /// Whether the body is all there was.
    pub completeness: Completeness,
    /// Bytes of the whole body, when the server said so and nothing was decoded.
    pub declared_bytes: Option<u64>,
    /// Time from sending the first request to the last byte of the body.
    pub elapsed: Duration,
    pub(crate) headers: HeaderMap,
}

/// Whether a body is all there was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completeness {
    /// All of it.
    Whole,
    /// It was longer than the limit; this is its beginning.
    Cut,
}

impl Response {
    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first value of a field, when it is text. `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// All fields in order; bytes that are not UTF-8 are replaced.
    pub fn headers(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        self.headers
            .iter()
            .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())))
    }
}
