//! The server's own files, which no call may reach, whatever the roots are.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use mcp_security::paths::{ProtectedPath, Protection, every_name};

use crate::IDENTITY;

/// The server's own files and directories. They need not exist: a configuration file that a call
/// could make would be read at the next start.
#[derive(Debug, Clone, Default)]
pub struct OwnFiles {
    files: Vec<PathBuf>,
    directories: Vec<PathBuf>,
}

impl OwnFiles {
    /// Those at these paths; a relative one starts at the working directory.
    pub fn new(files: &[Option<&Path>], directories: &[Option<&Path>]) -> Self {
        let absolute = |paths: &[Option<&Path>]| {
            let paths = paths.iter().copied().flatten();
            paths
                .filter_map(|path| std::path::absolute(path).ok())
                .collect()
        };
        Self {
            files: absolute(files),
            directories: absolute(directories),
        }
    }

    /// The rules as links lead now: each file by name and identity, under the name of every link
    /// to it, with what editors and savers leave beside it, and the usual places of all.
    pub fn rules(&self) -> Vec<ProtectedPath> {
        let rule = |path: String| ProtectedPath {
            path,
            access: Protection::ReadWrite,
        };
        let beside = |path: &String| {
            let (directory, name) = path.rsplit_once('/')?;
            Some(["", ".", "#"].map(|mark| format!("{directory}/{mark}{name}*")))
        };
        let named = |paths: &[PathBuf]| -> Vec<String> {
            let names = paths.iter().flat_map(|path| every_name(path));
            names
                .filter_map(|name| Some(name.to_str()?.to_owned()))
                .collect()
        };
        let usual = [".config", ".local/state"].map(|parent| format!("{parent}/{}", IDENTITY.name));
        let files = named(&self.files);
        let neighbours: Vec<String> = files.iter().filter_map(beside).flatten().collect();
        let directories = named(&self.directories);
        let own = files.into_iter().chain(neighbours).chain(directories);
        own.chain(usual).map(rule).collect()
    }
}

/// The configuration file that is read when none is named, whether or not it exists: in
/// `$XDG_CONFIG_HOME`, or `.config` in `$HOME` (XDG Base Directory Specification).
pub fn default_configuration(environment: &[(OsString, OsString)]) -> Option<PathBuf> {
    let named = |name: &str| {
        let found = environment.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| Path::new(value))
    };
    let directory = named("XDG_CONFIG_HOME")
        .filter(|path| path.is_absolute())
        .map(Path::to_owned)
        .or_else(|| {
            let home = named("HOME").filter(|home| !home.as_os_str().is_empty());
            Some(home?.join(".config"))
        });
    Some(directory?.join(IDENTITY.name).join("config.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_file_is_where_the_environment_says() {
        let check = |variables: &[(&str, &str)], expect: Option<&str>| {
            let variables: Vec<(OsString, OsString)> = variables
                .iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect();
            let expect = expect.map(PathBuf::from);
            assert_eq!(default_configuration(&variables), expect, "{variables:?}");
        };
        let home = ("HOME", "/h");
        let usual = Some("/h/.config/omnipotent-mcp/config.toml");
        check(&[home], usual);
        check(&[home, ("XDG_CONFIG_HOME", "relative")], usual);
        check(&[home, ("XDG_CONFIG_HOME", "")], usual);
        let elsewhere = Some("/x/omnipotent-mcp/config.toml");
        check(&[home, ("XDG_CONFIG_HOME", "/x")], elsewhere);
        check(&[("HOME", "")], None);
    }

    #[test]
    fn a_file_that_does_not_exist_has_rules_too() {
        let path = Path::new("/no/such/directory/config.toml");
        let rules = OwnFiles::new(&[Some(path)], &[path.parent()]).rules();
        for expect in [
            "/no/such/directory",
            "/no/such/directory/config.toml",
            "/no/such/directory/.config.toml*",
        ] {
            assert!(rules.iter().any(|rule| rule.path == expect), "{rules:?}");
        }
    }
}
