//! The configuration of file access, and how it becomes [`Roots`].

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::fs::{CWD, Mode};
use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::protected::{Rules, default_exceptions, default_rules};
use super::resolve::{DIRECTORY, Identity, real_path};
use super::{Intent, ProtectedPath, Root, Roots};

/// Which files a call may touch, and how much of them.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FilesConfig {
    /// Directories open to calls. None by default: then the working directory, read-write, unless
    /// it is `/`, a home directory or protected.
    #[schemars(with = "Vec<String>")]
    pub roots: Vec<RootConfig>,
    /// Paths that stay closed inside roots too. The default holds secrets, the kernel's file
    /// systems, shell start files, and the settings of agents and editors.
    #[schemars(with = "Vec<String>")]
    pub protected: Vec<ProtectedPath>,
    /// Further protected paths, beside `protected`: `"deploy.key"`, or
    /// `{ path = ".gitlab-ci.yml", access = "write" }` for what may be read. None by default.
    #[schemars(with = "Vec<String>")]
    pub extra_protected: Vec<ProtectedPath>,
    /// Names that no rule by name refuses. Default: `.env.example`, `.env.sample`, `.env.template`.
    pub unprotected_names: Vec<String>,
    /// Largest file that is read whole, in bytes. Default 100 000 000. Ranges have no such bound.
    pub max_read_bytes: u64,
    /// Largest file that a write may leave, in bytes. Default 100 000 000.
    pub max_write_bytes: u64,
    /// Largest file that is read again for its hash after an append, in bytes. Default 16 777 216.
    pub append_hash_bytes: u64,
}

impl Default for FilesConfig {
    fn default() -> Self {
        Self {
            roots: Vec::new(),
            protected: default_rules(),
            extra_protected: Vec::new(),
            unprotected_names: default_exceptions(),
            max_read_bytes: 100_000_000,
            max_write_bytes: 100_000_000,
            append_hash_bytes: 16 * 1024 * 1024,
        }
    }
}

/// A directory open to calls: a table, or the text `PATH`, `PATH:ro` or `PATH:rw`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RootConfig {
    /// The directory; a relative path starts at the working directory.
    pub path: PathBuf,
    /// What calls may do in it; `read_write` by default.
    pub access: Access,
}

/// What calls may do in a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Read and write.
    #[default]
    ReadWrite,
    /// Read.
    ReadOnly,
}

impl FromStr for RootConfig {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let (path, access) = match text.rsplit_once(':') {
            Some((path, "ro")) => (path, Access::ReadOnly),
            Some((path, "rw")) => (path, Access::ReadWrite),
            Some(_) | None => (text, Access::ReadWrite),
        };
        Ok(Self {
            path: path.into(),
            access,
        })
    }
}

impl<'de> Deserialize<'de> for RootConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RootVisitor)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RootTable {
    path: PathBuf,
    #[serde(default)]
    access: Access,
}

struct RootVisitor;

impl<'de> Visitor<'de> for RootVisitor {
    type Value = RootConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a path, or a table with `path` and `access`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<RootConfig, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RootConfig, A::Error> {
        let RootTable { path, access } = RootTable::deserialize(MapAccessDeserializer::new(map))?;
        Ok(RootConfig { path, access })
    }
}

/// Where the server was started, as far as the default root depends on it.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// The working directory, absolute.
    pub working_directory: &'a Path,
    /// Directories that are somebody's home (see [`home_directories`]).
    pub homes: &'a [PathBuf],
}

/// The home directories that passwd(5) text and the variable `HOME` name, each once.
pub fn home_directories(passwd: &str, home: Option<&OsStr>) -> Vec<PathBuf> {
    let listed = passwd.lines().filter_map(|line| line.split(':').nth(5));
    let listed = listed.filter(|home| home.starts_with('/')).map(OsStr::new);
    let homes: BTreeSet<&OsStr> = listed.chain(home).collect();
    homes.into_iter().map(PathBuf::from).collect()
}

/// The configuration cannot be put in force.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// A root is missing, is no directory, or may not be entered.
    #[error("the root `{}` cannot be opened as a directory", path.display())]
    Unopened {
        /// The root as it was resolved.
        path: PathBuf,
        /// The reason of the operating system.
        #[source]
        source: io::Error,
    },
    /// A root lies where nothing may be read.
    #[error("the root `{}` is protected by the rule `{rule}`", path.display())]
    Protected {
        /// The root without links.
        path: PathBuf,
        /// The rule as it is configured.
        rule: String,
    },
    /// A protected path has no name in it.
    #[error("the protected path `{rule}` names nothing")]
    EmptyRule {
        /// The rule as it is configured.
        rule: String,
    },
}

impl FilesConfig {
    /// Opens every root and keeps the handles: what a root's name means later changes nothing.
    pub fn build(self, around: &Surroundings<'_>) -> Result<Roots, RootsError> {
        let limits = FileLimits {
            read: self.max_read_bytes,
            written: self.max_write_bytes,
            rehashed: self.append_hash_bytes,
        };
        let rules = self.protected.into_iter().chain(self.extra_protected);
        let rules = Rules::new(rules, &self.unprotected_names)?;
        let roots = if self.roots.is_empty() {
            default_root(around, &rules)?.into_iter().collect()
        } else {
            let open = |root: &RootConfig| open_root(root, around.working_directory, &rules);
            self.roots.iter().map(open).collect::<Result<_, _>>()?
        };
        Ok(Roots::new(roots, rules, limits))
    }
}

/// Sizes of files that a confined path carries along, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileLimits {
    pub(crate) read: u64,
    pub(crate) written: u64,
    pub(crate) rehashed: u64,
}

fn open_root(root: &RootConfig, start: &Path, rules: &Rules) -> Result<Root, RootsError> {
    let shown = start.join(&root.path);
    let unopened = |source| RootsError::Unopened {
        path: shown.clone(),
        source,
    };
    let handle = rustix::fs::openat(CWD, &shown, DIRECTORY, Mode::empty())
        .map_err(|errno| unopened(errno.into()))?;
    let real = real_path(&handle).map_err(unopened)?;
    if let Some(rule) = rules.against(&real, Intent::Read) {
        return Err(RootsError::Protected {
            path: real,
            rule: rule.to_owned(),
        });
    }
    Ok(Root {
        handle,
        shown,
        real,
        access: root.access,
    })
}

/// The working directory, unless opening it would open too much.
fn default_root(around: &Surroundings<'_>, rules: &Rules) -> Result<Option<Root>, RootsError> {
    let here = around.working_directory;
    let identity = Identity::at(here);
    let too_much = here.parent().is_none()
        || identity == Identity::at(Path::new("/"))
        || around
            .homes
            .iter()
            .any(|home| home == here || Identity::at(home) == identity);
    if too_much {
        return Ok(None);
    }
    let root = RootConfig {
        path: here.to_owned(),
        access: Access::ReadWrite,
    };
    match open_root(&root, here, rules) {
        Ok(root) => Ok(Some(root)),
        Err(RootsError::Protected { .. }) => Ok(None),
        Err(error @ (RootsError::Unopened { .. } | RootsError::EmptyRule { .. })) => Err(error),
    }
}
