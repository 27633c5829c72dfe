//! Licences and duplicate versions of what is linked in.

mod expression;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

use crate::workspace::{Locked, Workspace};

/// What may be linked in, in the format of cargo-deny.
const TERMS: &str = "deny.toml";

/// What `deny.toml` agrees to.
#[derive(Debug, Default)]
struct Terms {
    /// SPDX identifiers that any package may have.
    allowed: Vec<String>,
    /// Packages under other terms, and those.
    exceptions: Vec<(String, String)>,
    /// Packages that may be locked at more than one version.
    duplicates: Vec<String>,
}

impl Terms {
    fn parse(text: &str) -> Result<Self> {
        let table: Table = text.parse()?;
        let list = |section: &str, key: &str| -> Result<Vec<Value>> {
            let value = table.get(section).and_then(|section| section.get(key));
            let list = value.and_then(Value::as_array);
            list.cloned()
                .with_context(|| format!("{TERMS} has no list {section}.{key}"))
        };
        let mut terms = Self::default();
        for licence in list("licenses", "allow")? {
            terms.allowed.push(text_of(&licence)?);
        }
        for exception in list("licenses", "exceptions")? {
            let name = named(&exception)?;
            let allowed = exception.get("allow").and_then(Value::as_array);
            for licence in allowed.with_context(|| format!("{name} allows nothing"))? {
                terms.exceptions.push((name.clone(), text_of(licence)?));
            }
        }
        for duplicate in list("bans", "skip")? {
            terms.duplicates.push(named(&duplicate)?);
        }
        Ok(terms)
    }
}

fn named(entry: &Value) -> Result<String> {
    text_of(
        entry
            .get("crate")
            .with_context(|| format!("{entry} names no crate"))?,
    )
}

fn text_of(value: &Value) -> Result<String> {
    let text = value
        .as_str()
        .with_context(|| format!("{value} is no text"))?;
    Ok(text.to_owned())
}

/// Fails with every package whose licence or second version nobody has agreed to,
/// and with every entry of `deny.toml` that is no longer needed.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let text = fs::read_to_string(workspace.root.join(TERMS));
    let terms = Terms::parse(&text.with_context(|| format!("cannot read {TERMS}"))?)?;
    let locked = workspace.locked()?;
    let mut faults = licence_faults(&locked, &terms);
    faults.extend(duplicate_faults(&locked, &terms.duplicates));
    if faults.is_empty() {
        return Ok(());
    }
    bail!("{}\n(the lists are in {TERMS})", faults.join("\n"))
}

fn licence_faults(locked: &[Locked], terms: &Terms) -> Vec<String> {
    let mut unused: BTreeSet<&str> = terms.exceptions.iter().map(|(name, _)| &**name).collect();
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
            let mut exceptions = terms.exceptions.iter();
            exceptions.any(|(name, licence)| *name == package.name && licence == id)
        };
        match expression::satisfied(licence, |id| {
            terms.allowed.iter().any(|allowed| allowed == id)
        }) {
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

fn duplicate_faults(locked: &[Locked], agreed: &[String]) -> Vec<String> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in locked {
        versions
            .entry(&package.name)
            .or_default()
            .push(&package.version);
    }
    versions.retain(|_, versions| versions.len() > 1);
    let agreed: BTreeSet<&str> = agreed.iter().map(String::as_str).collect();
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
        let terms = Terms::parse(
            "[licenses]\nallow = ['MIT']\nexceptions = [\
             { crate = 'file-copyleft', allow = ['MPL-2.0'] },\
             { crate = 'gone', allow = ['MPL-2.0'] }]\n[bans]\nskip = []",
        )
        .unwrap();
        let expected = [
            "copyleft 1.0.0 is under GPL-3.0-only, which is not on the list",
            "silent 1.0.0 states no licence",
            "the licence exception for gone is not needed",
        ];
        assert_eq!(licence_faults(&locked, &terms), expected);
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
        let agreed = ["known".to_owned(), "single".to_owned()];
        let expected = [
            "new is locked at 0.1.0 and 0.2.0",
            "single has one version now: drop it from the duplicates",
        ];
        assert_eq!(duplicate_faults(&locked, &agreed), expected);
    }
}
