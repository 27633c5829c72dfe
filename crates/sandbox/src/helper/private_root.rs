//! The file system of the strict tier: a small one in memory that shows pieces of the host's.
//!
//! ```text
//! /                 in memory, read-only once the roots are open
//! /usr /etc …       the system, read-only          /proc  of the own namespace, read-only
//! /tmp /run ~ …     private, one size bound        /dev   a few harmless devices
//! the roots         at their own paths
//! ```

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, fstat, mkdirat, mknodat, open, openat,
    readlinkat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, mount_remount, unmount,
};
use rustix::process::{chdir, pivot_root};

use super::mounts::{DIRECTORY, HANDLE, bind, find, plain_names, restrict};
use crate::boundary::{Access, Ground, Root};

/// Where the host's file system is until the roots are open.
const OLD: &str = "/old";
/// What stands for a hidden file and a hidden directory.
const MASKS: &str = "/.masked";
/// Where the private files are laid out before they are shown at their places.
const SCRATCH: &str = "/.scratch";

/// Devices that give and take nothing.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
/// Links in `/dev` that programs expect.
const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
];
/// Files of `/proc` that tell about the machine rather than the command's processes.
const UNTOLD: [&str; 8] = [
    "/proc/kcore",
    "/proc/key-users",
    "/proc/keys",
    "/proc/kmsg",
    "/proc/kpagecgroup",
    "/proc/kpagecount",
    "/proc/kpageflags",
    "/proc/timer_list",
];
/// Private directories that every command has.
const PRIVATE: [&str; 4] = ["/tmp", "/var/tmp", "/run", "/dev/shm"];

const PLAIN: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);

/// The laid-out file system, with the host's still in sight.
pub(super) struct PrivateRoot {
    old: OwnedFd,
    top: OwnedFd,
    masks: Masks,
    /// The file systems of its own, the only ones where mount points may be created.
    own: [u64; 2],
}

impl PrivateRoot {
    /// Replaces the root of this mount namespace.
    pub(super) fn lay(ground: &Ground) -> io::Result<Self> {
        mount_change(
            "/",
            MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
        )?;
        // The new root covers the host's /tmp only until it has become the root.
        mount("tmpfs", "/tmp", "tmpfs", PLAIN, c"mode=0755,size=4m")?;
        chdir("/tmp")?;
        mkdirat(CWD, "old", Mode::RWXU)?;
        pivot_root(".", "old")?;
        chdir("/")?;
        mkdirat(CWD, "/proc", Mode::from(0o755))?;
        let read_only = PLAIN | MountFlags::NOEXEC | MountFlags::RDONLY;
        mount("proc", "/proc", "proc", read_only, None)?;
        let top = open("/", DIRECTORY, Mode::empty())?;
        let size = format!("mode=0700,size={}", ground.scratch_bytes);
        let size = std::ffi::CString::new(size)?;
        mkdirat(CWD, SCRATCH, Mode::RWXU)?;
        mount("tmpfs", SCRATCH, "tmpfs", PLAIN, size.as_c_str())?;
        let own = [
            fstat(&top)?.st_dev,
            fstat(open(SCRATCH, DIRECTORY, Mode::empty())?)?.st_dev,
        ];
        let root = Self {
            old: open(OLD, DIRECTORY, Mode::empty())?,
            masks: Masks::make()?,
            top,
            own,
        };
        root.show_private_and_system(ground)?;
        root.show_devices()?;
        for path in UNTOLD
            .iter()
            .map(Path::new)
            .chain(ground.hidden.iter().map(AsRef::as_ref))
        {
            root.hide(path)?;
        }
        unmount(SCRATCH, UnmountFlags::DETACH)?;
        unlinkat(CWD, SCRATCH, AtFlags::REMOVEDIR)?;
        Ok(root)
    }

    /// Opens the roots, the deepest last, so that it is the one in sight.
    pub(super) fn open(&self, roots: &[Root]) -> io::Result<()> {
        let mut roots: Vec<&Root> = roots.iter().collect();
        roots.sort_by_key(|root| root.place.path.components().count());
        for root in &roots {
            let path = &root.place.path;
            if path.parent().is_none() {
                // Nothing would be left to confine to.
                return Err(Errno::NOTSUP.into());
            }
            let source = find(&self.old, path, DIRECTORY, ResolveFlags::NO_SYMLINKS)?;
            if !root.place.is(&fstat(&source)?) {
                return Err(Errno::STALE.into());
            }
            bind(source, self.mount_point(path, FileType::Directory)?)?;
        }
        let tops: Vec<(&Path, MountFlags)> = roots
            .iter()
            .map(|root| match root.access {
                Access::ReadWrite => (root.place.path.as_path(), PLAIN),
                Access::ReadOnly => (root.place.path.as_path(), PLAIN | MountFlags::RDONLY),
            })
            .collect();
        restrict(&tops)
    }

    /// Lets go of the host's file system. Nothing can be shown any more, and the root itself is
    /// read-only from here on.
    pub(super) fn close(self) -> io::Result<()> {
        drop(self);
        unmount(OLD, UnmountFlags::DETACH)?;
        unlinkat(CWD, OLD, AtFlags::REMOVEDIR)?;
        mount_remount("/", PLAIN | MountFlags::RDONLY, "")?;
        Ok(())
    }

    /// The root, and the host's root.
    pub(super) fn tops(&self) -> (&OwnedFd, &OwnedFd) {
        (&self.top, &self.old)
    }

    /// Covers what is at `path`, if anything is, so that it can be neither read nor changed.
    ///
    /// May be asked again: a mount vanishes from here when the host replaces what lies beneath it
    /// (rename(2)), so the other file is to be covered too.
    pub(super) fn hide(&self, path: &Path) -> io::Result<()> {
        match find(&self.top, path, HANDLE, ResolveFlags::empty()) {
            Ok(found) if self.masks.contain(&found)? => Ok(()),
            Ok(found) => self.cover(found),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS | Errno::LOOP) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Covers an object that was found inside.
    pub(super) fn cover(&self, found: OwnedFd) -> io::Result<()> {
        let Masks {
            file,
            directory,
            pipe,
        } = &self.masks;
        let mask = match kind(&found)? {
            FileType::Directory => directory,
            FileType::Fifo => pipe,
            FileType::RegularFile
            | FileType::Symlink
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => file,
        };
        bind(mask, found)?;
        Ok(())
    }

    fn show_private_and_system(&self, ground: &Ground) -> io::Result<()> {
        let private = PRIVATE.iter().map(Path::new).chain(ground.home.as_deref());
        let private = private.map(|path| (path, true));
        let readable = ground.readable.iter().map(|path| (path.as_path(), false));
        let mut places: Vec<(&Path, bool)> = private.chain(readable).collect();
        places.sort_by_key(|(path, _)| path.components().count());
        let mut shown = Vec::new();
        for (number, (path, is_private)) in places.into_iter().enumerate() {
            if is_private {
                self.show_private(path, number)?;
            } else if self.show_host(path)? {
                shown.push((path, PLAIN | MountFlags::RDONLY));
            }
        }
        for home in ["/home", "/root"] {
            self.mount_point(Path::new(home), FileType::Directory)?;
        }
        restrict(&shown)
    }

    /// A directory of the private files; left out where the host's own system is in the way.
    fn show_private(&self, path: &Path, number: usize) -> io::Result<()> {
        let made = PathBuf::from(format!("{SCRATCH}/{number}"));
        mkdirat(CWD, &made, Mode::from(0o1777))?;
        match self.mount_point(path, FileType::Directory) {
            Ok(target) => bind(open(&made, DIRECTORY, Mode::empty())?, target)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Shows a path of the host, if it is there: links as links, the rest as mounts.
    fn show_host(&self, path: &Path) -> io::Result<bool> {
        let source = match find(
            &self.old,
            path,
            HANDLE | OFlags::NOFOLLOW,
            ResolveFlags::empty(),
        ) {
            Ok(source) => source,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS | Errno::LOOP) => return Ok(false),
            Err(errno) => return Err(errno.into()),
        };
        let kind = kind(&source)?;
        if kind != FileType::Symlink {
            bind(source, self.mount_point(path, kind)?)?;
            return Ok(true);
        }
        let leads_to = readlinkat(&source, "", Vec::new())?;
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(false);
        };
        let parent = self.mount_point(parent, FileType::Directory)?;
        match symlinkat(leads_to.as_c_str(), parent, name) {
            Ok(()) | Err(Errno::EXIST) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    fn show_devices(&self) -> io::Result<()> {
        for name in DEVICES {
            let path = Path::new("/dev").join(name);
            let source = find(&self.old, &path, HANDLE, ResolveFlags::empty())?;
            bind(source, self.mount_point(&path, FileType::RegularFile)?)?;
        }
        self.mount_point(Path::new("/dev/pts"), FileType::Directory)?;
        let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
        let options = c"newinstance,ptmxmode=0666,mode=0620";
        mount("devpts", "/dev/pts", "devpts", flags, options)?;
        for (leads_to, link) in LINKS {
            symlinkat(leads_to, CWD, link)?;
        }
        Ok(())
    }

    /// The object at `path`, created with the directories above it where that touches nothing of
    /// the host. No link is followed.
    fn mount_point(&self, path: &Path, kind: FileType) -> io::Result<OwnedFd> {
        let mut at = self.top.try_clone()?;
        let mut names = plain_names(path);
        let mut next = names.next();
        while let Some(name) = next {
            next = names.next();
            let is_file = next.is_none() && kind != FileType::Directory;
            let flags = if is_file {
                HANDLE | OFlags::NOFOLLOW
            } else {
                DIRECTORY
            };
            at = match openat(&at, name, flags, Mode::empty()) {
                Err(Errno::NOENT) if self.own.contains(&fstat(&at)?.st_dev) => {
                    let mode = Mode::from(0o755);
                    if is_file {
                        let create = OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                        openat(&at, name, create | OFlags::WRONLY, mode)?;
                    } else {
                        mkdirat(&at, name, mode)?;
                    }
                    openat(&at, name, flags, Mode::empty())?
                }
                found => found?,
            };
        }
        Ok(at)
    }
}

/// What covers hidden things: none can be opened but the directory, which is empty, and nobody can
/// change them once the root is read-only.
struct Masks {
    file: OwnedFd,
    directory: OwnedFd,
    pipe: OwnedFd,
}

impl Masks {
    fn make() -> io::Result<Self> {
        mkdirat(CWD, MASKS, Mode::from(0o755))?;
        let masks = open(MASKS, DIRECTORY, Mode::empty())?;
        let create = OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::WRONLY;
        openat(&masks, "file", create, Mode::empty())?;
        mkdirat(&masks, "directory", Mode::from(0o555))?;
        mknodat(&masks, "pipe", FileType::Fifo, Mode::empty(), 0)?;
        Ok(Self {
            file: openat(&masks, "file", HANDLE, Mode::empty())?,
            directory: openat(&masks, "directory", DIRECTORY, Mode::empty())?,
            pipe: openat(&masks, "pipe", HANDLE, Mode::empty())?,
        })
    }

    fn contain(&self, found: &OwnedFd) -> io::Result<bool> {
        let identity = |handle: &OwnedFd| fstat(handle).map(|stat| (stat.st_dev, stat.st_ino));
        let found = identity(found)?;
        Ok(found == identity(&self.file)?
            || found == identity(&self.directory)?
            || found == identity(&self.pipe)?)
    }
}

pub(super) fn kind(handle: impl AsFd) -> rustix::io::Result<FileType> {
    Ok(FileType::from_raw_mode(fstat(handle)?.st_mode))
}
