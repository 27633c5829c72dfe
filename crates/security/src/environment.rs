//! Which environment variables a caller may read.
//!
//! Values are reachable only through a [`ReadableName`], so a variable that is not on the
//! allow-list cannot be read by forgetting to ask. The environment is a snapshot that the server
//! takes once at start; nothing here reads the environment of the process.

use std::collections::HashMap;
use std::ffi::OsString;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names::{NameList, NameListError};

/// Which names may be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EnvironmentConfig {
    /// Names, or prefixes followed by `*`. Default: names that describe the session and its
    /// directories, such as `PATH`, `HOME`, `LANG`, `TZ`, `USER`, `SHELL` and `XDG_DATA_HOME`.
    pub readable: Vec<String>,
}

impl Default for EnvironmentConfig {
    fn default() -> Self {
        const READABLE: [&str; 25] = [
            "PATH",
            "HOME",
            "LANG",
            "LANGUAGE",
            "LC_ALL",
            "LC_COLLATE",
            "LC_CTYPE",
            "LC_MESSAGES",
            "LC_MONETARY",
            "LC_NUMERIC",
            "LC_TIME",
            "TZ",
            "USER",
            "LOGNAME",
            "SHELL",
            "TERM",
            "PWD",
            "HOSTNAME",
            "TMPDIR",
            "EDITOR",
            "XDG_CONFIG_HOME",
            "XDG_DATA_HOME",
            "XDG_CACHE_HOME",
            "XDG_STATE_HOME",
            "XDG_RUNTIME_DIR",
        ];
        Self {
            readable: READABLE.map(str::to_owned).into(),
        }
    }
}

impl EnvironmentConfig {
    /// The policy. Fails on an entry that is neither a name nor a prefix followed by `*`.
    pub fn build(self) -> Result<EnvironmentPolicy, NameListError> {
        Ok(EnvironmentPolicy {
            readable: NameList::parse(self.readable)?,
        })
    }
}

/// The allow-list of readable names.
#[derive(Debug, Clone)]
pub struct EnvironmentPolicy {
    readable: NameList,
}

/// A name that the policy lets callers read; says nothing of whether it is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadableName(String);

/// The name is not on the allow-list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("environment variable `{name}` is not on the allow-list")]
pub struct EnvironmentDenied {
    /// The name that was asked for.
    pub name: String,
}

impl EnvironmentPolicy {
    /// Asks whether `name` may be read.
    pub fn vet(&self, name: &str) -> Result<ReadableName, EnvironmentDenied> {
        if self.readable.contains(name) {
            Ok(ReadableName(name.to_owned()))
        } else {
            Err(EnvironmentDenied {
                name: name.to_owned(),
            })
        }
    }
}

impl ReadableName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The environment as it was when the server started. `Debug` shows no value.
#[derive(Clone, Default)]
pub struct EnvironmentSnapshot {
    values: HashMap<OsString, OsString>,
}

impl EnvironmentSnapshot {
    /// The value of a readable name when it is set. Bytes that are not UTF-8 become U+FFFD.
    pub fn value(&self, name: &ReadableName) -> Option<String> {
        let value = self.values.get(std::ffi::OsStr::new(name.as_str()))?;
        Some(value.to_string_lossy().into_owned())
    }
}

impl FromIterator<(OsString, OsString)> for EnvironmentSnapshot {
    fn from_iter<I: IntoIterator<Item = (OsString, OsString)>>(pairs: I) -> Self {
        Self {
            values: pairs.into_iter().collect(),
        }
    }
}

impl std::fmt::Debug for EnvironmentSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnvironmentSnapshot")
            .field("variables", &self.values.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lets_only_listed_names_through() {
        let policy = EnvironmentConfig {
            readable: vec!["PATH".into(), "LC_*".into()],
        }
        .build()
        .unwrap();
        let check = |name: &str, readable: bool| {
            assert_eq!(policy.vet(name).is_ok(), readable, "{name}");
        };
        check("PATH", true);
        check("LC_ALL", true);
        check("path", false);
        check("PATH ", false);
        check("LD_PATH", false);
        check("GITHUB_TOKEN", false);
        check("", false);
    }

    #[test]
    fn reads_values_only_by_a_readable_name() {
        let policy = EnvironmentConfig::default().build().unwrap();
        let snapshot = EnvironmentSnapshot::from_iter([("HOME".into(), "/home/ada".into())]);
        assert_eq!(
            snapshot.value(&policy.vet("HOME").unwrap()).as_deref(),
            Some("/home/ada")
        );
        assert_eq!(snapshot.value(&policy.vet("TZ").unwrap()), None);
        assert_eq!(
            format!("{snapshot:?}"),
            "EnvironmentSnapshot { variables: 1, .. }"
        );
    }
}
