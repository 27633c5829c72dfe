//! IPv4 addresses inside IPv6 ones.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The IPv4 address that a packet to `address` would end at, for every form that embeds one:
/// mapped, compatible, translated, NAT64 (RFC 6052), 6to4 (RFC 3056), Teredo (RFC 4380) and
/// ISATAP (RFC 5214).
pub(super) fn ipv4_within(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else {
        return None;
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, _, _]
        | [0, 0, 0, 0, 0xffff, 0, _, _]
        | [0x64, 0xff9b, 0, 0, 0, 0, _, _]
        | [_, _, _, _, 0 | 0x200, 0x5efe, _, _] => Some(low_bits(address)),
        [0x2002, high, low, ..] => Some(from_halves(high, low)),
        // Teredo stores the client's address with every bit flipped.
        [0x2001, 0, _, _, _, _, high, low] => Some(from_halves(!high, !low)),
        _ => None,
    }
}

fn low_bits(address: Ipv6Addr) -> Ipv4Addr {
    let [.., high, low] = address.segments();
    from_halves(high, low)
}

fn from_halves(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}
