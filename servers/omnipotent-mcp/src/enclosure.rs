//! From the policy on files and the sandbox's configuration to the boundary of a command.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mcp_sandbox::{
    Access, Boundary, Ground, Guard, Guarded, GuardedName, Place, Root, SandboxConfig,
};
use mcp_security::paths::{self, ProtectedPath, Protection, Roots};

/// Protected from the file tools but open to commands: every program that shows a user's name
/// reads it, and it holds no secret.
const READABLE: &str = "/etc/passwd";
/// Parts of the machine that the sandbox shows in its own way or not at all.
const KERNEL: [&str; 4] = ["/boot", "/dev", "/proc", "/sys"];

/// What commands are confined to under one policy. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Enclosure {
    closed: Boundary,
    roots: Roots,
    scan_entries: usize,
}

impl Enclosure {
    /// The confinement that a configuration asks for. `home` is the server's home directory.
    pub fn new(config: &SandboxConfig, roots: &Roots, home: Option<&Path>) -> Self {
        let mut closed = Boundary::closed(config, home);
        let tops: Vec<PathBuf> = roots.iter().map(|root| root.path().to_owned()).collect();
        let mut ground = Ground::clone(&closed.ground);
        for rule in roots.protected_paths() {
            lay_down(&mut ground, &rule, &tops);
        }
        closed.ground = Arc::new(ground);
        Self {
            closed,
            roots: roots.clone(),
            scan_entries: config.scan_entries,
        }
    }

    /// The boundary with its roots, without a look at what is in them.
    ///
    /// # Errors
    /// When a root is gone.
    pub fn outline(&self) -> io::Result<Boundary> {
        let mut boundary = self.closed.clone();
        for root in self.roots.iter() {
            let access = match root.access() {
                paths::Access::ReadWrite => Access::ReadWrite,
                paths::Access::ReadOnly => Access::ReadOnly,
            };
            let place = Place::of(root)?;
            boundary.roots.push(Root { place, access });
        }
        Ok(boundary)
    }

    /// The boundary of a command that starts now. Blocks while it looks for protected paths.
    ///
    /// # Errors
    /// When a root is gone.
    pub fn draw(&self) -> io::Result<Boundary> {
        let mut boundary = self.outline()?;
        let found = self.roots.find_protected(self.scan_entries);
        let guarded = found.entries.into_iter().map(|entry| Guarded {
            path: entry.path,
            depth: entry.names,
            guard: guard(entry.protection),
        });
        boundary.guarded = guarded.collect();
        if found.is_cut {
            let limit = self.scan_entries;
            boundary
                .loose
                .push(format!("protected paths beyond the first {limit} entries"));
        }
        Ok(boundary)
    }
}

fn guard(protection: Protection) -> Guard {
    match protection {
        Protection::ReadWrite => Guard::Hidden,
        Protection::Write => Guard::ReadOnly,
    }
}

/// Adds what a rule of the file policy means for commands.
fn lay_down(ground: &mut Ground, rule: &ProtectedPath, roots: &[PathBuf]) {
    let guard = guard(rule.access);
    let path = Path::new(&rule.path);
    if path.is_absolute() && rule.path.contains('*') {
        // What stands beside a file of the server's; only the file tools look for it.
        return;
    }
    if path.is_absolute() {
        let beneath = roots.iter().filter_map(|root| path.strip_prefix(root).ok());
        let names = beneath.map(|name| GuardedName {
            name: name.to_owned(),
            guard,
        });
        ground.names.extend(names);
        let is_apart = rule.path == READABLE || KERNEL.contains(&rule.path.as_str());
        if guard == Guard::Hidden && !is_apart {
            ground.hidden.push(path.to_owned());
        }
        return;
    }
    // A pattern is held for the name that it means most of all: `.env` of `.env*`.
    ground.names.push(GuardedName {
        name: PathBuf::from(rule.path.replace('*', "")),
        guard,
    });
    if rule.path.contains('*') {
        ground.patterns.push(rule.path.clone());
    }
}

#[cfg(test)]
mod tests {
    use mcp_security::paths::{FilesConfig, Surroundings};

    use super::*;

    #[test]
    fn rules_become_names_patterns_and_hidden_paths() {
        let directory = tempfile::tempdir().unwrap();
        let rule = |path: &str, access| ProtectedPath {
            path: path.to_owned(),
            access,
        };
        let inside = directory.path().join("own/token");
        let files = FilesConfig {
            protected: vec![
                rule("/etc/passwd", Protection::ReadWrite),
                rule("/etc/shadow", Protection::ReadWrite),
                rule("/proc", Protection::ReadWrite),
                rule(inside.to_str().unwrap(), Protection::ReadWrite),
                rule(".env*", Protection::ReadWrite),
                rule(".git/config", Protection::Write),
            ],
            ..FilesConfig::default()
        };
        let around = Surroundings {
            working_directory: directory.path(),
            homes: &[],
        };
        let roots = files.build(&around).unwrap();
        let enclosure = Enclosure::new(&SandboxConfig::default(), &roots, None);
        let ground = &enclosure.closed.ground;
        assert_eq!(ground.hidden, [PathBuf::from("/etc/shadow"), inside]);
        assert_eq!(ground.patterns, [".env*"]);
        let name = |name: &str, guard| GuardedName {
            name: name.into(),
            guard,
        };
        assert_eq!(
            ground.names,
            [
                name("own/token", Guard::Hidden),
                name(".env", Guard::Hidden),
                name(".git/config", Guard::ReadOnly),
            ]
        );
        assert_eq!(enclosure.draw().unwrap().roots.len(), 1);
    }
}
