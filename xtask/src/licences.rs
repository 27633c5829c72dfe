//! Licences and duplicate versions of what is linked in.

mod expression;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};

use crate::workspace::{Locked, Workspace};

/// SPDX identifiers whose terms any user of the binary can meet.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Packages under other terms: the licence, and why it is acceptable for this one.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("cssparser", "MPL-2.0", "used unmodified, with scraper"),
    (
        "cssparser-macros",
        "MPL-2.0",
        "used unmodified, with scraper",
    ),
    (
        "dtoa-short",
        "MPL-2.0",
        "used unmodified, through cssparser",
    ),
    ("selectors", "MPL-2.0", "used unmodified, with scraper"),
];

/// Packages that are locked at more than one version, and who keeps the older one.
const DUPLICATES: &[(&str, &str)] = &[
    ("base64", "metrics-exporter-prometheus"),
    ("bit-set", "fancy-regex, through jsonschema: tests only"),
    ("bit-vec", "bit-set"),
    ("getrandom", "ring and ahash"),
    ("hashbrown", "dashmap, governor and metrics-util"),
    ("rand", "metrics-util"),
    ("rand_core", "rand"),
    ("syn", "half of the derive macros: build time only"),
];

/// Fails with every package whose licence or second version nobody has agreed to,
/// and with every entry of the lists above that is no longer needed.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let locked = workspace.locked()?;
    let mut faults = licence_faults(&locked, EXCEPTIONS);
    faults.extend(duplicate_faults(&locked, DUPLICATES));
    if faults.is_empty() {
        return Ok(());
    }
    bail!(
        "{}\n(the lists are in xtask/src/licences.rs)",
        faults.join("\n")
    )
}

fn licence_faults(locked: &[Locked], exceptions: &[(&str, &str, &str)]) -> Vec<String> {
    let mut unused: BTreeSet<&str> = exceptions.iter().map(|(name, ..)| *name).collect();
    let mut faults = Vec::new();
    for package in locked {
        let Some(licence) = &package.licence else {
            faults.push(format!(
                "{} {} states no licence",
                package.name, package.version
            ));
            continue;
        };
        let excepted = |id: &str| {
            exceptions
                .iter()
                .any(|(name, licence, _)| *name == package.name && *licence == id)
        };
        match expression::satisfied(licence, |id| ALLOWED.contains(&id)) {
            Ok(true) => {}
            Ok(false) if expression::satisfied(licence, excepted).is_ok_and(|ok| ok) => {
                unused.remove(package.name.as_str());
            }
            Ok(false) => faults.push(format!(
                "{} {} is under {licence}, which is not on the list",
                package.name, package.version
            )),
            Err(error) => faults.push(format!("{} {}: {error}", package.name, package.version)),
        }
    }
    faults.extend(
        unused
            .iter()
            .map(|name| format!("the licence exception for {name} is not needed")),
    );
    faults
}

fn duplicate_faults(locked: &[Locked], agreed: &[(&str, &str)]) -> Vec<String> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in locked {
        versions
            .entry(&package.name)
            .or_default()
            .push(&package.version);
    }
    versions.retain(|_, versions| versions.len() > 1);
    let agreed: BTreeSet<&str> = agreed.iter().map(|(name, _)| *name).collect();
    let unknown = versions
        .iter()
        .filter(|(name, _)| !agreed.contains(*name))
        .map(|(name, versions)| format!("{name} is locked at {}", versions.join(" and ")));
    let stale = agreed
        .iter()
        .filter(|name| !versions.contains_key(*name))
        .map(|name| format!("{name} has one version now: drop it from the duplicates"));
    unknown.chain(stale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str, licence: Option<&str>) -> Locked {
        Locked {
            name: name.to_owned(),
            version: version.to_owned(),
            licence: licence.map(str::to_owned),
        }
    }

    #[test]
    fn reports_licences_nobody_agreed_to_and_exceptions_nobody_needs() {
        let locked = [
            package("free", "1.0.0", Some("MIT OR GPL-3.0-only")),
            package("file-copyleft", "1.0.0", Some("MPL-2.0")),
            package("copyleft", "1.0.0", Some("GPL-3.0-only")),
            package("silent", "1.0.0", None),
        ];
        let exceptions = [
            ("file-copyleft", "MPL-2.0", "unmodified"),
            ("gone", "MPL-2.0", "unmodified"),
        ];
        let expected = [
            "copyleft 1.0.0 is under GPL-3.0-only, which is not on the list",
            "silent 1.0.0 states no licence",
            "the licence exception for gone is not needed",
        ];
        assert_eq!(licence_faults(&locked, &exceptions), expected);
    }

    #[test]
    fn reports_second_versions_nobody_agreed_to_and_entries_nobody_needs() {
        let locked = [
            package("known", "1.0.0", None),
            package("known", "2.0.0", None),
            package("new", "0.1.0", None),
            package("new", "0.2.0", None),
            package("single", "1.0.0", None),
        ];
        let agreed = [
            ("known", "its users have not moved"),
            ("single", "moved by now"),
        ];
        let expected = [
            "new is locked at 0.1.0 and 0.2.0",
            "single has one version now: drop it from the duplicates",
        ];
        assert_eq!(duplicate_faults(&locked, &agreed), expected);
    }
}
