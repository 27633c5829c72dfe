//! The licences of what a server is made of, with their texts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::linked::Linked;

/// How the files begin that hold terms or attributions.
const STARTS: &[&str] = &[
    "license",
    "licence",
    "copying",
    "copyright",
    "notice",
    "unlicense",
];

/// A list of packages and their licences, then each text once with the packages that carry it.
pub(super) fn texts(linked: &[Linked]) -> Result<String> {
    let mut document = "This program contains the following packages.\n\n".to_owned();
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in linked {
        let name = format!("{} {}", package.name, package.version);
        writeln!(document, "{name}: {}", package.licence)?;
        for text in in_directory(&package.directory)? {
            texts.entry(text).or_default().push(name.clone());
        }
    }
    let mut texts: Vec<(Vec<String>, String)> = texts
        .into_iter()
        .map(|(text, names)| (names, text))
        .collect();
    texts.sort();
    for (names, text) in texts {
        let names = names.join(", ");
        write!(
            document,
            "\n{}\n{names}\n\n{}\n",
            "-".repeat(72),
            text.trim()
        )?;
    }
    Ok(document)
}

/// The texts in the top directory of a package, by the names of their files.
fn in_directory(directory: &Path) -> Result<Vec<String>> {
    let mut found = BTreeMap::new();
    let entries = fs::read_dir(directory);
    for entry in entries.with_context(|| format!("cannot list {}", directory.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let lower = name.to_lowercase();
        let is_terms = STARTS.iter().any(|start| lower.starts_with(start));
        if is_terms && entry.file_type()?.is_file() {
            let text = fs::read(entry.path())?;
            found.insert(name, String::from_utf8_lossy(&text).replace("\r\n", "\n"));
        }
    }
    Ok(found.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_two_packages_carry_stands_once() {
        let home = std::env::temp_dir().join(format!("xtask-licences-{}", std::process::id()));
        let package = |name: &str, text: &str| {
            let directory = home.join(name);
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("LICENSE-MIT"), text).unwrap();
            fs::write(directory.join("README.md"), "no terms").unwrap();
            Linked {
                name: name.to_owned(),
                version: "1.0.0".to_owned(),
                licence: "MIT".to_owned(),
                directory,
                sha256: String::new(),
            }
        };
        let linked = [
            package("a", "same\n"),
            package("b", "same\n"),
            package("c", "other"),
        ];
        let document = texts(&linked).unwrap();
        assert!(
            document.contains("a 1.0.0: MIT\nb 1.0.0: MIT\n"),
            "{document}"
        );
        assert!(
            document.contains("\na 1.0.0, b 1.0.0\n\nsame\n"),
            "{document}"
        );
        assert!(document.contains("\nc 1.0.0\n\nother\n"), "{document}");
        assert!(!document.contains("no terms"), "{document}");
        fs::remove_dir_all(&home).unwrap();
    }
}
