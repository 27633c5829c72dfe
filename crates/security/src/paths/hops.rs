//! The names under which a path can be changed: its own, and those of the links it leads over.

use std::path::{Path, PathBuf};

use rustix::fs::{CWD, readlinkat};

use super::resolve::place_of;

/// The kernel follows no more (`path_resolution`(7)).
const MOST_LINKS: usize = 40;

/// The absolute `path`, every link that it leads over at its end, and what these are without
/// links on the way. Nothing needs to exist.
pub fn every_name(path: &Path) -> Vec<PathBuf> {
    let mut names = Vec::new();
    let mut next = Some(path.to_owned());
    for _ in 0..=MOST_LINKS {
        let Some(name) = next else { break };
        next = link_target(&name);
        let settled = settle(&name);
        names.push(name);
        names.extend(settled);
    }
    names.sort();
    names.dedup();
    names
}

fn link_target(path: &Path) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;

    let target = readlinkat(CWD, path, Vec::new()).ok()?;
    let target = Path::new(std::ffi::OsStr::from_bytes(target.as_bytes()));
    Some(path.parent()?.join(target))
}

/// The path with what exists above its last name resolved.
fn settle(path: &Path) -> Option<PathBuf> {
    let (mut above, mut rest) = (path.parent()?, PathBuf::from(path.file_name()?));
    loop {
        if let Some(place) = place_of(above) {
            return Some(place.join(rest));
        }
        rest = Path::new(above.file_name()?).join(rest);
        above = above.parent()?;
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "the test builds the links it follows"
)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn names_each_link_and_what_is_at_its_end() {
        let top = tempfile::tempdir().unwrap();
        let top = top.path();
        fs::create_dir_all(top.join("real/dots")).unwrap();
        symlink("real", top.join("way")).unwrap();
        symlink("dots/second", top.join("real/first")).unwrap();
        symlink(top.join("missing/config"), top.join("real/dots/second")).unwrap();
        let expect = [
            "missing/config",
            "real/dots/second",
            "real/first",
            "way/dots/second",
            "way/first",
        ];
        let names = every_name(&top.join("way/first"));
        assert_eq!(names, expect.map(|name| top.join(name)));
    }

    #[test]
    fn a_circle_of_links_ends() {
        let top = tempfile::tempdir().unwrap();
        symlink("two", top.path().join("one")).unwrap();
        symlink("one", top.path().join("two")).unwrap();
        assert_eq!(every_name(&top.path().join("one")).len(), 2);
    }
}
