//! Finding the protected paths that exist beneath the roots, for a sandbox to cover.

use std::collections::{HashMap, VecDeque};
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::fs::{Dir, FileType, ResolveFlags};

use super::protected::{Rule, Rules, fold};
use super::resolve::{DIRECTORY, open_beneath, real_path};
use super::{Protection, Roots};

/// A protected path that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtectedEntry {
    /// Absolute, without links.
    pub path: PathBuf,
    /// How many names at its end the rule is about: 2 for `.git/hooks`.
    pub names: usize,
    /// What the rule forbids.
    pub protection: Protection,
}

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Protected {
    /// The paths, nearest to the roots first. Nothing beneath a closed one is listed.
    pub entries: Vec<ProtectedEntry>,
    /// Whether the bound was reached before everything was looked at.
    pub is_cut: bool,
}

impl Roots {
    /// Looks for protected paths beneath all roots, breadth first, and looks at no more than
    /// `limit` directory entries. Blocks. Links are not followed, and what cannot be listed is
    /// left out, as it is closed to this user anyway.
    pub fn find_protected(&self, limit: usize) -> Protected {
        let mut search = Search {
            by_name: ByName::new(&self.0.rules),
            rules: &self.0.rules,
            left: limit,
            found: Protected::default(),
            queue: VecDeque::new(),
        };
        for root in &self.0.roots {
            if let Ok(path) = real_path(&root.handle) {
                search.queue.push_back(Waiting {
                    root: &root.handle,
                    relative: PathBuf::new(),
                    path,
                });
            }
        }
        search.run();
        search.found
    }
}

struct Search<'a> {
    by_name: ByName<'a>,
    rules: &'a Rules,
    left: usize,
    found: Protected,
    queue: VecDeque<Waiting<'a>>,
}

/// A directory yet to be listed. Opened only then, because there may be very many.
struct Waiting<'a> {
    root: &'a OwnedFd,
    relative: PathBuf,
    path: PathBuf,
}

impl<'a> Search<'a> {
    fn run(&mut self) {
        while let Some(directory) = self.queue.pop_front() {
            let Waiting { root, relative, .. } = &directory;
            // One that vanished, became a link, or is closed to this user is left out.
            let opened = open_beneath(root, relative, DIRECTORY, ResolveFlags::NO_SYMLINKS);
            let Ok(entries) = opened.and_then(Dir::new) else {
                continue;
            };
            for entry in entries.flatten() {
                let name = entry.file_name().to_bytes();
                if matches!(name, b"." | b"..") {
                    continue;
                }
                let Some(left) = self.left.checked_sub(1) else {
                    self.found.is_cut = true;
                    return;
                };
                self.left = left;
                self.look(&directory, OsStr::from_bytes(name), entry.file_type());
            }
        }
    }

    fn look(&mut self, directory: &Waiting<'a>, name: &OsStr, file_type: FileType) {
        let mut is_closed = false;
        let mut candidates = self.by_name.candidates(name).peekable();
        if candidates.peek().is_some() {
            let path = directory.path.join(name);
            if let Some(rule) = candidates.find(|rule| self.rules.ends_at(rule, &path)) {
                is_closed = rule.is_closing();
                self.found.entries.push(ProtectedEntry {
                    path,
                    names: rule.length(),
                    protection: rule.protection(),
                });
            }
        }
        if !is_closed && matches!(file_type, FileType::Directory | FileType::Unknown) {
            self.queue.push_back(Waiting {
                root: directory.root,
                relative: directory.relative.join(name),
                path: directory.path.join(name),
            });
        }
    }
}

/// The rules by the last of their names, because most entries match none.
struct ByName<'a> {
    literal: HashMap<&'a str, Vec<&'a Rule>>,
    patterns: Vec<&'a Rule>,
}

impl<'a> ByName<'a> {
    fn new(rules: &'a Rules) -> Self {
        let mut by_name = Self {
            literal: HashMap::new(),
            patterns: Vec::new(),
        };
        for rule in rules.iter() {
            match rule.last_name() {
                name if name.contains('*') => by_name.patterns.push(rule),
                name => by_name.literal.entry(name).or_default().push(rule),
            }
        }
        by_name
    }

    fn candidates(&self, name: &OsStr) -> impl Iterator<Item = &'a Rule> {
        let folded = fold(&name.to_string_lossy());
        let literal = self
            .literal
            .get(folded.as_str())
            .into_iter()
            .flatten()
            .copied();
        let patterns: Vec<&Rule> = self
            .patterns
            .iter()
            .filter(|rule| rule.last_matches(&folded))
            .copied()
            .collect();
        literal.chain(patterns)
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "the tests build the trees they search"
)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::super::{FilesConfig, Surroundings};
    use super::*;

    fn roots(directory: &std::path::Path) -> Roots {
        let around = Surroundings {
            working_directory: directory,
            homes: &[],
        };
        FilesConfig::default().build(&around).unwrap()
    }

    #[test]
    fn finds_what_the_rules_name_at_any_depth_and_follows_no_link() {
        let top = tempfile::tempdir().unwrap();
        let top = top.path();
        for name in [".git/hooks", "a/b/.GIT/hooks/x", ".ssh/.aws", "hooks"] {
            fs::create_dir_all(top.join(name)).unwrap();
        }
        for name in [
            ".git/config",
            "a/.env.local",
            "a/.env.example",
            "a/.mcp.json",
        ] {
            fs::write(top.join(name), "x").unwrap();
        }
        symlink(top.join("a"), top.join("link")).unwrap();
        let mut found = roots(top).find_protected(1000);
        found
            .entries
            .sort_by(|one, other| one.path.cmp(&other.path));
        let entry = |path: &str, names, protection| ProtectedEntry {
            path: top.join(path),
            names,
            protection,
        };
        let expect = [
            entry(".git/config", 2, Protection::Write),
            entry(".git/hooks", 2, Protection::ReadWrite),
            entry(".ssh", 1, Protection::ReadWrite),
            entry("a/.env.local", 1, Protection::ReadWrite),
            entry("a/.mcp.json", 1, Protection::Write),
            entry("a/b/.GIT/hooks", 2, Protection::ReadWrite),
        ];
        assert_eq!(found.entries, expect);
        assert!(!found.is_cut);
    }

    #[test]
    fn stops_at_its_bound_and_says_so() {
        let top = tempfile::tempdir().unwrap();
        for number in 0..10 {
            fs::write(top.path().join(number.to_string()), "").unwrap();
        }
        assert!(!roots(top.path()).find_protected(10).is_cut);
        assert!(roots(top.path()).find_protected(9).is_cut);
    }
}
