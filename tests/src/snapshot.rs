//! Values that are compared with a file under `tests/snapshots`.

use std::env;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// Set to anything, it makes the files from what is.
const UPDATE: &str = "UPDATE_SNAPSHOTS";

/// Lines shown before and after the first difference.
const CONTEXT: usize = 4;

/// Compares `value` with the file `name`; with `UPDATE_SNAPSHOTS` set, writes the file instead.
#[track_caller]
pub fn assert_snapshot(name: &str, value: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("snapshots")
        .join(name);
    let found = format!("{value:#}\n");
    if env::var_os(UPDATE).is_some() {
        fs::write(&path, found).expect("the snapshot can be written");
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    if let Some(difference) = first_difference(&expected, &found) {
        panic!(
            "{} is out of date; if the change is meant, run again with {UPDATE}=1\n{difference}",
            path.display()
        );
    }
}

fn first_difference(expected: &str, found: &str) -> Option<String> {
    let (old, new): (Vec<_>, Vec<_>) = (expected.lines().collect(), found.lines().collect());
    let at = (0..old.len().max(new.len())).find(|&at| old.get(at) != new.get(at))?;
    let part = |sign: char, lines: &[&str], from: usize, to: usize| -> String {
        let lines = lines.iter().take(to).skip(from);
        let shown: Vec<_> = lines.map(|line| format!("{sign} {line}\n")).collect();
        shown.concat()
    };
    let before = part(' ', &new, at.saturating_sub(CONTEXT), at);
    let (minus, plus) = (
        part('-', &old, at, at + CONTEXT),
        part('+', &new, at, at + CONTEXT),
    );
    Some(format!("line {}:\n{before}{minus}{plus}", at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_first_difference_with_what_is_before_it() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        let shown = first_difference("a\nb\nc\n", "a\nx\nc\n");
        assert_eq!(shown.as_deref(), Some("line 2:\n  a\n- b\n- c\n+ x\n+ c\n"));
        let longer = first_difference("a\n", "a\nb\n");
        assert_eq!(longer.as_deref(), Some("line 2:\n  a\n+ b\n"));
    }
}
