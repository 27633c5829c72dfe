//! Host patterns, ports and names.

use url::Host;

use super::{HostPattern, HostPolicy, HostRefusal, PortPolicy, is_local_name, normalised};

fn check(pattern: &str, host: &str, expected: bool) {
    let pattern: HostPattern = pattern.parse().unwrap();
    let host = Host::parse(host).unwrap();
    let host = match &host {
        Host::Domain(domain) => Host::Domain(normalised(domain).unwrap()),
        Host::Ipv4(address) => Host::Ipv4(*address),
        Host::Ipv6(address) => Host::Ipv6(*address),
    };
    assert_eq!(pattern.matches(&host), expected, "{pattern} {host}");
}

#[test]
fn matches_hosts_as_the_url_standard_writes_them() {
    check("example.com", "EXAMPLE.com.", true);
    check("Example.com.", "example.com", true);
    check("example.com", "www.example.com", false);
    check("*.example.com", "www.example.com", true);
    check("*.example.com", "a.b.example.com", true);
    check("*.example.com", "example.com", false);
    check("*.example.com", "badexample.com", false);
    check("bücher.example", "xn--bcher-kva.example", true);
    check("*.bücher.example", "a.xn--bcher-kva.example", true);
    check("127.0.0.1", "0x7f000001", true);
    check("[::1]", "[0:0::1]", true);
    check("127.0.0.1", "127.0.0.2", false);
}

#[test]
fn refuses_patterns_that_mean_something_else() {
    for text in [
        "",
        "*",
        "*.",
        "a.*.com",
        "*.*.com",
        "*.10.0.0.1",
        "a..com",
        "http://a.com",
        "a/b",
    ] {
        assert!(text.parse::<HostPattern>().is_err(), "{text}");
    }
}

#[test]
fn a_denied_host_beats_an_allowed_one() {
    let policy = HostPolicy {
        allow: vec!["*.example.com".parse().unwrap()],
        deny: vec!["secret.example.com".parse().unwrap()],
        ports: PortPolicy::default(),
    };
    let judge = |name, port| policy.refusal(&Host::Domain(name), port);
    assert_eq!(judge("www.example.com", 443), None);
    assert_eq!(judge("other.com", 443), Some(HostRefusal::NotAllowed));
    assert_eq!(judge("www.example.com", 25), Some(HostRefusal::Port(25)));
    assert_eq!(
        judge("secret.example.com", 443),
        Some(HostRefusal::Denied("secret.example.com".parse().unwrap()))
    );
}

#[test]
fn blocks_the_ports_of_other_protocols() {
    let ports = PortPolicy::default();
    for port in [0, 22, 25, 110, 6000, 6667, 10080] {
        assert!(!ports.allows(port), "{port}");
    }
    for port in [80, 443, 3000, 8080, 8443, 65535] {
        assert!(ports.allows(port), "{port}");
    }
    let listed = PortPolicy {
        allow: vec![443, 25],
        deny: vec![25],
    };
    assert_eq!(
        [443, 80, 25].map(|port| listed.allows(port)),
        [true, false, false]
    );
}

#[test]
fn knows_the_names_of_this_machine() {
    for name in [
        "localhost",
        "a.localhost",
        "localhost.localdomain",
        "ip6-loopback",
    ] {
        assert!(is_local_name(name), "{name}");
    }
    for name in ["localhost.example.com", "notlocalhost", "example.com"] {
        assert!(!is_local_name(name), "{name}");
    }
}
