//! Header fields that a caller may set.

use std::fmt;

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// Fields in one request.
const MOST: usize = 64;
/// Bytes of all names and values.
const LARGEST: usize = 32 * 1024;

/// Fields that frame the message or name its target (RFC 9110, sections 7.2, 8.6 and 10.1.1). The
/// client sets them and those of the connection; a caller who could would smuggle a second request.
const RESERVED: &[&str] = &["content-length", "expect", "host"];

/// Fields that belong to one connection, whether or not `Connection` names them (RFC 9110, section
/// 7.6.1), and those meant for a proxy.
pub(crate) const OF_ONE_CONNECTION: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Fields that survive a redirect to another origin. A list of what is harmless: credentials go by
/// too many names to list.
const HARMLESS: &[&str] = &[
    "accept",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "content-language",
    "content-type",
    "if-modified-since",
    "if-none-match",
    "pragma",
    "range",
    "user-agent",
];

/// Valid header fields, none of which the client sets itself.
#[derive(Clone, Default)]
pub struct RequestHeaders(HeaderMap);

/// A header field cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderRefusal {
    /// Too many fields.
    #[error("more than {limit} header fields")]
    TooMany {
        /// The most fields of one request.
        limit: usize,
    },
    /// Too many bytes.
    #[error("the header fields have more than {limit} bytes")]
    TooLarge {
        /// The most bytes of all names and values.
        limit: usize,
    },
    /// A name that is no token (RFC 9110, section 5.1).
    #[error("{name:?} is not a valid header name")]
    Name {
        /// The name given.
        name: String,
    },
    /// A value with a line break, a NUL or another control character.
    #[error("the value of the header {name} holds a control character")]
    Value {
        /// The field's name.
        name: String,
    },
    /// A field that the client sets itself.
    #[error("the header {name} is set by the client and cannot be given")]
    Reserved {
        /// The field's name.
        name: String,
    },
}

impl RequestHeaders {
    /// Checks names and values; a name given twice keeps both values.
    pub fn try_new<'a>(
        fields: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, HeaderRefusal> {
        let mut headers = HeaderMap::new();
        let mut bytes = 0_usize;
        for (name, value) in fields {
            bytes = bytes.saturating_add(name.len()).saturating_add(value.len());
            if bytes > LARGEST {
                return Err(HeaderRefusal::TooLarge { limit: LARGEST });
            }
            if headers.len() == MOST {
                return Err(HeaderRefusal::TooMany { limit: MOST });
            }
            let (name, value) = field(name, value)?;
            headers.append(name, value);
        }
        Ok(Self(headers))
    }

    /// Whether a field of that name (in lower case) is present.
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(crate) fn as_map(&self) -> &HeaderMap {
        &self.0
    }

    /// Removes what must not reach another origin.
    pub(crate) fn keep_harmless(&mut self) {
        self.retain(|name| HARMLESS.contains(&name));
    }

    /// Removes what describes a body that is no longer sent (Fetch, "HTTP-redirect fetch").
    pub(crate) fn drop_body_fields(&mut self) {
        self.retain(|name| !name.starts_with("content-"));
    }

    fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        let dropped: Vec<_> = self
            .0
            .keys()
            .filter(|name| !keep(name.as_str()))
            .cloned()
            .collect();
        for name in dropped {
            self.0.remove(name);
        }
    }
}

fn field(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), HeaderRefusal> {
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| HeaderRefusal::Name {
        name: name.chars().take(80).collect(),
    })?;
    let is_reserved = |list: &[&str]| list.contains(&parsed.as_str());
    if is_reserved(RESERVED) || is_reserved(OF_ONE_CONNECTION) {
        return Err(HeaderRefusal::Reserved {
            name: parsed.to_string(),
        });
    }
    let mut value =
        HeaderValue::from_bytes(value.trim_matches([' ', '\t']).as_bytes()).map_err(|_| {
            HeaderRefusal::Value {
                name: parsed.to_string(),
            }
        })?;
    value.set_sensitive(!HARMLESS.contains(&parsed.as_str()));
    Ok((parsed, value))
}

/// Shows names only: values may be credentials.
impl fmt::Debug for RequestHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &str, expected: Option<&HeaderRefusal>) {
        let got = RequestHeaders::try_new([(name, value)]).err();
        assert_eq!(got.as_ref(), expected, "{name}: {value:?}");
    }

    #[test]
    fn refuses_injection_and_fields_of_the_client() {
        let bad_name = |name: &str| HeaderRefusal::Name {
            name: name.to_owned(),
        };
        let bad_value = |name: &str| HeaderRefusal::Value {
            name: name.to_owned(),
        };
        check("Accept", "text/html", None);
        check("X-Name", "naïve", None);
        for name in ["", "a b", "a:b", "a\r\nHost: b", "a\0", "ä"] {
            check(name, "x", Some(&bad_name(name)));
        }
        for value in ["a\r\nX-Evil: b", "a\nb", "a\rb", "a\0b", "\u{7f}"] {
            check("x-a", value, Some(&bad_value("x-a")));
        }
        for name in [
            "Host",
            "CONTENT-LENGTH",
            "Transfer-Encoding",
            "connection",
            "Upgrade",
        ] {
            let reserved = HeaderRefusal::Reserved {
                name: name.to_lowercase(),
            };
            check(name, "x", Some(&reserved));
        }
    }

    #[test]
    fn bounds_number_and_size() {
        let names: Vec<_> = (0..65).map(|i| format!("x-{i}")).collect();
        let many = RequestHeaders::try_new(names.iter().map(|name| (name.as_str(), "")));
        assert_eq!(many.err(), Some(HeaderRefusal::TooMany { limit: MOST }));
        let value = "x".repeat(LARGEST);
        check(
            "x-a",
            &value,
            Some(&HeaderRefusal::TooLarge { limit: LARGEST }),
        );
    }

    #[test]
    fn keeps_only_harmless_fields_across_origins() {
        let given = [
            ("Authorization", "a"),
            ("X-Api-Key", "b"),
            ("Cookie", "c"),
            ("Accept", "d"),
        ];
        let mut headers = RequestHeaders::try_new(given).unwrap();
        headers.keep_harmless();
        assert_eq!(format!("{headers:?}"), r#"["accept"]"#);
    }
}
