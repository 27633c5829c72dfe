//! Requests to a server on loopback.

mod hostile;
pub(crate) mod server;
mod tls;

use std::time::{Duration, Instant};

use bytes::Bytes;
use mcp_metrics::names::EGRESS_BREAKERS;
use mcp_metrics::{Exposition, Recorder};

use crate::{
    Completeness, Egress, EgressConfig, EgressError, Method, Phase, Request, RequestHeaders,
    ResolveError,
};
use server::{Answer, Server, ok, respond};

fn local() -> EgressConfig {
    EgressConfig {
        allow_networks: vec!["127.0.0.0/8".parse().unwrap()],
        rate_window: Duration::from_secs(1),
        ..EgressConfig::default()
    }
}

fn egress() -> Egress {
    local().build().unwrap()
}

fn get(egress: &Egress, url: &str) -> Request {
    Request::get(egress.vet(url).unwrap())
}

#[tokio::test]
async fn fetches_and_reuses_the_connection() {
    let server = Server::start(|_| ok("hello")).await;
    let egress = egress();
    for _ in 0..3 {
        let response = egress
            .send(get(&egress, &server.url("/a?b=c")))
            .await
            .unwrap();
        assert_eq!(
            (response.status, &response.body[..]),
            (200, b"hello".as_slice())
        );
        assert_eq!(response.completeness, Completeness::Whole);
        assert_eq!(response.declared_bytes, Some(5));
        assert_eq!(response.header("content-type"), Some("text/plain"));
    }
    assert_eq!(server.connections(), 1);
    assert!(server.requests()[0].starts_with("GET /a?b=c HTTP/1.1\r\n"));
}

#[tokio::test]
async fn sends_method_headers_and_body() {
    let server = Server::start(|_| ok("")).await;
    let egress = egress();
    let request = Request {
        method: Method::Post,
        headers: RequestHeaders::try_new([("X-Test", "1"), ("User-Agent", "own")]).unwrap(),
        body: Bytes::from_static(b"payload"),
        ..get(&egress, &server.url("/"))
    };
    egress.send(request).await.unwrap();
    let seen = server.requests().remove(0).to_lowercase();
    for part in [
        "post / http/1.1",
        "x-test: 1\r\n",
        "user-agent: own\r\n",
        "content-length: 7\r\n",
    ] {
        assert!(seen.contains(part), "{part} in {seen}");
    }
    assert!(seen.ends_with("\r\n\r\npayload"), "{seen}");
}

#[tokio::test]
async fn a_head_request_has_no_body() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n";
    let server = Server::start(move |_| Answer::Whole(head.into())).await;
    let egress = egress();
    let request = Request {
        method: Method::Head,
        ..get(&egress, &server.url("/"))
    };
    let response = egress.send(request).await.unwrap();
    assert_eq!((response.status, response.body.len()), (200, 0));
}

#[tokio::test]
async fn refuses_a_name_that_resolves_to_loopback() {
    let server = Server::start(|_| ok("secret")).await;
    // ::1 is opened, so the name passes the gate and the resolver finds 127.0.0.1.
    let config = EgressConfig {
        allow_networks: vec!["::1/128".parse().unwrap()],
        deny_networks: vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()],
        ..EgressConfig::default()
    };
    assert!(
        config
            .clone()
            .build()
            .unwrap()
            .vet("http://localhost/")
            .is_err()
    );

    let egress = local().build().unwrap();
    let url = egress
        .vet(&format!("http://localhost:{}/", server.port()))
        .unwrap();
    assert_eq!(
        egress.send(Request::get(url.clone())).await.unwrap().status,
        200
    );

    let strict = config.build().unwrap();
    let refused = strict.send(Request::get(url)).await.unwrap_err();
    assert!(
        matches!(&refused, EgressError::Resolve { source: ResolveError::Refused { .. }, host }
            if host == "localhost"),
        "{refused:?}"
    );
    assert!(refused.is_policy());
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn follows_redirects_and_lists_them() {
    let server = Server::start(|request| match request.split(' ').nth(1) {
        Some("/a") => respond(302, "location: /b\r\n", ""),
        Some("/b") => respond(301, "location: c#part\r\n", "moved"),
        _ => ok("end"),
    })
    .await;
    let egress = egress();
    let response = egress.send(get(&egress, &server.url("/a"))).await.unwrap();
    assert_eq!(&response.body[..], b"end");
    assert_eq!(response.url.as_str(), server.url("/c"));
    let hops: Vec<_> = response.redirects.iter().map(ToString::to_string).collect();
    assert_eq!(hops, [server.url("/a"), server.url("/b")]);
}

#[tokio::test]
async fn ends_a_redirect_loop() {
    let server = Server::start(|_| respond(302, "location: /\r\n", "")).await;
    let egress = egress();
    let error = egress
        .send(get(&egress, &server.url("/")))
        .await
        .unwrap_err();
    assert!(
        matches!(error, EgressError::TooManyRedirects { limit: 5 }),
        "{error:?}"
    );
    assert_eq!(server.requests().len(), 6);
}

#[tokio::test]
async fn judges_every_redirect() {
    for target in [
        "http://10.0.0.1/",
        "http://[::1]/",
        "http://169.254.169.254/",
        "http://127.1:22/",
    ] {
        let head = format!("location: {target}\r\n");
        let server = Server::start(move |_| respond(302, &head, "")).await;
        let egress = egress();
        let error = egress
            .send(get(&egress, &server.url("/")))
            .await
            .unwrap_err();
        assert!(
            matches!(error, EgressError::Redirect { .. }),
            "{target}: {error:?}"
        );
    }
}

#[tokio::test]
async fn drops_credentials_on_the_way_to_another_origin() {
    let other = Server::start(|_| ok("")).await;
    let head = format!("location: {}\r\n", other.url("/"));
    let first = Server::start(move |_| respond(307, &head, "")).await;
    let egress = egress();
    let credentials = [
        ("authorization", "s3cret"),
        ("cookie", "s3cret"),
        ("x-key", "s3cret"),
    ];
    let headers = RequestHeaders::try_new(credentials).unwrap();
    let request = Request {
        headers,
        ..get(&egress, &first.url("/"))
    };
    egress.send(request).await.unwrap();
    assert_eq!(first.requests()[0].matches("s3cret").count(), 3);
    assert_eq!(other.requests()[0].matches("s3cret").count(), 0);
}

#[tokio::test]
async fn cuts_an_endless_body_at_the_limit() {
    let server = Server::start(|_| Answer::Endless).await;
    let egress = egress();
    let request = Request {
        max_body_bytes: 100_000,
        ..get(&egress, &server.url("/"))
    };
    let response = egress.send(request).await.unwrap();
    assert_eq!(
        (response.body.len(), response.completeness),
        (100_000, Completeness::Cut)
    );
    let whole = egress.send(get(&egress, &server.url("/"))).await.unwrap();
    assert_eq!(whole.body.len(), 10 * 1024 * 1024);
}

#[tokio::test]
async fn ends_a_body_that_drips() {
    let server = Server::start(|_| Answer::Drip).await;
    let egress = egress();
    let started = Instant::now();
    let error = egress
        .send(get(&egress, &server.url("/")))
        .await
        .unwrap_err();
    assert!(matches!(error, EgressError::TooSlow { .. }), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn gives_up_at_the_deadline() {
    let server = Server::start(|_| Answer::Silence).await;
    let egress = egress();
    let timeout = Duration::from_millis(100);
    let request = Request {
        timeout,
        ..get(&egress, &server.url("/"))
    };
    let error = egress.send(request).await.unwrap_err();
    assert!(
        matches!(error, EgressError::TimedOut { phase: Phase::Total, limit } if limit == timeout),
        "{error:?}"
    );
}

#[tokio::test]
async fn the_breaker_opens_on_server_errors_and_not_on_client_errors() {
    let server = Server::start(|request| {
        let status = if request.starts_with("GET /bad") {
            503
        } else {
            404
        };
        respond(status, "", "")
    })
    .await;
    let egress = egress();
    for _ in 0..6 {
        assert_eq!(
            egress
                .send(get(&egress, &server.url("/")))
                .await
                .unwrap()
                .status,
            404
        );
    }
    for _ in 0..5 {
        assert_eq!(
            egress
                .send(get(&egress, &server.url("/bad")))
                .await
                .unwrap()
                .status,
            503
        );
    }
    let error = egress
        .send(get(&egress, &server.url("/")))
        .await
        .unwrap_err();
    assert!(
        matches!(error, EgressError::BreakerOpen { .. }),
        "{error:?}"
    );
    assert_eq!(egress.open_breakers(), 1);

    // Nothing is sent any more, and yet the numbers follow the clock.
    let shown = || {
        let numbers = Recorder::new("test").render();
        Exposition::parse(&numbers).total(EGRESS_BREAKERS)
    };
    assert_eq!(shown(), 1);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!((egress.open_breakers(), shown()), (0, 0));
}

#[tokio::test]
async fn says_when_nobody_listens() {
    let port = Server::start(|_| ok("")).await.port();
    let egress = egress();
    let error = egress
        .send(get(&egress, &format!("http://127.0.0.1:{port}/")))
        .await
        .unwrap_err();
    assert!(matches!(error, EgressError::Connect { .. }), "{error:?}");
}

#[tokio::test]
async fn says_when_the_server_speaks_no_tls() {
    let server = Server::start(|_| ok("")).await;
    let egress = egress();
    let url = server.url("/").replace("http:", "https:");
    let error = egress.send(get(&egress, &url)).await.unwrap_err();
    assert!(matches!(error, EgressError::Tls { .. }), "{error:?}");
}

#[test]
fn the_default_configuration_survives_a_round_trip() {
    let text = serde_json::to_string(&EgressConfig::default()).unwrap();
    let parsed: EgressConfig = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&parsed).unwrap(), text);
    let unknown = serde_json::from_str::<EgressConfig>(r#"{"max_body": 1}"#);
    assert!(
        unknown
            .unwrap_err()
            .to_string()
            .contains("unknown field `max_body`")
    );
}
