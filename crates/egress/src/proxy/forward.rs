//! Carries on a request with an absolute URL (RFC 9112, section 3.2.2), and its response back.

use http::header::{CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, VIA};
use http::uri::PathAndQuery;
use http::{Request, Response, Uri};
use hyper::body::Incoming;

use crate::VettedUrl;
use crate::headers::OF_ONE_CONNECTION;

/// The name that this proxy signs messages with (RFC 9110, section 7.6.3).
const OWN_NAME: HeaderValue = HeaderValue::from_static("1.1 mcp-egress");

/// The request as it goes to the server of `url`: in origin form, with the host of its target.
pub(super) fn outgoing(request: Request<Incoming>, url: &VettedUrl) -> Request<Incoming> {
    let (mut head, body) = request.into_parts();
    drop_fields_of_connection(&mut head.headers);
    head.uri = origin_form(&head.uri);
    let host = url.as_url().host_str().unwrap_or_default();
    let authority = match url.as_url().port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    if let Ok(authority) = HeaderValue::from_str(&authority) {
        head.headers.insert(HOST, authority);
    }
    head.headers.append(VIA, OWN_NAME);
    Request::from_parts(head, body)
}

/// The response as it goes back to the command.
pub(super) fn incoming(response: Response<Incoming>) -> Response<Incoming> {
    let (mut head, body) = response.into_parts();
    drop_fields_of_connection(&mut head.headers);
    head.headers.append(VIA, OWN_NAME);
    Response::from_parts(head, body)
}

fn origin_form(uri: &Uri) -> Uri {
    uri.path_and_query()
        .map_or_else(|| PathAndQuery::from_static("/"), Clone::clone)
        .into()
}

fn drop_fields_of_connection(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in OF_ONE_CONNECTION {
        headers.remove(*name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_what_belongs_to_one_connection() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "keep-alive, X-Hop"),
            ("x-hop", "1"),
            ("x-end", "2"),
            ("proxy-authorization", "secret"),
            ("transfer-encoding", "chunked"),
            ("te", "trailers"),
            ("accept", "a"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        drop_fields_of_connection(&mut headers);
        let left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["x-end", "accept"]);
    }
}
