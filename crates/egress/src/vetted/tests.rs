//! Every way to write a host that must end at the same verdict.

use crate::{EgressConfig, UrlRefusal};

fn check(expected: fn(&UrlRefusal) -> bool, urls: &[&str]) {
    let egress = EgressConfig::default().build().unwrap();
    for url in urls {
        match egress.vet(url) {
            Ok(vetted) => panic!("{url} became {vetted}"),
            Err(refusal) => assert!(expected(&refusal), "{url}: {refusal:?}"),
        }
    }
}

#[test]
fn refuses_loopback_however_it_is_written() {
    check(
        |refusal| matches!(refusal, UrlRefusal::Address { .. }),
        &[
            "http://127.0.0.1/",
            "http://127.0.0.1:8080/",
            "http://127.1/",
            "http://127.0.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0x7f.0.0.1/",
            "http://0x7f.1/",
            "http://017700000001/",
            "http://0177.0.0.1/",
            "http://0177.0.0.0x1/",
            "http://127.0.0.1./",
            "http://①②⑦.⓪.⓪.①/",
            "http://127。0。0。1/",
            "http://１２７.0.0.1/",
            "http://%31%32%37.0.0.1/",
            "http://127.0.0.1%2e/",
            "http:\\\\127.0.0.1\\",
            "http:127.0.0.1/",
            "http:/127.0.0.1/",
            "http:////127.0.0.1/",
            " http://127.0.0.1/",
            "ht\ntp://127.0\t.0.1/",
            "HTTP://127.0.0.1/",
            "http://0/",
            "http://0.0.0.0/",
            "http://[::]/",
            "http://[::1]/",
            "http://[0:0:0:0:0:0:0:1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://[0000::ffff:7f00:0001]/",
            "http://[::127.0.0.1]/",
            "http://[64:ff9b::7f00:1]/",
            "http://[2002:7f00:1::]/",
            "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/",
            "http://[::ffff:0:127.0.0.1]/",
            "http://[2a00::5efe:7f00:1]/",
            "https://127.0.0.1#@example.com/",
            "https://127.0.0.1?@example.com/",
            "https://127.0.0.1/@example.com/",
        ],
    );
}

#[test]
fn refuses_private_and_metadata_addresses() {
    check(
        |refusal| matches!(refusal, UrlRefusal::Address { .. }),
        &[
            "http://10.0.0.1/",
            "http://0xa000001/",
            "http://172.16.0.1/",
            "http://192.168.1.1/",
            "http://3232235777/",
            "http://169.254.169.254/latest/meta-data/",
            "http://2852039166/",
            "http://0xa9fea9fe/",
            "http://[::ffff:a9fe:a9fe]/",
            "http://[fd00:ec2::254]/",
            "http://100.100.100.200/",
            "http://168.63.129.16/",
            "http://[fe80::1]/",
            "http://[fc00::1]/",
            "http://224.0.0.1/",
            "http://255.255.255.255/",
        ],
    );
}

#[test]
fn refuses_names_of_this_machine() {
    check(
        |refusal| matches!(refusal, UrlRefusal::LocalName { .. }),
        &[
            "http://localhost/",
            "http://LOCALHOST./",
            "http://a.localhost/",
            "http://localhost.localdomain/",
            "http://ｌｏｃａｌｈｏｓｔ/",
            "http://%6c%6fcalhost/",
        ],
    );
}

#[test]
fn refuses_urls_that_are_wrong_in_themselves() {
    check(
        |refusal| !refusal.is_policy(),
        &[
            "",
            "example.com",
            "/relative",
            "//example.com/",
            "http://",
            "http:///",
            "http://exa mple.com/",
            "http://example.com\0.evil.com/",
            "http://example.com%00/",
            "http://[fe80::1%25eth0]/",
            "http://[fe80::1%eth0]/",
            "http://[::1%lo]/",
            "http://[::1/",
            "http://256.0.0.1/",
            "http://1.2.3.4.5/",
            "http://0x100000000/",
            "http://example.com:99999/",
            "http://a..b/",
            "http://example.com../",
            "http://./",
            "http://user@example.com/",
            "http://user:pass@example.com/",
            "http://:pass@example.com/",
            "http://example.com@127.0.0.1/",
            "file:///etc/passwd",
            "ftp://example.com/",
            "gopher://example.com/",
            "data:text/plain,x",
            "javascript:alert(1)",
            "ws://example.com/",
            "unix:/run/x.sock",
        ],
    );
}

#[test]
fn refuses_ports_of_other_protocols() {
    check(
        |refusal| matches!(refusal, UrlRefusal::Host { .. }),
        &[
            "http://example.com:22/",
            "https://example.com:25/",
            "http://example.com:0/",
        ],
    );
}

#[test]
fn normalises_what_it_allows() {
    let egress = EgressConfig::default().build().unwrap();
    for (written, normal) in [
        (
            "https://EXAMPLE.com.:443/a/../b#part",
            "https://example.com/b",
        ),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://8.8.8.8/", "http://8.8.8.8/"),
        ("http://134744072/", "http://8.8.8.8/"),
        (
            "http://[2606:4700:4700::1111]/",
            "http://[2606:4700:4700::1111]/",
        ),
    ] {
        assert_eq!(egress.vet(written).unwrap().as_str(), normal);
    }
}

#[test]
fn a_local_name_passes_once_loopback_is_allowed() {
    let config = EgressConfig {
        allow_networks: vec!["127.0.0.0/8".parse().unwrap()],
        ..EgressConfig::default()
    };
    let egress = config.build().unwrap();
    assert!(egress.vet("http://localhost:8080/").is_ok());
    assert!(egress.vet("http://[::1]:8080/").is_err());
}

#[test]
fn debug_hides_the_query() {
    let egress = EgressConfig::default().build().unwrap();
    let url = egress.vet("https://example.com/?token=secret").unwrap();
    assert_eq!(format!("{url:?}"), "VettedUrl(https://example.com:443/…)");
}
