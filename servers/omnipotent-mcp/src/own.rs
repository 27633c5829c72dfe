//! The server's own files, which no call may reach, whatever the roots are.

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

#[cfg(test)]
mod tests {
    use super::*;

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
