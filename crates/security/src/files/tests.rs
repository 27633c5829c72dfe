//! What reads and writes leave behind, also when they fail.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests look at the files from outside"
)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::paths::{FilesConfig, Roots, Surroundings};

struct Desk {
    directory: TempDir,
    roots: Roots,
}

impl Desk {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let config = FilesConfig {
            max_write_bytes: 1000,
            max_read_bytes: 1000,
            append_hash_bytes: 100,
            ..FilesConfig::default()
        };
        let around = Surroundings {
            working_directory: directory.path(),
            homes: &[],
        };
        let roots = config.build(&around).unwrap();
        Self { directory, roots }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn put(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).unwrap();
    }

    /// The content of `name`; also checks that no temporary file is left.
    fn content(&self, name: &str) -> Vec<u8> {
        for entry in fs::read_dir(self.directory.path()).unwrap() {
            let left = entry.unwrap().file_name().into_string().unwrap();
            assert!(!left.starts_with(".omnipotent-"), "{left} is left");
        }
        fs::read(self.path(name)).unwrap()
    }

    fn overwrite(&self, name: &str, content: &[u8], expected: Option<Digest>) -> Outcome {
        let target = self.roots.confine_target(name)?;
        target.overwrite(content, expected, &Interrupt::default())
    }

    fn append(&self, name: &str, content: &[u8], expected: Option<Digest>) -> Outcome {
        self.roots
            .confine_target(name)?
            .append(content, expected, &Interrupt::default())
    }

    fn create_new(&self, name: &str, content: &[u8]) -> Outcome {
        self.roots
            .confine_target(name)?
            .create_new(content, &Interrupt::default())
    }

    fn open(&self, name: &str) -> OpenedFile {
        self.roots.confine(name).unwrap().open_read().unwrap()
    }
}

type Outcome = Result<Written, FileError>;

fn whole(content: &[u8], created: bool) -> Written {
    let size = u64::try_from(content.len()).unwrap();
    Written {
        size,
        created,
        digest: Some(Digest::of(content)),
    }
}

#[test]
fn reads_ranges() {
    let desk = Desk::new();
    desk.put("file", b"0123456789");
    desk.put("empty", b"");
    let check = |name: &str, offset: u64, max: usize, bytes: &[u8], reaches_end: bool| {
        let chunk = desk
            .open(name)
            .read_range(offset, max, &Interrupt::default())
            .unwrap();
        assert_eq!(
            chunk,
            Chunk {
                bytes: bytes.to_vec(),
                reaches_end
            },
            "{name} {offset} {max}"
        );
    };
    check("file", 0, 100, b"0123456789", true);
    check("file", 0, 10, b"0123456789", true);
    check("file", 0, 9, b"012345678", false);
    check("file", 4, 3, b"456", false);
    check("file", 10, 5, b"", true);
    check("file", u64::MAX, 5, b"", true);
    check("empty", 0, 5, b"", true);
}

#[test]
fn reads_only_the_range_of_a_huge_file() {
    let desk = Desk::new();
    let huge = fs::File::create(desk.path("huge")).unwrap();
    huge.set_len(1 << 40).unwrap();
    let opened = desk.open("huge");
    assert_eq!(opened.size(), 1 << 40);
    let chunk = opened
        .read_range(1 << 39, 300_000, &Interrupt::default())
        .unwrap();
    assert_eq!(
        chunk,
        Chunk {
            bytes: vec![0; 300_000],
            reaches_end: false
        }
    );
    assert!(matches!(
        opened.digest(&Interrupt::default()),
        Err(FileError::TooLarge { limit: 1000, .. })
    ));
}

#[test]
fn overwrites_in_one_step_and_keeps_the_permissions() {
    let desk = Desk::new();
    desk.put("file", b"old");
    fs::set_permissions(desk.path("file"), fs::Permissions::from_mode(0o4640)).unwrap();
    let before = fs::metadata(desk.path("file")).unwrap();
    assert_eq!(
        desk.overwrite("file", b"new", None).unwrap(),
        whole(b"new", false)
    );
    let after = fs::metadata(desk.path("file")).unwrap();
    assert_eq!(desk.content("file"), b"new");
    assert_ne!(before.ino(), after.ino());
    assert_eq!(after.mode() & 0o7777, 0o640);
    assert_eq!(desk.overwrite("new", b"", None).unwrap(), whole(b"", true));
}

#[test]
fn creates_the_directories_on_the_way() {
    let desk = Desk::new();
    assert_eq!(
        desk.create_new("a/b/c/file", b"x").unwrap(),
        whole(b"x", true)
    );
    assert_eq!(desk.content("a/b/c/file"), b"x");
}

#[test]
fn writes_through_a_link_and_leaves_the_link() {
    let desk = Desk::new();
    fs::create_dir(desk.path("sub")).unwrap();
    desk.put("sub/real", b"old");
    symlink("sub/real", desk.path("link")).unwrap();
    desk.overwrite("link", b"new", None).unwrap();
    desk.append("link", b"er", None).unwrap();
    assert_eq!(desk.content("sub/real"), b"newer");
    assert!(desk.path("link").is_symlink());
}

#[test]
fn creates_only_what_is_not_there() {
    let desk = Desk::new();
    desk.put("file", b"old");
    assert!(matches!(
        desk.create_new("file", b"new"),
        Err(FileError::Exists { .. })
    ));
    let target = desk.roots.confine_target("late").unwrap();
    desk.put("late", b"first");
    let late = target.create_new(b"second", &Interrupt::default());
    assert!(matches!(late, Err(FileError::Exists { .. })));
    assert_eq!(desk.content("file"), b"old");
    assert_eq!(desk.content("late"), b"first");
}

#[test]
fn appends_or_creates() {
    let desk = Desk::new();
    assert_eq!(
        desk.append("log", b"one\n", None).unwrap(),
        whole(b"one\n", true)
    );
    assert_eq!(
        desk.append("log", b"two\n", None).unwrap(),
        whole(b"one\ntwo\n", false)
    );
    let long = desk.append("log", &[b'x'; 100], None).unwrap();
    assert_eq!(
        long,
        Written {
            size: 108,
            created: false,
            digest: None
        }
    );
    let too_much = desk.append("log", &[b'x'; 893], None);
    assert!(matches!(
        too_much,
        Err(FileError::TooLarge {
            size: 1001,
            limit: 1000,
            ..
        })
    ));
    assert_eq!(desk.content("log").len(), 108);
}

#[test]
fn refuses_content_beyond_the_limit() {
    let desk = Desk::new();
    let refused = desk.overwrite("file", &[0; 1001], None);
    assert!(matches!(
        refused,
        Err(FileError::TooLarge {
            size: 1001,
            limit: 1000,
            ..
        })
    ));
    assert!(!desk.path("file").exists());
}

#[test]
fn an_expected_hash_prevents_a_lost_update() {
    let desk = Desk::new();
    desk.put("file", b"one");
    let one = Some(Digest::of(b"one"));
    assert!(desk.overwrite("file", b"two", one).is_ok());
    for outcome in [
        desk.overwrite("file", b"three", one),
        desk.append("file", b"three", one),
        desk.overwrite("missing", b"three", one),
        desk.append("missing", b"three", one),
    ] {
        assert!(
            matches!(outcome, Err(FileError::Changed { .. })),
            "{outcome:?}"
        );
    }
    assert_eq!(desk.content("file"), b"two");
    assert!(!desk.path("missing").exists());
}

#[test]
fn of_writers_that_expect_the_same_content_one_wins() {
    let desk = Desk::new();
    desk.put("file", b"start");
    let expected = Some(Digest::of(b"start"));
    let wins = std::thread::scope(|scope| {
        let write = |writer: u8| desk.overwrite("file", &[writer], expected);
        let writers: Vec<_> = (0..8)
            .map(|writer| scope.spawn(move || write(writer)))
            .collect();
        writers
            .into_iter()
            .filter_map(|writer| writer.join().unwrap().ok())
            .count()
    });
    assert_eq!(wins, 1);
}

#[test]
fn an_append_does_not_go_to_a_file_that_lost_its_name() {
    let desk = Desk::new();
    desk.put("file", b"old");
    let target = desk.roots.confine_target("file").unwrap();
    desk.overwrite("file", b"new", None).unwrap();
    let late = target.append(b"!", None, &Interrupt::default());
    assert!(matches!(late, Err(FileError::Changed { .. })));
    assert_eq!(desk.content("file"), b"new");
}

#[test]
fn an_interrupted_write_leaves_the_old_content() {
    let desk = Desk::new();
    desk.put("file", b"old");
    let interrupt = Interrupt::default();
    drop(interrupt.on_drop());
    let overwritten = desk
        .roots
        .confine_target("file")
        .unwrap()
        .overwrite(b"n", None, &interrupt);
    let appended = desk
        .roots
        .confine_target("file")
        .unwrap()
        .append(b"n", None, &interrupt);
    let created = desk
        .roots
        .confine_target("other")
        .unwrap()
        .create_new(b"n", &interrupt);
    for outcome in [overwritten, appended, created] {
        assert!(
            matches!(outcome, Err(FileError::Interrupted)),
            "{outcome:?}"
        );
    }
    assert_eq!(desk.content("file"), b"old");
    assert!(!desk.path("other").exists());
}

#[test]
fn a_failed_replacement_leaves_no_temporary_file() {
    let desk = Desk::new();
    desk.put("file", b"old");
    let target = desk.roots.confine_target("file").unwrap();
    fs::remove_file(desk.path("file")).unwrap();
    fs::create_dir(desk.path("file")).unwrap();
    desk.put("other", b"");
    assert!(matches!(
        target.overwrite(b"new", None, &Interrupt::default()),
        Err(FileError::Io {
            action: "replace",
            ..
        })
    ));
    assert_eq!(desk.content("other"), b"");
}

#[test]
fn pieces_become_one_file_or_nothing() {
    let desk = Desk::new();
    let fill = |name: &str, replace, pieces: &[&[u8]], interrupt: &Interrupt| {
        let target = desk.roots.confine_target(name).unwrap();
        let pieces: Vec<Vec<u8>> = pieces.iter().map(|piece| piece.to_vec()).collect();
        target.fill_from(replace, pieces, interrupt)
    };
    let going = Interrupt::default();
    assert_eq!(fill("new", false, &[b"one ", b"two"], &going).unwrap(), 7);
    assert_eq!(desk.content("new"), b"one two");
    let taken = fill("new", false, &[b"x"], &going);
    assert!(matches!(taken, Err(FileError::Exists { .. })), "{taken:?}");
    assert_eq!(desk.content("new"), b"one two");
    fill("new", true, &[b"three"], &going).unwrap();
    assert_eq!(desk.content("new"), b"three");

    let large = fill("new", true, &[&[0; 600], &[0; 600]], &going);
    assert!(
        matches!(large, Err(FileError::TooLarge { limit: 1000, .. })),
        "{large:?}"
    );
    let stopped = Interrupt::default();
    drop(stopped.on_drop());
    let stopped = fill("new", true, &[], &stopped);
    assert!(
        matches!(stopped, Err(FileError::Interrupted)),
        "{stopped:?}"
    );
    assert_eq!(desk.content("new"), b"three");
}
