//! The address policy, form by form.

use std::net::IpAddr;

use super::{AddressPolicy, Refusal};

fn policy(allow: &[&str], deny: &[&str]) -> AddressPolicy {
    let parse = |list: &[&str]| {
        list.iter()
            .map(|network| network.parse().unwrap())
            .collect()
    };
    AddressPolicy::new(parse(allow), parse(deny))
}

fn check(policy: &AddressPolicy, verdict: fn(Option<Refusal>) -> bool, addresses: &[&str]) {
    for address in addresses {
        let refusal = policy.refusal(address.parse::<IpAddr>().unwrap());
        assert!(verdict(refusal), "{address}: {refusal:?}");
    }
}

#[test]
fn allows_public_addresses() {
    check(
        &policy(&[], &[]),
        |refusal| refusal.is_none(),
        &[
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2001:4860:4860::8888",
            "2001:200::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
        ],
    );
}

#[test]
fn refuses_ipv4_that_is_not_global_unicast() {
    check(
        &policy(&[], &[]),
        |refusal| matches!(refusal, Some(Refusal::Special(_))),
        &[
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.1.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.0.170",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
        ],
    );
}

#[test]
fn refuses_ipv6_that_is_not_global_unicast_or_embeds_such() {
    check(
        &policy(&[], &[]),
        |refusal| matches!(refusal, Some(Refusal::Special(_))),
        &[
            "::",
            "::1",
            "::2",
            "::127.0.0.1",
            "::8.8.8.8",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:0.0.0.0",
            "::ffff:0:8.8.8.8",
            "64:ff9b::127.0.0.1",
            "64:ff9b::10.1.2.3",
            "64:ff9b:1::8.8.8.8",
            "100::1",
            "100:0:0:1::1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:10::1",
            "2001:20::1",
            "2001:1ff:ffff::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:808:808::1",
            "3fff::1",
            "3fff:fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "2a00:1450:4001:81b:0:5efe:10.0.0.1",
        ],
    );
}

#[test]
fn refuses_metadata_services_wherever_they_hide() {
    let all = policy(&["0.0.0.0/0", "::/0"], &[]);
    let forms = [
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fd00:c1::a9fe:a9fe",
        "fd00:42::42",
        "fe80::a9fe:a9fe",
        "169.254.42.42",
        "::ffff:169.254.169.254",
        "64:ff9b::169.254.169.254",
        "2002:a9fe:a9fe::1",
    ];
    for policy in [&policy(&[], &[]), &all] {
        check(policy, |refusal| refusal == Some(Refusal::Metadata), &forms);
    }
    let exact = policy(&["169.254.169.254/32", "fd00:ec2::254/128"], &[]);
    check(
        &exact,
        |refusal| refusal.is_none(),
        &["169.254.169.254", "fd00:ec2::254"],
    );
}

#[test]
fn an_allowed_network_opens_its_range_and_no_more() {
    let local = policy(&["127.0.0.0/8"], &[]);
    check(
        &local,
        |refusal| refusal.is_none(),
        &["127.0.0.1", "127.9.9.9", "::ffff:127.0.0.1"],
    );
    check(
        &local,
        |refusal| refusal.is_some(),
        &["10.0.0.1", "::1", "0.0.0.0"],
    );
}

#[test]
fn a_denied_network_beats_an_allowed_one() {
    let policy = policy(&["10.0.0.0/8"], &["10.1.0.0/16", "1.1.1.1/32"]);
    assert_eq!(policy.refusal("10.2.0.1".parse().unwrap()), None);
    check(
        &policy,
        |refusal| matches!(refusal, Some(Refusal::DeniedNetwork(_))),
        &["10.1.0.1", "1.1.1.1", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1"],
    );
}
