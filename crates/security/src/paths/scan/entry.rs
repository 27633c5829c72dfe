//! What a search comes across.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Stat, statat};

use super::super::Protection;
use super::super::protected::Rule;
use super::super::resolve::Identity;

/// A protected file with several names.
pub(super) struct Links<'a> {
    pub(super) protection: Protection,
    pub(super) rule: &'a str,
    /// Whether it was known from the start, so that its names are found on the way.
    pub(super) is_sought: bool,
    /// How many names it has.
    pub(super) all: usize,
    /// Those that rules name: directory and name, because one directory may be mounted twice.
    pub(super) named: HashMap<(Identity, OsString), Protection>,
}

impl Links<'_> {
    pub(super) fn are_all_held(&self) -> bool {
        let held = self.named.values();
        let held = held.filter(|it| **it == Protection::ReadWrite || **it == self.protection);
        held.count() >= self.all
    }
}

/// A directory yet to be listed. Opened only then, because there may be very many.
pub(super) struct Waiting<'a> {
    pub(super) relative: PathBuf,
    /// The rule that holds everything in it.
    pub(super) rule: Option<&'a Rule>,
}

/// An entry of a directory that is being listed.
pub(super) struct Entry<'e, 'a> {
    pub(super) top: &'e Path,
    pub(super) directory: &'e Waiting<'a>,
    pub(super) handle: &'e OwnedFd,
    pub(super) name: &'e OsStr,
    pub(super) file_type: FileType,
    /// None where directories may hold other inode numbers than stat(2) tells.
    pub(super) inode: Option<u64>,
}

impl Entry<'_, '_> {
    pub(super) fn path(&self) -> PathBuf {
        self.top.join(&self.directory.relative).join(self.name)
    }

    /// Its state, if it is a file with other names.
    pub(super) fn linked(&self) -> Option<Stat> {
        if !matches!(self.file_type, FileType::RegularFile | FileType::Unknown) {
            return None;
        }
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        statat(self.handle, self.name, flags)
            .ok()
            .filter(has_other_names)
    }
}

pub(super) fn has_other_names(stat: &Stat) -> bool {
    stat.st_nlink > 1 && FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}
