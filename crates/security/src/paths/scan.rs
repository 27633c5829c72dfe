//! Finding the protected paths that exist beneath the roots, for a sandbox to cover.
//!
//! Names are what rules are about, so every directory may hold a protected one and has to be
//! listed; only a root inside another is left to its own search. On one machine an entry takes
//! about 1.5 µs when the directories are in memory, nearly all of it the kernel's.

mod entry;
mod names;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, RawDir, ResolveFlags, Stat, fstat, fstatfs, statat};

use self::entry::{Entry, Links, Waiting, has_other_names};
use self::names::ByName;
use super::protected::{Rule, Rules};
use super::resolve::{DIRECTORY, Identity, open_beneath, real_path};
use super::{Protection, Roots};

/// Room for one answer of getdents64(2): a few hundred entries.
const LISTING_BYTES: usize = 32 * 1024;
/// `OVERLAYFS_SUPER_MAGIC` of statfs(2).
const OVERLAY: i64 = 0x794c_7630;

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
    /// The paths: by name, nearest to their roots first, then other names of the same files.
    /// Nothing beneath a closed one is listed.
    pub entries: Vec<ProtectedEntry>,
    /// The roots that hold more entries than the bound, without links: what is deeper in them was
    /// not looked at.
    pub cut: Vec<PathBuf>,
}

impl Roots {
    /// Looks for protected paths beneath all roots, each breadth first, and looks at no more than
    /// `limit` directory entries of each. Blocks. Links are not followed, and what cannot be
    /// listed is left out, as it is closed to this user anyway.
    ///
    /// Where a protected file has other names (hard links), these are found too, wherever in the
    /// roots they are; that takes a second look at the same entries.
    pub fn find_protected(&self, limit: usize) -> Protected {
        let mut search = Search::new(self, limit);
        search.run(Search::look_for_names);
        if search.has_unsought_names() {
            search.run(Search::look_for_links);
        }
        search.found
    }

    /// The protected files that have other names too, by identity, with their rule. Looks at no
    /// more than `limit` entries of each root, nearest first.
    pub(super) fn linked_files(&self, limit: usize) -> HashMap<Identity, (Protection, String)> {
        let mut search = Search::new(self, limit);
        search.run(Search::look_for_names);
        let linked = search.linked.into_iter();
        linked
            .map(|(file, links)| (file, (links.protection, links.rule.to_owned())))
            .collect()
    }
}

struct Search<'a> {
    by_name: ByName<'a>,
    rules: &'a Rules,
    limit: usize,
    tops: Vec<(&'a OwnedFd, PathBuf)>,
    found: Protected,
    /// Protected files with several names, and their inode numbers alone.
    linked: HashMap<Identity, Links<'a>>,
    inodes: HashSet<u64>,
    /// The entries of `found` by path.
    named: HashMap<PathBuf, Protection>,
}

/// What is done with an entry, and with what is in it.
type Look<'a> = fn(&mut Search<'a>, &Entry<'_, 'a>) -> Inside<'a>;

/// What becomes of the entries of a directory.
enum Inside<'a> {
    /// They are looked at, held by this rule if there is one.
    Listed(Option<&'a Rule>),
    LeftOut,
}

impl<'a> Search<'a> {
    fn new(roots: &'a Roots, limit: usize) -> Self {
        let rules = &roots.0.rules;
        let open = roots.0.roots.iter();
        let tops = open.filter_map(|root| Some((&root.handle, real_path(&root.handle).ok()?)));
        let mut search = Self {
            by_name: ByName::new(rules),
            rules,
            limit,
            tops: tops.collect(),
            found: Protected::default(),
            linked: HashMap::new(),
            inodes: HashSet::new(),
            named: HashMap::new(),
        };
        // Their own names need not lie in a root, and so are known before the search.
        for rule in rules.iter().filter(|rule| rule.is_from_top()) {
            let named = statat(CWD, rule.text(), AtFlags::NO_AUTOMOUNT);
            if let Some(stat) = named.ok().filter(has_other_names) {
                search.link(&stat, rule).is_sought = true;
            }
        }
        search
    }

    fn run(&mut self, look: Look<'a>) {
        let tops = self.tops.clone();
        for (handle, top) in &tops {
            let whole = self.search(handle, top, look);
            if whole.is_none() && !self.found.cut.contains(top) {
                self.found.cut.push(top.clone());
            }
        }
    }

    /// Looks at the entries of one root; none when there are too many.
    fn search(&mut self, root: &OwnedFd, top: &Path, look: Look<'a>) -> Option<()> {
        let mut left = self.limit;
        let has_inodes = fstatfs(root).is_ok_and(|system| system.f_type != OVERLAY);
        let mut listing = Vec::with_capacity(LISTING_BYTES);
        let mut queue = VecDeque::from([Waiting {
            relative: PathBuf::new(),
            rule: None,
        }]);
        while let Some(directory) = queue.pop_front() {
            // One that vanished, became a link, or is closed to this user is left out.
            let opened = open_beneath(
                root,
                &directory.relative,
                DIRECTORY,
                ResolveFlags::NO_SYMLINKS,
            );
            let Ok(handle) = opened else { continue };
            let mut entries = RawDir::new(&handle, listing.spare_capacity_mut());
            while let Some(Ok(entry)) = entries.next() {
                let name = entry.file_name().to_bytes();
                if matches!(name, b"." | b"..") {
                    continue;
                }
                left = left.checked_sub(1)?;
                let entry = Entry {
                    top,
                    directory: &directory,
                    handle: &handle,
                    name: OsStr::from_bytes(name),
                    file_type: entry.file_type(),
                    inode: has_inodes.then(|| entry.ino()),
                };
                if let Inside::Listed(rule) = look(self, &entry)
                    && matches!(entry.file_type, FileType::Directory | FileType::Unknown)
                    && !self.is_root(&entry)
                {
                    queue.push_back(Waiting {
                        relative: directory.relative.join(entry.name),
                        rule,
                    });
                }
            }
        }
        Some(())
    }

    /// Whether it is searched by itself.
    fn is_root(&self, entry: &Entry<'_, '_>) -> bool {
        self.tops.len() > 1 && {
            let path = entry.path();
            self.tops.iter().any(|(_, top)| *top == path)
        }
    }

    fn look_for_names(&mut self, entry: &Entry<'_, 'a>) -> Inside<'a> {
        let above = entry.directory.rule;
        if above.is_some_and(Rule::is_closing) {
            self.note_links(entry, above);
            return Inside::Listed(above);
        }
        let rule = self.rule_at(entry).or(above);
        self.note_links(entry, rule);
        if !self.inodes.is_empty() && !rule.is_some_and(Rule::is_closing) {
            self.note_other_name(entry);
        }
        Inside::Listed(rule)
    }

    /// The rule that names this entry, which is noted.
    fn rule_at(&mut self, entry: &Entry<'_, 'a>) -> Option<&'a Rule> {
        let candidates = self.by_name.candidates(entry.name);
        if candidates.is_empty() {
            return None;
        }
        let path = entry.path();
        let mut candidates = candidates.into_iter();
        let rule = candidates.find(|rule| self.rules.ends_at(rule, &path))?;
        self.note(path, rule.length(), rule.protection());
        Some(rule)
    }

    fn look_for_links(&mut self, entry: &Entry<'_, 'a>) -> Inside<'a> {
        self.note_other_name(entry);
        if self.named.get(&entry.path()) == Some(&Protection::ReadWrite) {
            Inside::LeftOut
        } else {
            Inside::Listed(None)
        }
    }

    /// Notes an entry that is another name of a protected file.
    fn note_other_name(&mut self, entry: &Entry<'_, 'a>) {
        if entry
            .inode
            .is_some_and(|inode| !self.inodes.contains(&inode))
        {
            return;
        }
        let file = entry.linked().map(|stat| Identity::of(&stat));
        let Some(links) = file.and_then(|file| self.linked.get(&file)) else {
            return;
        };
        let path = entry.path();
        let named = self.named.get(&path);
        if named != Some(&Protection::ReadWrite) && named != Some(&links.protection) {
            let protection = links.protection;
            self.note(path, 1, protection);
        }
    }

    fn note(&mut self, path: PathBuf, names: usize, protection: Protection) {
        self.named.insert(path.clone(), protection);
        self.found.entries.push(ProtectedEntry {
            path,
            names,
            protection,
        });
    }

    fn note_links(&mut self, entry: &Entry<'_, 'a>, rule: Option<&'a Rule>) {
        if let Some(rule) = rule
            && let Some(stat) = entry.linked()
        {
            let links = self.link(&stat, rule);
            if let Ok(directory) = fstat(entry.handle) {
                let name = (Identity::of(&directory), entry.name.to_owned());
                links.named.insert(name, rule.protection());
            }
        }
    }

    fn link(&mut self, stat: &Stat, rule: &'a Rule) -> &mut Links<'a> {
        let links = self.linked.entry(Identity::of(stat)).or_insert(Links {
            protection: rule.protection(),
            rule: rule.text(),
            is_sought: false,
            all: usize::try_from(stat.st_nlink).unwrap_or(usize::MAX),
            named: HashMap::new(),
        });
        if rule.is_closing() && links.protection != Protection::ReadWrite {
            links.protection = Protection::ReadWrite;
            links.is_sought = false;
        }
        self.inodes.insert(stat.st_ino);
        links
    }

    fn has_unsought_names(&self) -> bool {
        let mut links = self.linked.values();
        links.any(|links| !links.is_sought && !links.are_all_held())
    }
}
