//! The ranges that are not global unicast, from the IANA special-purpose address registries.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::embedded;

/// A range: its first address, prefix length and name.
type Range<Bits> = (Bits, u32, &'static str);

const IPV4: &[Range<[u8; 4]>] = &[
    ([0, 0, 0, 0], 8, "this network, 0.0.0.0/8"),
    ([10, 0, 0, 0], 8, "private, 10.0.0.0/8"),
    ([100, 64, 0, 0], 10, "carrier NAT, 100.64.0.0/10"),
    ([127, 0, 0, 0], 8, "loopback, 127.0.0.0/8"),
    ([169, 254, 0, 0], 16, "link-local, 169.254.0.0/16"),
    ([172, 16, 0, 0], 12, "private, 172.16.0.0/12"),
    ([192, 0, 0, 0], 24, "protocol assignments, 192.0.0.0/24"),
    ([192, 0, 2, 0], 24, "documentation, 192.0.2.0/24"),
    ([192, 88, 99, 0], 24, "6to4 relay, 192.88.99.0/24"),
    ([192, 168, 0, 0], 16, "private, 192.168.0.0/16"),
    ([198, 18, 0, 0], 15, "benchmarking, 198.18.0.0/15"),
    ([198, 51, 100, 0], 24, "documentation, 198.51.100.0/24"),
    ([203, 0, 113, 0], 24, "documentation, 203.0.113.0/24"),
    ([224, 0, 0, 0], 4, "multicast, 224.0.0.0/4"),
    ([240, 0, 0, 0], 4, "reserved, 240.0.0.0/4"),
];

/// Mapped and NAT64 addresses are not here: they are judged by the IPv4 address they carry. The
/// other embedding forms have no honest use towards a public server, so they are refused whole.
const IPV6: &[Range<[u16; 8]>] = &[
    ([0, 0, 0, 0, 0, 0, 0, 0], 128, "unspecified, ::"),
    ([0, 0, 0, 0, 0, 0, 0, 1], 128, "loopback, ::1"),
    ([0, 0, 0, 0, 0, 0, 0, 0], 96, "IPv4-compatible, ::/96"),
    (
        [0, 0, 0, 0, 0xffff, 0, 0, 0],
        96,
        "IPv4-translated, ::ffff:0:0:0/96",
    ),
    (
        [0x64, 0xff9b, 1, 0, 0, 0, 0, 0],
        48,
        "local NAT64, 64:ff9b:1::/48",
    ),
    ([0x100, 0, 0, 0, 0, 0, 0, 0], 64, "discard, 100::/64"),
    (
        [0x2001, 0, 0, 0, 0, 0, 0, 0],
        23,
        "protocol assignments, 2001::/23",
    ),
    (
        [0x2001, 0xdb8, 0, 0, 0, 0, 0, 0],
        32,
        "documentation, 2001:db8::/32",
    ),
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, "6to4, 2002::/16"),
    (
        [0x3fff, 0, 0, 0, 0, 0, 0, 0],
        20,
        "documentation, 3fff::/20",
    ),
    (
        [0x5f00, 0, 0, 0, 0, 0, 0, 0],
        16,
        "segment routing, 5f00::/16",
    ),
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, "unique local, fc00::/7"),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, "link-local, fe80::/10"),
    ([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, "site-local, fec0::/10"),
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, "multicast, ff00::/8"),
];

/// The name of the special range that holds `address`.
pub(super) fn range_of(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    let inside = |(first, length, _): &&Range<[u8; 4]>| {
        let differing = address.to_bits() ^ Ipv4Addr::from(*first).to_bits();
        differing.leading_zeros() >= *length
    };
    IPV4.iter().find(inside).map(|(_, _, name)| *name)
}

fn special_v6(address: Ipv6Addr) -> Option<&'static str> {
    let inside = |(first, length, _): &&Range<[u16; 8]>| {
        let differing = address.to_bits() ^ Ipv6Addr::from(*first).to_bits();
        differing.leading_zeros() >= *length
    };
    if let Some((_, _, name)) = IPV6.iter().find(inside) {
        return Some(name);
    }
    if let Some(name) = embedded::ipv4_within(IpAddr::V6(address)).and_then(special_v4) {
        return Some(name);
    }
    let carries_ipv4 = matches!(
        address.segments(),
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..]
    );
    // RFC 4291: global unicast is what IANA hands out of 2000::/3.
    let public = carries_ipv4 || address.to_bits() >> 125 == 1;
    (!public).then_some("outside global unicast, 2000::/3")
}

/// Whether `address` serves cloud instance metadata. Those inside special ranges count too, so that
/// allowing the whole range does not open them.
pub(super) fn is_metadata(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => METADATA_V4.contains(&address.octets()),
        IpAddr::V6(address) => {
            METADATA_V6.contains(&address.segments())
                || matches!(address.segments(), [0xfd00, 0xec2, ..])
        }
    }
}

const METADATA_V4: &[[u8; 4]] = &[
    [169, 254, 169, 254],
    [169, 254, 169, 253],
    [169, 254, 170, 2],
    [169, 254, 170, 23],
    [169, 254, 0, 23],
    [169, 254, 42, 42],
    [100, 100, 100, 200],
    [168, 63, 129, 16],
    [192, 0, 0, 192],
];

const METADATA_V6: &[[u16; 8]] = &[
    [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254],
    [0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe],
    [0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42],
    [0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe],
];
