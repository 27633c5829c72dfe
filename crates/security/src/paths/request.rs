//! A path as a caller writes it, checked as text before anything is opened.

use std::path::{Component, Path, PathBuf};

use super::PathError;

/// `PATH_MAX` of linux/limits.h without the final NUL, in bytes.
const MAX_PATH_BYTES: usize = 4095;
/// `NAME_MAX` of linux/limits.h, in bytes.
const MAX_NAME_BYTES: usize = 255;
/// Windows directories that callers written for Windows expect to be refused.
const WINDOWS_SYSTEM: [&str; 2] = ["c:/windows/system32", "c:/windows/syswow64"];

/// Checks the text of a path.
pub(super) fn parse(given: &str) -> Result<&Path, PathError> {
    let path = Path::new(given);
    let reason = if given.is_empty() {
        "is empty"
    } else if given.contains('\0') {
        "contains a NUL character"
    } else if given.len() > MAX_PATH_BYTES {
        "is longer than 4095 bytes"
    } else if path
        .components()
        .any(|part| part.as_os_str().len() > MAX_NAME_BYTES)
    {
        "has a name longer than 255 bytes"
    } else if given == "~" || given.starts_with("~/") {
        "starts with `~`, which is not expanded"
    } else {
        return windows_system(given).map_or(Ok(path), |rule| {
            Err(PathError::Protected {
                path: given.to_owned(),
                rule: rule.to_owned(),
            })
        });
    };
    Err(PathError::Malformed { reason })
}

/// The Windows system directory that `given` names, if it does.
fn windows_system(given: &str) -> Option<&'static str> {
    let folded = given.replace('\\', "/").to_ascii_lowercase();
    let folded = folded.trim_start_matches("//?/");
    WINDOWS_SYSTEM.into_iter().find(|directory| {
        folded
            .strip_prefix(directory)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '.', ' ']))
    })
}

/// `path` with `.` and `..` taken away as text: what it names if no link is on its way.
pub(super) fn normalise(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_text_that_is_no_path() {
        #[track_caller]
        fn check(given: &str, expected: &str) {
            assert_eq!(
                parse(given).unwrap_err().to_string(),
                expected,
                "{given:.40?}"
            );
        }
        check("", "the path is empty");
        check("a\0b", "the path contains a NUL character");
        check(&"a/".repeat(2048), "the path is longer than 4095 bytes");
        check(
            &"a".repeat(256),
            "the path has a name longer than 255 bytes",
        );
        check("~/notes", "the path starts with `~`, which is not expanded");
        check(
            r"C:\Windows\System32\drivers",
            r"`C:\Windows\System32\drivers` is protected by the rule `c:/windows/system32`",
        );
        check(
            "c:/windows/SYSWOW64",
            "`c:/windows/SYSWOW64` is protected by the rule `c:/windows/syswow64`",
        );
    }

    #[test]
    fn accepts_every_other_text() {
        for given in [
            "a",
            "/",
            "a//b/./c",
            "../x",
            "~x",
            "C:/Windows/System32x",
            &"a".repeat(255),
        ] {
            assert!(parse(given).is_ok(), "{given}");
        }
    }

    #[test]
    fn takes_dots_away() {
        assert_eq!(normalise(Path::new("/a/./b/../c//d")), Path::new("/a/c/d"));
        assert_eq!(normalise(Path::new("/../../a")), Path::new("/a"));
    }
}
