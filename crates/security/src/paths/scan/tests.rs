//! Trees that are searched.
#![expect(
    clippy::disallowed_methods,
    reason = "the tests build the trees they search"
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::super::{FilesConfig, RootConfig, Surroundings};
use super::*;

fn roots(directory: &Path) -> Roots {
    roots_at(directory, &[])
}

fn roots_at(directory: &Path, roots: &[&Path]) -> Roots {
    let around = Surroundings {
        working_directory: directory,
        homes: &[],
    };
    let config = FilesConfig {
        roots: roots
            .iter()
            .map(|path| path.to_str().unwrap().parse::<RootConfig>().unwrap())
            .collect(),
        ..FilesConfig::default()
    };
    config.build(&around).unwrap()
}

fn sorted(found: Protected) -> Vec<ProtectedEntry> {
    let mut entries = found.entries;
    entries.sort_by(|one, other| one.path.cmp(&other.path));
    entries
}

fn entry(top: &Path, path: &str, names: usize, protection: Protection) -> ProtectedEntry {
    ProtectedEntry {
        path: top.join(path),
        names,
        protection,
    }
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
    let found = roots(top).find_protected(1000);
    assert_eq!(found.cut, Vec::<PathBuf>::new());
    let entry = |path, names, protection| entry(top, path, names, protection);
    let expect = [
        entry(".git/config", 2, Protection::Write),
        entry(".git/hooks", 2, Protection::ReadWrite),
        entry(".ssh", 1, Protection::ReadWrite),
        entry("a/.env.local", 1, Protection::ReadWrite),
        entry("a/.mcp.json", 1, Protection::Write),
        entry("a/b/.GIT/hooks", 2, Protection::ReadWrite),
    ];
    assert_eq!(sorted(found), expect);
}

#[test]
fn each_root_has_a_bound_of_its_own() {
    let top = tempfile::tempdir().unwrap();
    let (large, small) = (top.path().join("large"), top.path().join("large/small"));
    fs::create_dir_all(&small).unwrap();
    for number in 0..9 {
        fs::write(large.join(number.to_string()), "").unwrap();
    }
    fs::write(small.join(".env"), "").unwrap();
    let roots = roots_at(top.path(), &[&large, &small]);
    // `small` counts as one entry of `large`; what is in it counts there.
    assert_eq!(roots.find_protected(10).cut, Vec::<PathBuf>::new());
    let found = roots.find_protected(9);
    assert_eq!(found.cut, [large]);
    assert_eq!(found.entries.len(), 1);
    assert_eq!(found.entries[0].path, small.join(".env"));
}

#[test]
fn what_is_near_is_found_before_the_bound() {
    let top = tempfile::tempdir().unwrap();
    let deep = top.path().join("a/b");
    fs::create_dir_all(&deep).unwrap();
    for number in 0..100 {
        fs::write(deep.join(number.to_string()), "").unwrap();
    }
    fs::create_dir(top.path().join("z")).unwrap();
    fs::write(top.path().join("z/.env"), "").unwrap();
    let found = roots(top.path()).find_protected(10);
    assert_eq!(found.cut, [top.path()]);
    assert_eq!(found.entries[0].path, top.path().join("z/.env"));
}

#[test]
fn finds_the_other_names_of_protected_files() {
    let top = tempfile::tempdir().unwrap();
    let top = top.path();
    for name in [".ssh/keys", "a/b", ".git"] {
        fs::create_dir_all(top.join(name)).unwrap();
    }
    for (name, other) in [
        (".env", "a/b/notes.txt"),
        (".ssh/keys/id", "id.txt"),
        (".git/config", "a/config"),
        ("plain", "a/plain"),
    ] {
        fs::write(top.join(name), name).unwrap();
        fs::hard_link(top.join(name), top.join(other)).unwrap();
    }
    let entry = |path, names, protection| entry(top, path, names, protection);
    let expect = [
        entry(".env", 1, Protection::ReadWrite),
        entry(".git/config", 2, Protection::Write),
        entry(".ssh", 1, Protection::ReadWrite),
        entry("a/b/notes.txt", 1, Protection::ReadWrite),
        entry("a/config", 1, Protection::Write),
        entry("id.txt", 1, Protection::ReadWrite),
    ];
    assert_eq!(sorted(roots(top).find_protected(1000)), expect);
}

#[test]
fn a_setting_that_is_a_secret_by_another_name_is_closed() {
    let top = tempfile::tempdir().unwrap();
    fs::write(top.path().join(".env"), "x").unwrap();
    fs::hard_link(top.path().join(".env"), top.path().join(".mcp.json")).unwrap();
    let found = roots(top.path()).find_protected(1000);
    let is_closed = |entry: &ProtectedEntry| {
        entry.path.ends_with(".mcp.json") && entry.protection == Protection::ReadWrite
    };
    assert!(found.entries.iter().any(is_closed), "{found:?}");
}
