//! Attacks on the confinement of paths, and the uses it must not get in the way of.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests build the trees they attack"
)]

use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode, RenameFlags};
use tempfile::TempDir;

use super::*;

mod protected;

/// A root `w` beside an `outside` with a secret, and a read-only root `ro` inside `w`.
struct Tree {
    directory: TempDir,
    roots: Roots,
}

fn build(config: FilesConfig, working_directory: &Path) -> Result<Roots, RootsError> {
    config.build(&Surroundings {
        working_directory,
        homes: &[],
    })
}

impl Tree {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let top = directory.path();
        for name in ["w/sub", "w/ro", "w-evil", "outside"] {
            fs::create_dir_all(top.join(name)).unwrap();
        }
        for name in [
            "w/file",
            "w/sub/file",
            "w/ro/file",
            "w-evil/file",
            "outside/secret",
        ] {
            fs::write(top.join(name), name).unwrap();
        }
        let roots = vec![
            RootConfig {
                path: "w".into(),
                access: Access::ReadWrite,
            },
            RootConfig {
                path: "w/ro".into(),
                access: Access::ReadOnly,
            },
        ];
        let roots = build(
            FilesConfig {
                roots,
                ..FilesConfig::default()
            },
            top,
        )
        .unwrap();
        Self { directory, roots }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// What reading and writing `given` come to: `ok`, or the error without the given path.
    #[track_caller]
    fn check(&self, given: &str, read: &str, write: &str) {
        let told = |result: Result<(), PathError>| match result {
            Ok(()) => "ok".to_owned(),
            Err(error) => error.to_string().replace(&format!("`{given}` is "), ""),
        };
        assert_eq!(
            told(self.roots.confine(given).map(drop)),
            read,
            "reading {given}"
        );
        assert_eq!(
            told(self.roots.confine_target(given).map(drop)),
            write,
            "writing {given}"
        );
    }
}

const OUTSIDE: &str = "outside the allowed directories, or leads out of them";

#[test]
fn accepts_what_lies_inside() {
    let tree = Tree::new();
    for given in [
        "file",
        "./file",
        "sub/../file",
        "sub//file",
        &tree.text("w/file"),
    ] {
        tree.check(given, "ok", "ok");
    }
    symlink("sub/file", tree.path("w/link")).unwrap();
    symlink("../file", tree.path("w/sub/up")).unwrap();
    symlink("link", tree.path("w/chain")).unwrap();
    for given in ["link", "sub/up", "chain"] {
        tree.check(given, "ok", "ok");
    }
}

#[test]
fn answers_alike_outside_whether_or_not_the_path_exists() {
    let tree = Tree::new();
    for given in [
        "/etc/hostname",
        "/no/such/path",
        "../outside/secret",
        "../outside/missing",
        "../w/file",
        "sub/../../outside/secret",
        "../w-evil/file",
        &tree.text("w-evil/file"),
        &tree.text("w-evil/missing"),
        &tree.text("w/../outside/secret"),
        &tree.text("outside/secret"),
        "/../../etc/hostname",
    ] {
        tree.check(given, OUTSIDE, OUTSIDE);
    }
}

#[test]
fn refuses_links_that_leave_the_root() {
    let tree = Tree::new();
    let top = tree.text("");
    for (link, target) in [
        ("absolute", format!("{top}/outside/secret")),
        ("relative", "../outside/secret".to_owned()),
        ("directory", "../outside".to_owned()),
        ("dangling", "../outside/missing".to_owned()),
        ("dangling_absolute", "/no/such/path".to_owned()),
        ("process_root", "/proc/self/root/etc/hostname".to_owned()),
    ] {
        symlink(target, tree.path("w").join(link)).unwrap();
    }
    symlink("relative", tree.path("w/chain")).unwrap();
    for given in [
        "absolute",
        "relative",
        "chain",
        "directory/secret",
        "directory/missing",
        "directory/missing/deeper",
        "dangling",
        "dangling_absolute",
        "process_root",
    ] {
        tree.check(given, OUTSIDE, OUTSIDE);
    }
    assert!(tree.roots.confine_dir("directory").is_err());
}

#[test]
fn refuses_links_without_end() {
    let tree = Tree::new();
    symlink("loop", tree.path("w/loop")).unwrap();
    tree.check("loop", OUTSIDE, OUTSIDE);
}

#[test]
fn a_missing_name_can_only_be_written() {
    let tree = Tree::new();
    symlink("nowhere", tree.path("w/dangling")).unwrap();
    tree.check("missing", "`missing` does not exist", "ok");
    tree.check("new/deep/file", "`new/deep/file` does not exist", "ok");
    tree.check(
        "dangling",
        "`dangling` does not exist",
        "a link to nothing, not a regular file",
    );
    let behind = "not a directory, or goes through something that is not";
    tree.check("file/deeper", behind, behind);
    tree.check(
        "missing/",
        "`missing/` does not exist",
        "the path ends with `/`, so it names a directory",
    );
}

#[test]
fn refuses_what_is_no_regular_file_without_opening_it() {
    let tree = Tree::new();
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(CWD, tree.path("w/fifo"), fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(tree.path("w/socket")).unwrap();
    tree.check(
        "fifo",
        "a named pipe, not a regular file",
        "a named pipe, not a regular file",
    );
    tree.check(
        "socket",
        "a socket, not a regular file",
        "a socket, not a regular file",
    );
    tree.check(
        "sub",
        "a directory, not a regular file",
        "a directory, not a regular file",
    );
    tree.check(
        ".",
        "a directory, not a regular file",
        "a directory, not a regular file",
    );
}

#[test]
fn refuses_devices() {
    let tree = Tree::new();
    let null = rustix::fs::makedev(1, 3);
    let kind = rustix::fs::FileType::CharacterDevice;
    // Only a privileged user can make one; elsewhere there is nothing to attack with.
    if rustix::fs::mknodat(CWD, tree.path("w/null"), kind, Mode::RUSR, null).is_ok() {
        tree.check(
            "null",
            "a device, not a regular file",
            "a device, not a regular file",
        );
    }
}

#[test]
fn a_read_only_root_inside_a_writable_one_holds() {
    let tree = Tree::new();
    symlink("ro", tree.path("w/way")).unwrap();
    for given in [
        "ro/file",
        "sub/../ro/file",
        "way/file",
        &tree.text("w/ro/file"),
    ] {
        tree.check(given, "ok", "in a read-only directory");
    }
    tree.check(
        "way/new",
        "`way/new` does not exist",
        "in a read-only directory",
    );
}

#[test]
fn a_root_is_known_by_its_real_path_too() {
    let tree = Tree::new();
    symlink("w", tree.path("alias")).unwrap();
    let roots = vec!["alias".parse().unwrap()];
    let roots = build(
        FilesConfig {
            roots,
            ..FilesConfig::default()
        },
        tree.directory.path(),
    );
    let roots = roots.unwrap();
    for name in ["alias/file", "w/file"] {
        assert!(roots.confine(&tree.text(name)).is_ok(), "{name}");
    }
    assert_eq!(
        roots.confine("file").unwrap().path(),
        tree.text("alias/file")
    );
}

#[test]
fn a_directory_to_work_in_may_be_the_root_itself() {
    let tree = Tree::new();
    for given in [".", "", &tree.text("w")] {
        match tree.roots.confine_dir(given) {
            Ok(directory) => assert_eq!(directory.real_path(), tree.path("w")),
            Err(error) => assert_eq!(error.to_string(), "the path is empty"),
        }
    }
    assert_eq!(
        tree.roots.confine_dir("ro").unwrap().access(),
        Access::ReadOnly
    );
    let error = tree.roots.confine_dir("file").unwrap_err().to_string();
    assert_eq!(
        error,
        "`file` is not a directory, or goes through something that is not"
    );
}

#[test]
fn holds_the_file_that_was_judged_after_its_name_went_elsewhere() {
    let tree = Tree::new();
    let confined = tree.roots.confine("file").unwrap();
    fs::remove_file(tree.path("w/file")).unwrap();
    symlink("../outside/secret", tree.path("w/file")).unwrap();
    let chunk =
        confined
            .open_read()
            .unwrap()
            .read_range(0, 100, &crate::files::Interrupt::default());
    assert_eq!(chunk.unwrap().bytes, b"w/file");
}

#[test]
fn opens_no_directory_by_default_where_that_is_too_much() {
    let tree = Tree::new();
    let check = |working_directory: &Path, homes: &[PathBuf], expected: usize| {
        let around = Surroundings {
            working_directory,
            homes,
        };
        let roots = FilesConfig::default().build(&around).unwrap();
        assert_eq!(
            roots.iter().count(),
            expected,
            "{}",
            working_directory.display()
        );
    };
    let work = tree.path("w");
    symlink("w", tree.path("home_link")).unwrap();
    check(&work, &[], 1);
    check(&work, &[tree.path("outside")], 1);
    check(&work, std::slice::from_ref(&work), 0);
    check(&work, &[tree.path("home_link")], 0);
    check(Path::new("/"), &[], 0);
    check(Path::new("/proc"), &[], 0);
    let none = FilesConfig::default();
    let none = build(none, Path::new("/")).unwrap();
    assert!(matches!(none.confine("file"), Err(PathError::NoRoots)));
}

#[test]
fn refuses_a_configuration_it_cannot_hold() {
    let tree = Tree::new();
    let check = |root: &str, expected: &str| {
        let config = FilesConfig {
            roots: vec![root.parse().unwrap()],
            ..FilesConfig::default()
        };
        let error = build(config, tree.directory.path())
            .unwrap_err()
            .to_string();
        assert_eq!(error.replace(&tree.text(""), ""), expected);
    };
    check(
        "missing",
        "the root `missing` cannot be opened as a directory",
    );
    check(
        "w/file:ro",
        "the root `w/file` cannot be opened as a directory",
    );
    check(
        "/proc/self",
        &format!(
            "the root `/proc/{}` is protected by the rule `/proc`",
            std::process::id()
        ),
    );
}

#[test]
fn lists_home_directories_once() {
    let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nu:x:1:1::/home/u:/bin/sh\n\
                  v:x:2:2::/home/u:/bin/sh\n";
    let homes = home_directories(passwd, Some(OsStr::new("/h")));
    assert_eq!(homes, ["/h", "/home/u", "/root"].map(PathBuf::from));
}

/// Another thread keeps swapping a directory with a link that leaves the root.
#[test]
fn leaks_nothing_while_directories_and_links_change_places() {
    let tree = Tree::new();
    fs::write(tree.path("w/sub/secret"), "harmless").unwrap();
    symlink("../outside", tree.path("w/swap")).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let (a, b) = (tree.path("w/sub"), tree.path("w/swap"));
                rustix::fs::renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE).unwrap();
            }
        });
        let end = Instant::now() + Duration::from_secs(1);
        let mut read = 0;
        while Instant::now() < end {
            if let Ok(confined) = tree.roots.confine("sub/secret") {
                let mut text = String::new();
                let file = resolve::reopen(&confined.handle, rustix::fs::OFlags::RDONLY).unwrap();
                fs::File::from(file).read_to_string(&mut text).unwrap();
                assert_eq!(text, "harmless");
                read += 1;
            }
            if let Ok(target) = tree.roots.confine_target("sub/planted") {
                drop(target.overwrite(b"x", None, &crate::files::Interrupt::default()));
            }
        }
        stop.store(true, Ordering::Relaxed);
        assert!(read > 0, "the race never let a read through");
    });
    assert!(!tree.path("outside/planted").exists());
}
