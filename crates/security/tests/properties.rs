//! What holds for every path, host name and address.
#![expect(
    clippy::disallowed_methods,
    reason = "the tests build the trees that paths are tried on"
)]
#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use mcp_security::addresses::AddressPolicy;
use mcp_security::hosts::{HostPattern, normalised};
use mcp_security::paths::{Access, FilesConfig, RootConfig, Roots, Surroundings};
use proptest::prelude::*;
use tempfile::TempDir;
use url::Host;

/// A root `w` with files, directories and links in and out of it, beside what is outside.
fn tree() -> (TempDir, Roots) {
    let directory = TempDir::new().unwrap();
    let top = directory.path();
    for name in ["w/sub/deep", "w/.ssh", "w-evil", "outside"] {
        fs::create_dir_all(top.join(name)).unwrap();
    }
    for name in [
        "w/file",
        "w/sub/file",
        "w/sub/deep/file",
        "w/.ssh/file",
        "w-evil/file",
        "outside/file",
        "file",
    ] {
        fs::write(top.join(name), name).unwrap();
    }
    for (name, target) in [
        ("w/in", "sub"),
        ("w/out", "../outside"),
        ("w/up", ".."),
        ("w/sub/back", ".."),
        ("w/loop", "loop"),
        ("w/top", "/"),
        ("w/magic", "/proc/self/root"),
    ] {
        symlink(target, top.join(name)).unwrap();
    }
    let config = FilesConfig {
        roots: vec![RootConfig {
            path: top.join("w"),
            access: Access::ReadWrite,
        }],
        ..FilesConfig::default()
    };
    let around = Surroundings {
        working_directory: top,
        homes: &[],
    };
    let roots = config.build(&around).unwrap();
    (directory, roots)
}

/// Names that lead somewhere in the tree, and some that do not.
const NAMES: [&str; 16] = [
    "..", ".", "", "file", "sub", "deep", "in", "out", "up", "back", "loop", "top", "magic",
    ".ssh", "w", "none",
];

proptest! {
    #[test]
    fn a_confined_path_is_what_the_kernel_finds_beneath_the_root(
        absolute in any::<bool>(),
        names in proptest::collection::vec(proptest::sample::select(&NAMES[..]), 1..8),
    ) {
        let (directory, roots) = tree();
        let root = directory.path().join("w");
        let relative = names.join("/");
        let given = if absolute {
            format!("{}/{relative}", root.display())
        } else {
            relative
        };
        if let Ok(confined) = roots.confine_dir(&given) {
            let found = fs::canonicalize(root.join(&given)).unwrap();
            prop_assert_eq!(confined.real_path(), &found);
            prop_assert!(found.starts_with(fs::canonicalize(&root).unwrap()), "{}", given);
        }
        if roots.confine(&given).is_ok() {
            // `file/.` is the file here, where the kernel asks for a directory.
            let plain: PathBuf = root.join(&given).components().collect();
            let found = fs::canonicalize(plain).unwrap();
            prop_assert!(found.starts_with(fs::canonicalize(&root).unwrap()), "{}", given);
            prop_assert!(!found.components().any(|name| name.as_os_str() == ".ssh"));
        }
    }

    #[test]
    fn no_text_that_is_no_file_is_confined(given in any::<String>()) {
        let (directory, roots) = tree();
        let there = directory.path().join("w").join(Path::new(&given));
        prop_assert!(roots.confine(&given).is_err() || there.is_file(), "{}", given);
    }

    #[test]
    fn a_host_pattern_is_what_it_is_written_as(text in "(\\*\\.)?[a-zA-Z0-9äß.-]{1,20}") {
        if let Ok(pattern) = text.parse::<HostPattern>() {
            prop_assert_eq!(pattern.to_string().parse::<HostPattern>(), Ok(pattern));
        }
    }

    #[test]
    fn a_pattern_beneath_a_domain_needs_the_dot(
        domain in "[a-z]{1,8}\\.[a-z]{2,4}",
        label in "[0-9]{1,8}",
    ) {
        let pattern: HostPattern = format!("*.{domain}").parse().unwrap();
        let matches = |host: &str| {
            let parsed = Host::parse(host).unwrap();
            let Host::Domain(name) = &parsed else { return false };
            pattern.matches(&Host::Domain(normalised(name).unwrap()))
        };
        let (beneath, beside) = (format!("{label}.{domain}"), format!("{label}{domain}"));
        prop_assert!(matches(&beneath.to_uppercase()));
        let absolute = format!("{beneath}.");
        prop_assert!(matches(&absolute));
        prop_assert!(!matches(&domain));
        prop_assert!(!matches(&beside));
        let before = format!("{domain}.x{label}");
        prop_assert!(!matches(&before));
    }

    #[test]
    fn an_embedded_address_is_judged_as_the_one_it_carries(bits in any::<u32>()) {
        let policy = AddressPolicy::new(Vec::new(), Vec::new());
        let address = Ipv4Addr::from_bits(bits);
        let [a, b, c, d] = address.octets();
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let is_refused = |address: IpAddr| policy.refusal(address).is_some();
        let plain = is_refused(address.into());
        prop_assert_eq!(is_refused(address.to_ipv6_mapped().into()), plain);
        let nat64 = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low);
        prop_assert_eq!(is_refused(nat64.into()), plain);
        for tunnel in [
            Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            Ipv6Addr::new(0x2001, 0, high, low, 0, 0, 0, 1),
            Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
            Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
        ] {
            prop_assert!(is_refused(tunnel.into()), "{}", tunnel);
        }
    }

    #[test]
    fn every_address_that_the_standard_library_calls_special_is_refused(
        v4 in any::<u32>(),
        v6 in any::<u128>(),
    ) {
        let policy = AddressPolicy::new(Vec::new(), Vec::new());
        let v4 = Ipv4Addr::from_bits(v4);
        let special = v4.is_private() || v4.is_loopback() || v4.is_link_local()
            || v4.is_multicast() || v4.is_broadcast() || v4.is_documentation()
            || v4.is_unspecified();
        prop_assert!(!special || policy.refusal(v4.into()).is_some(), "{}", v4);
        let v6 = Ipv6Addr::from_bits(v6);
        let special = v6.is_loopback() || v6.is_multicast() || v6.is_unique_local()
            || v6.is_unicast_link_local() || v6.is_unspecified();
        prop_assert!(!special || policy.refusal(v6.into()).is_some(), "{}", v6);
    }
}
