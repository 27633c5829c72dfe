//! Decides what follows a redirect, as the Fetch standard does ("HTTP-redirect fetch").

use bytes::Bytes;
use http::StatusCode;

use crate::vetted::Gate;
use crate::{EgressError, Method, Request, UrlRefusal};

/// Characters of a `Location` that an error shows.
const SHOWN: usize = 200;

/// Whether a response of this status names another place.
pub(crate) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The request that follows `request` after a redirect to `location`.
pub(crate) fn follow(
    gate: &Gate,
    mut request: Request,
    status: StatusCode,
    location: &str,
) -> Result<Request, EgressError> {
    let target = request
        .url
        .join(location)
        .map_err(|source| UrlRefusal::Malformed { source })
        .and_then(|url| gate.vet_parsed(url))
        .map_err(|source| EgressError::Redirect {
            location: location.chars().take(SHOWN).collect(),
            source,
        })?;
    if request.url.is_encrypted() && !target.is_encrypted() {
        return Err(EgressError::Downgrade {
            location: target.authority(),
        });
    }
    if becomes_get(status, request.method) {
        request.method = Method::Get;
        request.body = Bytes::new();
        request.headers.drop_body_fields();
    }
    if !request.url.same_origin(&target) {
        request.headers.keep_harmless();
    }
    request.url = target;
    Ok(request)
}

fn becomes_get(status: StatusCode, method: Method) -> bool {
    match status.as_u16() {
        303 => !matches!(method, Method::Get | Method::Head),
        301 | 302 => method == Method::Post,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EgressConfig, RequestHeaders};

    fn check(
        from: &str,
        status: u16,
        method: Method,
        location: &str,
    ) -> Result<Request, EgressError> {
        let egress = EgressConfig::default().build().unwrap();
        let request = Request {
            method,
            headers: RequestHeaders::try_new([
                ("authorization", "secret"),
                ("x-token", "secret"),
                ("accept", "a"),
                ("content-type", "t"),
            ])
            .unwrap(),
            body: Bytes::from_static(b"body"),
            ..Request::get(egress.vet(from).unwrap())
        };
        follow(
            egress.gate(),
            request,
            StatusCode::from_u16(status).unwrap(),
            location,
        )
    }

    #[test]
    fn rewrites_the_method_as_the_fetch_standard_does() {
        for (status, method, expected) in [
            (301, Method::Post, Method::Get),
            (302, Method::Post, Method::Get),
            (302, Method::Put, Method::Put),
            (303, Method::Put, Method::Get),
            (303, Method::Head, Method::Head),
            (307, Method::Post, Method::Post),
            (308, Method::Delete, Method::Delete),
        ] {
            let next = check("https://a.com/x", status, method, "/y").unwrap();
            assert_eq!(next.method, expected, "{status}");
            assert_eq!(next.body.is_empty(), expected != method, "{status}");
            assert_eq!(
                next.headers.contains("content-type"),
                expected == method,
                "{status}"
            );
        }
    }

    #[test]
    fn drops_credentials_across_origins_only() {
        for (location, kept) in [
            ("/y", true),
            ("https://a.com:443/y", true),
            ("https://a.com:444/y", false),
            ("https://b.com/", false),
            ("//www.a.com/", false),
        ] {
            let next = check("https://a.com/x", 302, Method::Get, location).unwrap();
            assert_eq!(next.headers.contains("authorization"), kept, "{location}");
            assert_eq!(next.headers.contains("x-token"), kept, "{location}");
            assert!(next.headers.contains("accept"), "{location}");
        }
    }

    #[test]
    fn judges_the_target_anew_and_never_leaves_tls() {
        for location in [
            "http://127.0.0.1/",
            "file:///etc/passwd",
            "http://u:p@b.com/",
            "http://[",
        ] {
            let refused = check("http://a.com/", 302, Method::Get, location);
            assert!(
                matches!(refused, Err(EgressError::Redirect { .. })),
                "{location}: {refused:?}"
            );
        }
        let downgraded = check("https://a.com/", 302, Method::Get, "http://a.com/");
        assert!(
            matches!(downgraded, Err(EgressError::Downgrade { .. })),
            "{downgraded:?}"
        );
        assert!(check("http://a.com/", 302, Method::Get, "https://a.com/").is_ok());
    }
}
