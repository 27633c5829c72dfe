//! Rules as they are written in a configuration, and those of one that says nothing.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Intent;

/// What a rule keeps away from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protection {
    /// Neither read nor written.
    #[default]
    ReadWrite,
    /// Read, but not written.
    Write,
}

impl Protection {
    pub(in super::super) fn forbids(self, intent: Intent) -> bool {
        match self {
            Self::ReadWrite => true,
            Self::Write => intent == Intent::Write,
        }
    }
}

/// One rule: a table, or the path alone. Names are compared without ASCII case and without final
/// dots and spaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtectedPath {
    /// `/etc/shadow`: that path, everything below it and every hard link to it. `.git/hooks`:
    /// these names in a row at any depth, and everything below. `*` stands for any part of a name.
    pub path: String,
    /// What the rule forbids; `read_write` by default.
    pub access: Protection,
}

/// As short as it can be written.
impl Serialize for ProtectedPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { path, access } = self;
        if *access == Protection::default() {
            return serializer.serialize_str(path);
        }
        let mut table = serializer.serialize_struct("ProtectedPath", 2)?;
        table.serialize_field("path", path)?;
        table.serialize_field("access", access)?;
        table.end()
    }
}

impl<'de> Deserialize<'de> for ProtectedPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ProtectedVisitor)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProtectedTable {
    path: String,
    #[serde(default)]
    access: Protection,
}

struct ProtectedVisitor;

impl<'de> Visitor<'de> for ProtectedVisitor {
    type Value = ProtectedPath;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a path, or a table with `path` and `access`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ProtectedPath, E> {
        Ok(ProtectedPath {
            path: text.to_owned(),
            access: Protection::default(),
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ProtectedPath, A::Error> {
        let table = ProtectedTable::deserialize(MapAccessDeserializer::new(map))?;
        let ProtectedTable { path, access } = table;
        Ok(ProtectedPath { path, access })
    }
}

/// Read and write are refused.
const SECRETS: [&str; 47] = [
    "/boot",
    "/dev",
    "/proc",
    "/sys",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/passwd",
    "/etc/passwd-",
    "/etc/security/opasswd",
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/ssh",
    "/etc/sudoers",
    "/etc/sudoers.d",
    ".aws",
    ".azure",
    ".config/gcloud",
    ".docker/config.json",
    ".env*",
    ".git-credentials",
    ".git/hooks",
    ".gnupg",
    ".kube",
    ".netrc",
    ".password-store",
    ".pgpass",
    ".pypirc",
    ".ssh",
    ".bash_aliases",
    ".bash_history",
    ".bash_login",
    ".bash_logout",
    ".bash_profile",
    ".bashrc",
    ".config/fish",
    ".cshrc",
    ".kshrc",
    ".login",
    ".profile",
    ".tcshrc",
    ".zlogin",
    ".zlogout",
    ".zprofile",
    ".zsh_history",
    ".zshenv",
    ".zshrc",
    ".xprofile",
];

/// Only writing is refused.
const SETTINGS: [&str; 12] = [
    ".claude.json",
    ".claude/settings*.json",
    ".codex/config.toml",
    ".cursor/mcp.json",
    ".gemini/settings.json",
    ".git/config",
    ".gitconfig",
    ".mcp.json",
    ".vscode/launch.json",
    ".vscode/mcp.json",
    ".vscode/settings.json",
    ".vscode/tasks.json",
];

/// Names that `.env*` does not mean: they are made to be shared.
const SHARED: [&str; 3] = [".env.example", ".env.sample", ".env.template"];

/// The rules of a configuration that says nothing.
pub(in super::super) fn default_rules() -> Vec<ProtectedPath> {
    let rule = |access| {
        move |path: &str| ProtectedPath {
            path: path.to_owned(),
            access,
        }
    };
    let secrets = SECRETS.into_iter().map(rule(Protection::ReadWrite));
    secrets
        .chain(SETTINGS.into_iter().map(rule(Protection::Write)))
        .collect()
}

/// The exceptions of a configuration that says nothing.
pub(in super::super) fn default_exceptions() -> Vec<String> {
    SHARED.map(str::to_owned).to_vec()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_rule_is_a_path_or_a_table() {
        let read = |text: &str| {
            let read: Result<BTreeMap<String, ProtectedPath>, _> =
                toml::from_str(&format!("rule = {text}"));
            read.map_err(drop)
                .map(|mut read| read.remove("rule").unwrap())
        };
        let rule = |access| {
            Ok(ProtectedPath {
                path: "x/y".to_owned(),
                access,
            })
        };
        assert_eq!(read(r#""x/y""#), rule(Protection::ReadWrite));
        assert_eq!(read(r#"{ path = "x/y" }"#), rule(Protection::ReadWrite));
        assert_eq!(
            read(r#"{ path = "x/y", access = "write" }"#),
            rule(Protection::Write)
        );
        assert_eq!(read(r#"{ path = "x/y", mode = "write" }"#), Err(()));
        assert_eq!(read("1"), Err(()));
        for written in [rule(Protection::ReadWrite), rule(Protection::Write)] {
            let text = toml::Value::try_from(written.clone().unwrap())
                .unwrap()
                .to_string();
            assert_eq!(read(&text), written, "{text}");
        }
    }
}
