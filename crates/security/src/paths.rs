//! Paths confined to configured directories.
//!
//! A [`Roots`] holds one directory handle per root, opened at start. A caller's path becomes a
//! [`ConfinedPath`], [`ConfinedTarget`] or [`ConfinedDir`] only through it, and each of them holds
//! the descriptor that was judged: what is used later is the object that was checked, whatever
//! happens to its name meanwhile. Lookups are `openat2(2)` with `RESOLVE_BENEATH` and
//! `RESOLVE_NO_MAGICLINKS`, so the kernel keeps relative links and `..` inside the root; absolute
//! links count as leaving it.

mod config;
mod error;
mod hops;
mod links;
mod protected;
mod request;
pub(crate) mod resolve;
mod scan;
#[cfg(test)]
mod tests;
mod witness;

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, ResolveFlags};
use rustix::io::Errno;

pub(crate) use self::config::FileLimits;
use self::links::Linked;
use self::protected::Rules;
use self::resolve::{DIRECTORY, HANDLE, Identity, open_beneath, real_path};
pub(crate) use self::witness::{Existing, Missing, Target};

pub use self::config::{
    Access, FilesConfig, RootConfig, RootsError, Surroundings, home_directories,
};
pub use self::error::PathError;
pub use self::hops::every_name;
pub use self::protected::{ProtectedPath, Protection};
pub use self::resolve::Kind;
pub use self::scan::{Protected, ProtectedEntry};
pub use self::witness::{ConfinedDir, ConfinedPath, ConfinedTarget};

/// Most directories that one write creates.
const MAX_NEW_DIRECTORIES: usize = 32;

/// What a path is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// Reading.
    Read,
    /// Writing.
    Write,
}

/// The directories open to calls. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Roots(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    roots: Vec<Root>,
    rules: Rules,
    linked: Linked,
    limits: FileLimits,
    allowed: Arc<str>,
}

/// One directory open to calls.
#[derive(Debug)]
pub struct Root {
    handle: OwnedFd,
    shown: PathBuf,
    real: PathBuf,
    access: Access,
}

impl Root {
    /// The directory as it is configured, absolute.
    pub fn path(&self) -> &Path {
        &self.shown
    }

    /// What calls may do in it.
    pub fn access(&self) -> Access {
        self.access
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

/// A path that lies in a root as far as its text goes.
struct Asked<'a> {
    given: &'a str,
    root: &'a Root,
    relative: PathBuf,
    /// Where it is if no link is on the way; the rules by name allow that.
    plain: PathBuf,
}

impl Asked<'_> {
    /// The absolute path for replies.
    fn shown(&self) -> String {
        request::normalise(&self.root.shown.join(&self.relative))
            .to_string_lossy()
            .into_owned()
    }
}

impl Roots {
    fn new(roots: Vec<Root>, rules: Rules, limits: FileLimits) -> Self {
        let show = |root: &Root| match root.access {
            Access::ReadWrite => format!("`{}`", root.shown.display()),
            Access::ReadOnly => format!("`{}` (read-only)", root.shown.display()),
        };
        let allowed = roots.iter().map(show).collect::<Vec<_>>().join(", ").into();
        Self(Arc::new(Inner {
            roots,
            rules,
            linked: Linked::default(),
            limits,
            allowed,
        }))
    }

    /// The roots in the order of the configuration; relative paths start at the first.
    pub fn iter(&self) -> impl Iterator<Item = &Root> {
        self.0.roots.iter()
    }

    /// What stays closed inside the roots too, as it is configured.
    pub fn protected_paths(&self) -> impl Iterator<Item = ProtectedPath> {
        self.0.rules.iter().map(protected::Rule::configured)
    }

    /// The existing regular file at `given`, to be read.
    pub fn confine(&self, given: &str) -> Result<ConfinedPath, PathError> {
        let asked = self.locate(given, Intent::Read)?;
        let handle = self.lookup(&asked)?;
        self.judge_file(&handle, &asked, Intent::Read)?;
        Ok(ConfinedPath {
            handle,
            shown: asked.shown(),
            limits: self.0.limits,
        })
    }

    /// The directory at `given`; a root itself is one.
    pub fn confine_dir(&self, given: &str) -> Result<ConfinedDir, PathError> {
        let asked = self.locate(given, Intent::Read)?;
        let flags = HANDLE | DIRECTORY;
        let handle = open_beneath(
            &asked.root.handle,
            &asked.relative,
            flags,
            ResolveFlags::empty(),
        )
        .map_err(|errno| self.refusal(errno, given))?;
        let real = real_path(&handle).map_err(|source| unreadable(given, source))?;
        self.judge_name(&real, given, Intent::Read)?;
        let access = self.access_at(&real);
        Ok(ConfinedDir {
            handle,
            shown: asked.shown(),
            real,
            access,
        })
    }

    /// The place at `given` to be written: an existing regular file, or a name yet to be created.
    /// A link inside the root stands for the file it leads to.
    pub fn confine_target(&self, given: &str) -> Result<ConfinedTarget, PathError> {
        let asked = self.locate(given, Intent::Write)?;
        if given.ends_with('/') {
            return Err(PathError::Malformed {
                reason: "ends with `/`, so it names a directory",
            });
        }
        require_writable(asked.root.access, given)?;
        let target = match self.lookup(&asked) {
            Ok(handle) => Target::Existing(self.existing(&asked, handle)?),
            Err(PathError::NotFound { .. }) => Target::Missing(self.missing(&asked)?),
            Err(error) => return Err(error),
        };
        Ok(ConfinedTarget {
            target,
            shown: asked.shown(),
            limits: self.0.limits,
        })
    }

    /// Picks the deepest root that `given` lies in as text, and applies the rules to that text.
    fn locate<'a>(&'a self, given: &'a str, intent: Intent) -> Result<Asked<'a>, PathError> {
        let first = self.0.roots.first().ok_or(PathError::NoRoots)?;
        let path = request::parse(given)?;
        let (root, relative) = if path.is_absolute() {
            let beneath = self.0.roots.iter().flat_map(|root| {
                let rest = [&root.shown, &root.real].map(|start| path.strip_prefix(start).ok());
                rest.into_iter().flatten().map(move |rest| (root, rest))
            });
            beneath
                .min_by_key(|(_, rest)| rest.components().count())
                .ok_or_else(|| self.outside(given))?
        } else {
            (first, path)
        };
        let plain = request::normalise(&root.real.join(relative));
        self.judge_name(&plain, given, intent)?;
        Ok(Asked {
            given,
            root,
            relative: relative.to_owned(),
            plain,
        })
    }

    fn lookup(&self, asked: &Asked<'_>) -> Result<OwnedFd, PathError> {
        open_beneath(
            &asked.root.handle,
            &asked.relative,
            HANDLE,
            ResolveFlags::empty(),
        )
        .map_err(|errno| self.refusal(errno, asked.given))
    }

    /// Judges the object itself: where it really is, what it is, and its other names.
    fn judge_file(
        &self,
        handle: &OwnedFd,
        asked: &Asked<'_>,
        intent: Intent,
    ) -> Result<PathBuf, PathError> {
        let given = asked.given;
        let real = real_path(handle).map_err(|source| unreadable(given, source))?;
        if real != asked.plain {
            self.judge_name(&real, given, intent)?;
        }
        let stat = rustix::fs::fstat(handle).map_err(|errno| unreadable(given, errno.into()))?;
        let found = Kind::of(&stat);
        if found != Kind::RegularFile {
            return Err(PathError::WrongKind {
                path: given.to_owned(),
                found,
            });
        }
        if stat.st_nlink > 1 {
            self.judge_links(Identity::of(&stat), given, intent)?;
        }
        Ok(real)
    }

    /// Judges a file that has other names by these.
    fn judge_links(&self, file: Identity, given: &str, intent: Intent) -> Result<(), PathError> {
        let absolute = self.0.rules.against_object(file, intent);
        let rule = absolute.map(str::to_owned);
        match rule.or_else(|| self.0.linked.rule(self, file, intent)) {
            None => Ok(()),
            Some(rule) => Err(PathError::Protected {
                path: given.to_owned(),
                rule,
            }),
        }
    }

    fn judge_name(&self, real: &Path, given: &str, intent: Intent) -> Result<(), PathError> {
        match self.0.rules.against(real, intent) {
            None => Ok(()),
            Some(rule) => Err(PathError::Protected {
                path: given.to_owned(),
                rule: rule.to_owned(),
            }),
        }
    }

    /// The existing file with the directory and the name to replace it under.
    fn existing(&self, asked: &Asked<'_>, handle: OwnedFd) -> Result<Existing, PathError> {
        let given = asked.given;
        let real = self.judge_file(&handle, asked, Intent::Write)?;
        require_writable(self.access_at(&real), given)?;
        let root = &asked.root.handle;
        let root_now = real_path(root).map_err(|source| unreadable(given, source))?;
        let unsettled = || PathError::Unsettled {
            path: given.to_owned(),
        };
        let relative = real.strip_prefix(&root_now).map_err(|_| unsettled())?;
        let (Some(directory), Some(name)) = (relative.parent(), relative.file_name()) else {
            return Err(unsettled());
        };
        let parent = open_beneath(root, directory, DIRECTORY, ResolveFlags::NO_SYMLINKS)
            .map_err(|errno| self.refusal(errno, given))?;
        let existing = Existing {
            parent,
            name: name.to_owned(),
            handle,
        };
        if existing.is_in_place() {
            Ok(existing)
        } else {
            Err(unsettled())
        }
    }

    /// The deepest existing directory on the way, the directories to create, and the name.
    fn missing(&self, asked: &Asked<'_>) -> Result<Missing, PathError> {
        let given = asked.given;
        let not_found = || PathError::NotFound {
            path: given.to_owned(),
        };
        let Some(Component::Normal(name)) = asked.relative.components().next_back() else {
            return Err(not_found());
        };
        let mut directory = asked.relative.parent().unwrap_or(Path::new(""));
        let mut directories: Vec<OsString> = Vec::new();
        let ancestor = loop {
            match open_beneath(
                &asked.root.handle,
                directory,
                DIRECTORY,
                ResolveFlags::empty(),
            ) {
                Ok(ancestor) => break ancestor,
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(self.refusal(errno, given)),
            }
            let Some(Component::Normal(next)) = directory.components().next_back() else {
                return Err(not_found());
            };
            if directories.len() == MAX_NEW_DIRECTORIES {
                return Err(PathError::Malformed {
                    reason: "has more than 32 missing directories",
                });
            }
            directories.push(next.to_owned());
            directory = directory.parent().unwrap_or(Path::new(""));
        };
        directories.reverse();
        let mut real = real_path(&ancestor).map_err(|source| unreadable(given, source))?;
        require_writable(self.access_at(&real), given)?;
        real.extend(&directories);
        real.push(name);
        self.judge_name(&real, given, Intent::Write)?;
        refuse_dead_link(
            &ancestor,
            directories.first().map_or(name, |first| first),
            given,
        )?;
        Ok(Missing {
            ancestor,
            directories,
            name: name.to_owned(),
        })
    }

    /// The access of the deepest root around `real`: a read-only root inside a writable one holds.
    fn access_at(&self, real: &Path) -> Access {
        let around = self
            .0
            .roots
            .iter()
            .filter(|root| real.starts_with(&root.real));
        let deepest = around.max_by_key(|root| root.real.components().count());
        deepest.map_or(Access::ReadOnly, |root| root.access)
    }

    fn outside(&self, given: &str) -> PathError {
        PathError::Outside {
            path: given.to_owned(),
            allowed: Arc::clone(&self.0.allowed),
        }
    }

    fn refusal(&self, errno: Errno, given: &str) -> PathError {
        PathError::from_lookup(errno, given, &self.0.allowed)
    }
}

fn require_writable(access: Access, given: &str) -> Result<(), PathError> {
    match access {
        Access::ReadWrite => Ok(()),
        Access::ReadOnly => Err(PathError::ReadOnly {
            path: given.to_owned(),
        }),
    }
}

/// A link that leads to nothing would be replaced, not followed: better to say so.
fn refuse_dead_link(directory: &OwnedFd, name: &OsStr, given: &str) -> Result<(), PathError> {
    match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if Kind::of(&stat) == Kind::RegularFile => Err(PathError::Unsettled {
            path: given.to_owned(),
        }),
        Ok(stat) => Err(PathError::WrongKind {
            path: given.to_owned(),
            found: Kind::of(&stat),
        }),
        Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(unreadable(given, errno.into())),
    }
}

fn unreadable(given: &str, source: std::io::Error) -> PathError {
    PathError::Io {
        path: given.to_owned(),
        source,
    }
}
