//! From the policy on files and the sandbox's configuration to the boundary of a command.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use mcp_sandbox::{
    Access, Boundary, FileId, Ground, Guard, Guarded, GuardedName, Place, Root, SandboxConfig,
    Tier, Waiver,
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
    closed: Arc<Closed>,
    roots: Roots,
    scan_entries: usize,
}

/// A boundary without roots, made on first need: the first answer must not wait for it.
type Closed = LazyLock<Boundary, Box<dyn FnOnce() -> Boundary + Send>>;

impl Enclosure {
    /// The confinement that a configuration asks for. `home` is the server's home directory.
    pub fn new(config: &SandboxConfig, roots: &Roots, home: Option<&Path>) -> Self {
        let closed = {
            let (config, roots) = (config.clone(), roots.clone());
            let home = home.map(Path::to_owned);
            Box::new(move || close(&config, &roots, home.as_deref()))
        };
        Self {
            closed: Arc::new(LazyLock::new(closed)),
            roots: roots.clone(),
            scan_entries: config.scan_entries,
        }
    }

    /// The boundary with its roots, without a look at what is in them.
    ///
    /// # Errors
    /// When a root is gone.
    pub fn outline(&self) -> io::Result<Boundary> {
        let mut boundary = Boundary::clone(&self.closed);
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
    /// When a root is gone, or holds more than may be looked at where everything must be held.
    pub fn draw(&self) -> Result<Boundary, DrawError> {
        let mut boundary = self.outline()?;
        let found = self.roots.find_protected(self.scan_entries);
        let guarded = found.entries.into_iter().map(|entry| Guarded {
            file: Some(FileId::at(&entry.path)),
            path: entry.path,
            depth: entry.names,
            guard: guard(entry.protection),
        });
        boundary.guarded = guarded.collect();
        let is_waived = boundary.waived.contains(&Waiver::Unscanned);
        let entries = self.scan_entries;
        for root in found.cut {
            if boundary.require == Tier::Strict && !is_waived {
                return Err(DrawError::Unscanned { root, entries });
            }
            let root = root.display();
            let loose = format!("protected paths in {root} beyond its first {entries} entries");
            boundary.loose.push(loose);
        }
        Ok(boundary)
    }
}

/// No boundary can be drawn around a command.
#[derive(Debug, thiserror::Error)]
pub enum DrawError {
    /// A root is gone or cannot be looked at.
    #[error("a root cannot be opened")]
    Root(#[from] io::Error),
    /// A root holds more than may be looked at, so protected paths in it may be open.
    #[error(
        "`{}` holds more than {entries} entries, so protected paths in it may not all be covered",
        root.display()
    )]
    Unscanned {
        /// The root, without links.
        root: PathBuf,
        /// The bound, `sandbox.scan_entries`.
        entries: usize,
    },
}

fn guard(protection: Protection) -> Guard {
    match protection {
        Protection::ReadWrite => Guard::Hidden,
        Protection::Write => Guard::ReadOnly,
    }
}

fn close(config: &SandboxConfig, roots: &Roots, home: Option<&Path>) -> Boundary {
    let mut closed = Boundary::closed(config, home);
    // Rules may name a root by the path that is configured or by the one without links.
    let tops = roots.iter().flat_map(|root| {
        let real = Place::of(root).ok().map(|place| place.path);
        std::iter::once(root.path().to_owned()).chain(real)
    });
    let tops: BTreeSet<PathBuf> = tops.collect();
    let mut ground = Ground::clone(&closed.ground);
    for rule in roots.protected_paths() {
        lay_down(&mut ground, &rule, &tops);
    }
    closed.ground = Arc::new(ground);
    closed
}

/// Adds what a rule of the file policy means for commands.
fn lay_down(ground: &mut Ground, rule: &ProtectedPath, roots: &BTreeSet<PathBuf>) {
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
        for name in names.filter(|it| it.name.file_name().is_some()) {
            if !ground.names.contains(&name) {
                ground.names.push(name);
            }
        }
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
#[expect(
    clippy::disallowed_methods,
    reason = "the tests build the trees they search"
)]
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

    #[test]
    fn a_tree_that_is_too_large_is_refused_where_all_must_be_held() {
        let directory = tempfile::tempdir().unwrap();
        for number in 0..5 {
            std::fs::write(directory.path().join(number.to_string()), "").unwrap();
        }
        let around = Surroundings {
            working_directory: directory.path(),
            homes: &[],
        };
        let roots = FilesConfig::default().build(&around).unwrap();
        let draw = |require, scan_entries, waive: &[Waiver]| {
            let config = SandboxConfig {
                require,
                scan_entries,
                waive: waive.to_vec(),
                ..SandboxConfig::default()
            };
            Enclosure::new(&config, &roots, None).draw()
        };
        let root = directory.path().display();
        let error = draw(Tier::Strict, 4, &[]).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("`{root}` holds more than 4 entries")),
            "{error}"
        );
        let loose = [format!(
            "protected paths in {root} beyond its first 4 entries"
        )];
        let waived = draw(Tier::Strict, 4, &[Waiver::Unscanned]).unwrap();
        assert_eq!(waived.loose, loose);
        assert_eq!(draw(Tier::Landlock, 4, &[]).unwrap().loose, loose);
        let whole = draw(Tier::Strict, 5, &[]).unwrap();
        assert_eq!(whole.loose, Vec::<String>::new());
    }
}
