//! The environment of commands: built up from nothing, never the server's own.

use std::collections::BTreeMap;
use std::ffi::OsString;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names::{NameList, NameListError};

/// Most variables that one call may add.
const MAX_VARIABLES: usize = 64;
/// Most bytes of names and values that one call may add.
const MAX_BYTES: usize = 32 * 1024;

/// Variables that make a program load code or change what a command line means.
const DANGEROUS: &[&str] = &[
    "LD_*",
    "DYLD_*",
    "GLIBC_TUNABLES",
    "MALLOC_*",
    "GCONV_PATH",
    "LOCPATH",
    "NLSPATH",
    "HOSTALIASES",
    "RES_OPTIONS",
    "RESOLV_*",
    "BASH_ENV",
    "BASH_FUNC_*",
    "BASHOPTS",
    "SHELLOPTS",
    "ENV",
    "IFS",
    "PS4",
    "PROMPT_COMMAND",
    "CDPATH",
    "GLOBIGNORE",
    "ZDOTDIR",
    "FPATH",
    "PYTHONSTARTUP",
    "PYTHONHOME",
    "PYTHONINSPECT",
    "PYTHONBREAKPOINT",
    "NODE_OPTIONS",
    "RUBYOPT",
    "PERL5OPT",
    "PERL5DB",
    "JAVA_TOOL_OPTIONS",
    "_JAVA_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "GIT_SSH*",
    "GIT_EXEC_PATH",
    "GIT_EXTERNAL_DIFF",
    "GIT_CONFIG*",
    "GIT_PROXY_COMMAND",
    "GIT_ASKPASS",
    "SSH_ASKPASS",
    "EDITOR",
    "VISUAL",
    "PAGER",
    "GIT_EDITOR",
    "GIT_PAGER",
    "GIT_SEQUENCE_EDITOR",
    "MANPAGER",
    "LESSOPEN",
    "LESSCLOSE",
    "BROWSER",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "CARGO_TARGET_*_RUNNER",
];

/// What commands see of the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CommandEnvironmentConfig {
    /// Variables of the server that commands get: names, or prefixes followed by `*`. Default
    /// `PATH`, `HOME`, `LANG`, `LANGUAGE`, `LC_*`, `TZ`, `USER`, `LOGNAME`, `SHELL`, `TMPDIR`.
    pub pass: Vec<String>,
    /// `PATH` when the server has none or does not pass it.
    /// Default `/usr/local/bin:/usr/bin:/bin`.
    pub default_path: String,
}

impl Default for CommandEnvironmentConfig {
    fn default() -> Self {
        const PASS: [&str; 10] = [
            "PATH", "HOME", "LANG", "LANGUAGE", "LC_*", "TZ", "USER", "LOGNAME", "SHELL", "TMPDIR",
        ];
        Self {
            pass: PASS.map(str::to_owned).into(),
            default_path: "/usr/local/bin:/usr/bin:/bin".to_owned(),
        }
    }
}

/// What every command gets, and what a call may add.
pub(super) struct CommandEnvironment {
    base: BTreeMap<OsString, OsString>,
    dangerous: NameList,
}

impl std::fmt::Debug for CommandEnvironment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.base.keys()).finish()
    }
}

/// The whole environment of one command. `Debug` shows no value.
#[derive(Clone, PartialEq, Eq)]
pub struct VettedEnvironment(BTreeMap<OsString, OsString>);

impl VettedEnvironment {
    /// Names and values.
    pub fn into_variables(self) -> Vec<(OsString, OsString)> {
        self.0.into_iter().collect()
    }
}

impl std::fmt::Debug for VettedEnvironment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A variable may not be given to a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VariableDenied {
    /// The name is none.
    #[error("`{name}` is not a variable name: letters, digits and `_`, no digit first")]
    Name {
        /// As given.
        name: String,
    },
    /// Programs load code from it, or command lines change their meaning with it.
    #[error("the variable `{name}` may not be set: programs load or run what it names")]
    Dangerous {
        /// As given.
        name: String,
    },
    /// The value holds a zero byte.
    #[error("the value of `{name}` holds a zero byte")]
    ZeroByte {
        /// The variable.
        name: String,
    },
    /// There are too many.
    #[error("more than {limit} variables")]
    TooMany {
        /// The bound.
        limit: usize,
    },
    /// They are too large together.
    #[error("variables of more than {limit} bytes together")]
    TooLarge {
        /// The bound.
        limit: usize,
    },
}

impl CommandEnvironment {
    pub(super) fn build(
        config: CommandEnvironmentConfig,
        server: Vec<(OsString, OsString)>,
    ) -> Result<Self, NameListError> {
        let passed = NameList::parse(config.pass)?;
        // `*` inside a name is a prefix here: such names are refused a little too broadly.
        let stems = DANGEROUS.iter().map(|name| match name.split_once('*') {
            Some((stem, _)) => format!("{stem}*"),
            None => (*name).to_owned(),
        });
        let dangerous = NameList::parse(stems)?;
        let mut base: BTreeMap<OsString, OsString> = server
            .into_iter()
            .filter(|(name, _)| {
                name.to_str()
                    .is_some_and(|name| passed.contains(name) && !dangerous.contains(name))
            })
            .collect();
        base.entry("PATH".into())
            .or_insert_with(|| config.default_path.into());
        // There is no terminal; programs must not draw.
        base.insert("TERM".into(), "dumb".into());
        Ok(Self { base, dangerous })
    }

    /// Whether programs load or run what the variable names.
    pub(super) fn is_dangerous(&self, name: &str) -> bool {
        self.dangerous.contains(name)
    }

    pub(super) fn vet(
        &self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<VettedEnvironment, VariableDenied> {
        let mut environment = self.base.clone();
        let mut bytes = 0_usize;
        for (index, (name, value)) in variables.into_iter().enumerate() {
            if index >= MAX_VARIABLES {
                return Err(VariableDenied::TooMany {
                    limit: MAX_VARIABLES,
                });
            }
            bytes = bytes.saturating_add(name.len()).saturating_add(value.len());
            if bytes > MAX_BYTES {
                return Err(VariableDenied::TooLarge { limit: MAX_BYTES });
            }
            if !is_name(&name) {
                return Err(VariableDenied::Name { name });
            }
            if self.dangerous.contains(&name) {
                return Err(VariableDenied::Dangerous { name });
            }
            if value.contains('\0') {
                return Err(VariableDenied::ZeroByte { name });
            }
            environment.insert(name.into(), value.into());
        }
        Ok(VettedEnvironment(environment))
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> CommandEnvironment {
        let server = [
            ("PATH", "/bin"),
            ("LC_ALL", "C"),
            ("AWS_SECRET", "x"),
            ("LD_PRELOAD", "x"),
        ];
        let server = server
            .map(|(name, value)| (name.into(), value.into()))
            .to_vec();
        CommandEnvironment::build(CommandEnvironmentConfig::default(), server).unwrap()
    }

    #[track_caller]
    fn check(variables: &[(&str, &str)], expect: Result<&[&str], VariableDenied>) {
        let given = variables
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        let got = environment().vet(given).map(|vetted| {
            let shown = |(name, value): (OsString, OsString)| {
                format!("{}={}", name.display(), value.display())
            };
            vetted
                .into_variables()
                .into_iter()
                .map(shown)
                .collect::<Vec<_>>()
        });
        assert_eq!(
            got,
            expect.map(|lines| lines.iter().map(|line| (*line).to_owned()).collect())
        );
    }

    #[test]
    fn passes_only_listed_variables_and_adds_given_ones() {
        check(&[], Ok(&["LC_ALL=C", "PATH=/bin", "TERM=dumb"]));
        check(
            &[("A", "1"), ("PATH", "/x")],
            Ok(&["A=1", "LC_ALL=C", "PATH=/x", "TERM=dumb"]),
        );
    }

    #[test]
    fn refuses_loader_variables_and_malformed_ones() {
        for name in [
            "LD_PRELOAD",
            "BASH_ENV",
            "ENV",
            "IFS",
            "GIT_SSH_COMMAND",
            "NODE_OPTIONS",
        ] {
            check(
                &[(name, "x")],
                Err(VariableDenied::Dangerous { name: name.into() }),
            );
        }
        for name in ["", "1A", "A B", "A=B", "é", "BASH_FUNC_x%%"] {
            check(
                &[(name, "x")],
                Err(VariableDenied::Name { name: name.into() }),
            );
        }
        check(
            &[("A", "x\0")],
            Err(VariableDenied::ZeroByte { name: "A".into() }),
        );
        check(
            &[("A", &"x".repeat(MAX_BYTES))],
            Err(VariableDenied::TooLarge { limit: MAX_BYTES }),
        );
        let many = vec![("A", ""); MAX_VARIABLES + 1];
        check(
            &many,
            Err(VariableDenied::TooMany {
                limit: MAX_VARIABLES,
            }),
        );
    }

    #[test]
    fn debug_shows_names_only() {
        let vetted = environment()
            .vet([("TOKEN".to_owned(), "secret".to_owned())])
            .unwrap();
        assert!(!format!("{vetted:?}").contains("secret"));
    }
}
