//! What holds for every URL.
#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::net::Ipv4Addr;

use mcp_egress::{Egress, EgressConfig};
use proptest::prelude::*;

fn egress() -> Egress {
    EgressConfig::default().build().unwrap()
}

/// Every way to write one address as a host.
fn notations(address: Ipv4Addr) -> Vec<String> {
    let [a, b, c, d] = address.octets();
    let bits = address.to_bits();
    let (low, lower) = (bits & 0xff_ffff, bits & 0xffff);
    vec![
        format!("{bits}"),
        format!("{bits:#x}"),
        format!("0{bits:o}"),
        format!("{a:#x}.{b}.0{c:o}.{d:#X}"),
        format!("{a}.{low}"),
        format!("{a}.{b}.{lower}"),
        format!("0000{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("{a}.{b}.{c}.{d}."),
        format!("{a}%2e{b}.{c}%2E{d}"),
        format!("{a}。{b}．{c}.{d}"),
        format!("[::ffff:{a}.{b}.{c}.{d}]"),
    ]
}

proptest! {
    #[test]
    fn an_address_is_judged_alike_however_it_is_written(bits in any::<u32>()) {
        let egress = egress();
        let address = Ipv4Addr::from_bits(bits);
        let plain = egress.vet(&format!("http://{address}/")).is_ok();
        for host in notations(address) {
            let url = format!("http://{host}/");
            prop_assert_eq!(egress.vet(&url).is_ok(), plain, "{}", url);
        }
    }

    #[test]
    fn private_addresses_are_refused_however_they_are_written(
        network in proptest::sample::select(&[0x0a00_0000_u32, 0x7f00_0000, 0xa9fe_a9fe][..]),
        host in 0_u32..0x10,
    ) {
        let egress = egress();
        for host in notations(Ipv4Addr::from_bits(network | host)) {
            let url = format!("http://{host}/");
            prop_assert!(egress.vet(&url).is_err(), "{}", url);
        }
    }

    #[test]
    fn what_is_vetted_stays_vetted(text in "(https?|HTTP|ftp)://[a-zA-Z0-9.:@\\[\\]%/?#\\\\ -]{0,40}") {
        let egress = egress();
        if let Ok(url) = egress.vet(&text) {
            let again = egress.vet(url.as_str());
            prop_assert!(again.is_ok_and(|again| again == url), "{}", text);
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        drop(egress().vet(&text));
    }
}
