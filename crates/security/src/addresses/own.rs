//! The addresses of this machine's interfaces, read from procfs (`proc_net(5)`).
#![expect(
    clippy::disallowed_methods,
    reason = "reads two fixed files of procfs, never a caller's path"
)]

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a list of addresses is believed.
const BELIEVED_FOR: Duration = Duration::from_secs(30);
/// Bytes read of each file; a machine with full routing tables has a long `fib_trie`.
const LONGEST_LISTING: u64 = 4 * 1024 * 1024;

/// The machine's own addresses, read again when older than 30 s.
///
/// Private and loopback ones are refused by their range; this list adds the public ones. Where
/// procfs hides a file the list lacks that family: the ranges still hold.
#[derive(Debug, Default)]
pub(super) struct OwnAddresses(Mutex<Option<Listing>>);

#[derive(Debug)]
struct Listing {
    read_at: Instant,
    addresses: HashSet<IpAddr>,
}

impl OwnAddresses {
    /// Whether `address` is one of the machine's own.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        let mut listing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = listing
            .take()
            .filter(|listing| listing.read_at.elapsed() < BELIEVED_FOR);
        listing
            .insert(fresh.unwrap_or_else(Listing::read))
            .addresses
            .contains(&address)
    }
}

impl Listing {
    fn read() -> Self {
        let ipv4 = contents("/proc/net/fib_trie").unwrap_or_default();
        let ipv6 = contents("/proc/net/if_inet6").unwrap_or_default();
        let addresses = local_ipv4(&ipv4)
            .map(IpAddr::V4)
            .chain(ipv6.lines().filter_map(interface_ipv6).map(IpAddr::V6))
            .collect();
        Self {
            read_at: Instant::now(),
            addresses,
        }
    }
}

fn contents(path: &str) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(LONGEST_LISTING)
        .read_to_string(&mut text)?;
    Ok(text)
}

/// `fib_trie` prints a leaf's address as `|-- a.b.c.d` and beneath it the leaf's routes; an own
/// address has the route `/32 host LOCAL`.
fn local_ipv4(fib_trie: &str) -> impl Iterator<Item = Ipv4Addr> {
    let mut leaf = None;
    fib_trie.lines().filter_map(move |line| {
        let line = line.trim();
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse().ok();
            return None;
        }
        if line == "/32 host LOCAL" { leaf } else { None }
    })
}

/// `if_inet6` starts each line with the address as 32 hexadecimal digits.
fn interface_ipv6(line: &str) -> Option<Ipv6Addr> {
    let digits = line
        .split_ascii_whitespace()
        .next()
        .filter(|digits| digits.len() == 32)?;
    u128::from_str_radix(digits, 16)
        .ok()
        .map(Ipv6Addr::from_bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_local_leaves_of_a_routing_trie() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     \
                    |-- 203.0.113.7\n        /32 host LOCAL\n     |-- 203.0.113.255\n        \
                    /32 link BROADCAST\n";
        assert_eq!(
            local_ipv4(trie).collect::<Vec<_>>(),
            [Ipv4Addr::new(203, 0, 113, 7)]
        );
    }

    #[test]
    fn reads_an_interface_line() {
        let line = "00000000000000000000000000000001 01 80 10 80       lo";
        assert_eq!(interface_ipv6(line), Some(Ipv6Addr::LOCALHOST));
        assert_eq!(interface_ipv6("garbage"), None);
    }

    #[test]
    fn knows_the_loopback_address_as_own() {
        assert!(OwnAddresses::default().contains(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }
}
