//! Rules about `Cargo.toml` files and the one `clippy.toml`.

use toml::{Table, Value};

use super::{Fault, Source};
use crate::workspace::Member;

const DEPENDENCY_TABLES: &[&str] = &["dependencies", "dev-dependencies", "build-dependencies"];

/// Every broken rule of the members' manifests.
pub(super) fn faults(sources: &[Source], members: &[Member]) -> Vec<Fault> {
    let mut faults = one_clippy_toml(sources);
    for member in members {
        let path = format!("{}/Cargo.toml", member.directory);
        let Some(manifest) = sources.iter().find(|source| source.path == path) else {
            faults.push(Fault::in_file(&path, "is not under version control"));
            continue;
        };
        faults.extend(manifest_faults(&path, &manifest.text));
        faults.extend(idle_dependencies(&path, member, sources));
    }
    faults
}

/// A nested file replaces the root's instead of adding to it, so its bans would be gone.
fn one_clippy_toml(sources: &[Source]) -> Vec<Fault> {
    let is_config = |path: &str| {
        matches!(
            path.rsplit('/').next(),
            Some("clippy.toml" | ".clippy.toml")
        )
    };
    sources
        .iter()
        .filter(|source| is_config(&source.path) && source.path != "clippy.toml")
        .map(|source| Fault::in_file(&source.path, "hides the bans of the root's clippy.toml"))
        .collect()
}

fn manifest_faults(path: &str, text: &str) -> Vec<Fault> {
    let manifest = match text.parse::<Table>() {
        Ok(manifest) => manifest,
        Err(error) => return vec![Fault::in_file(path, error.message())],
    };
    let mut faults = Vec::new();
    if !inherits(manifest.get("lints")) {
        faults.push(Fault::in_file(path, "lacks `[lints] workspace = true`"));
    }
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets
        .into_iter()
        .flat_map(Table::values)
        .filter_map(Value::as_table);
    for table in std::iter::once(&manifest).chain(targets) {
        faults.extend(own_versions(path, table));
    }
    faults
}

fn own_versions(path: &str, manifest: &Table) -> Vec<Fault> {
    let tables = DEPENDENCY_TABLES
        .iter()
        .filter_map(|name| manifest.get(*name)?.as_table());
    tables
        .flatten()
        .filter(|(_, dependency)| !inherits(Some(dependency)))
        .map(|(name, _)| {
            Fault::in_file(
                path,
                format!("`{name}` must take its version from the workspace"),
            )
        })
        .collect()
}

fn inherits(value: Option<&Value>) -> bool {
    value
        .and_then(|value| value.get("workspace"))
        .and_then(Value::as_bool)
        == Some(true)
}

/// Dependencies that no Rust file of the member names. A name in a string counts, because
/// `#[serde(with = "...")]` is a use.
fn idle_dependencies(path: &str, member: &Member, sources: &[Source]) -> Vec<Fault> {
    let directory = format!("{}/", member.directory);
    let files: Vec<&Source> = sources
        .iter()
        .filter(|source| source.path.starts_with(&directory) && source.is_rust())
        .collect();
    let is_named = |dependency: &str| {
        let name = dependency.replace('-', "_");
        files.iter().any(|file| names(&file.text, &name))
    };
    member
        .dependencies
        .iter()
        .filter(|dependency| !is_named(dependency))
        .map(|dependency| Fault::in_file(path, format!("nothing names `{dependency}`: drop it")))
        .collect()
}

/// Whether `text` holds `name` as a whole identifier.
fn names(text: &str, name: &str) -> bool {
    text.split(|c: char| c != '_' && !c.is_alphanumeric())
        .any(|word| word == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let found = manifest_faults("x/Cargo.toml", text);
        let found: Vec<&str> = found.iter().map(|fault| fault.message.as_str()).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn wants_lints_and_versions_from_the_workspace() {
        const LINTS: &str = "[lints]\nworkspace = true\n";
        let version = "`a` must take its version from the workspace";
        check(LINTS, &[]);
        check("", &["lacks `[lints] workspace = true`"]);
        check(
            "[lints]\nworkspace = false",
            &["lacks `[lints] workspace = true`"],
        );
        check(&format!("{LINTS}[dependencies]\na.workspace = true"), &[]);
        check(
            &format!("{LINTS}[dependencies]\na = {{ workspace = true, features = [] }}"),
            &[],
        );
        check(&format!("{LINTS}[dependencies]\na = \"1\""), &[version]);
        check(
            &format!("{LINTS}[dev-dependencies]\na = {{ path = \"../a\" }}"),
            &[version],
        );
        check(
            &format!("{LINTS}[target.'cfg(unix)'.dependencies]\na = \"1\""),
            &[version],
        );
    }

    #[test]
    fn finds_dependencies_nobody_names() {
        let source = |path: &str, text: &str| Source {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let member = Member {
            name: "mcp-a".to_owned(),
            directory: "crates/a".to_owned(),
            dependencies: ["humantime-serde", "serde", "tokio"]
                .map(str::to_owned)
                .to_vec(),
        };
        let sources = [
            source(
                "crates/a/src/lib.rs",
                "use serde::Serialize; // with = \"humantime_serde\"",
            ),
            source("crates/ab/src/lib.rs", "use tokio::fs;"),
            source("crates/a/notes.md", "tokio"),
            source("crates/a/src/x.rs", "let tokio_like = 1;"),
        ];
        let found = idle_dependencies("crates/a/Cargo.toml", &member, &sources);
        let expected = Fault::in_file("crates/a/Cargo.toml", "nothing names `tokio`: drop it");
        assert_eq!(found, [expected]);
    }

    #[test]
    fn refuses_a_second_clippy_toml() {
        let source = |path: &str| Source {
            path: path.to_owned(),
            text: String::new(),
        };
        let sources = [
            source("clippy.toml"),
            source("crates/a/clippy.toml"),
            source("b/.clippy.toml"),
        ];
        let found: Vec<String> = one_clippy_toml(&sources)
            .into_iter()
            .map(|fault| fault.path)
            .collect();
        assert_eq!(found, ["crates/a/clippy.toml", "b/.clippy.toml"]);
    }
}
