//! Which `Host` a request may name (RFC 9112, section 3.2): exactly one, and one that a page in a
//! browser cannot have been led to by its own name server.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Refuses requests that do not name one host, which only HTTP/1.0 may leave out.
pub(crate) async fn require_one(request: Request, next: Next) -> Response {
    let hosts = request.headers().get_all(HOST).iter().count();
    if hosts == 1 || hosts == 0 && request.version() < Version::HTTP_11 {
        return next.run(request).await;
    }
    (StatusCode::BAD_REQUEST, "name one host\n").into_response()
}

/// Refuses requests to names other than `localhost` and those given. An address needs no leave: a
/// foreign page's requests carry the page's name.
pub(crate) async fn require_known(
    State(names): State<Arc<[String]>>,
    request: Request,
    next: Next,
) -> Response {
    if is_known(request.headers(), &names) {
        return next.run(request).await;
    }
    (StatusCode::FORBIDDEN, "not served under this name\n").into_response()
}

fn is_known(headers: &HeaderMap, names: &[String]) -> bool {
    let Some(value) = headers.get(HOST) else {
        return true;
    };
    let Ok(authority) = Authority::try_from(value.as_bytes()) else {
        return false;
    };
    let host = authority.host();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let known = |name: &str| name.eq_ignore_ascii_case(host);
    address.parse::<IpAddr>().is_ok() || known("localhost") || names.iter().any(|name| known(name))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn addresses_and_given_names_are_known() {
        let names = ["metrics.example".to_owned()];
        let check = |host: &'static str, expected| {
            let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static(host))]);
            assert_eq!(is_known(&headers, &names), expected, "{host}");
        };
        for host in [
            "localhost",
            "LocalHost:9931",
            "127.0.0.1:9931",
            "10.1.2.3",
            "[::1]:9931",
            "metrics.example:9931",
        ] {
            check(host, true);
        }
        for host in [
            "evil.example",
            "evil.example:9931",
            "localhost.evil.example",
            "",
            "a b",
        ] {
            check(host, false);
        }
        assert!(is_known(&HeaderMap::new(), &names));
    }
}
