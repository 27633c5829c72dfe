//! Rules over fixture texts: each line is one file and what tidy says about it.

use super::*;

#[track_caller]
fn check(path: &str, text: &str, expected: &[&str]) {
    let source = Source {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let found: Vec<String> = faults(&source).iter().map(ToString::to_string).collect();
    assert_eq!(found, expected, "{path}: {text:?}");
}

#[test]
fn wants_a_description_at_the_top() {
    check("a/src/x.rs", "//! Text.\n", &[]);
    check(
        "a/src/x.rs",
        "use std::fs;\n",
        &["a/src/x.rs: does not open with //!"],
    );
    check("a/x.py", "import sys\n", &[]);
}

#[test]
fn limits_the_length_of_rust_files_only() {
    let text = |lines| format!("//! Text.\n{}", "x\n".repeat(lines - 1));
    check("x.rs", &text(MAX_LINES), &[]);
    check(
        "x.rs",
        &text(MAX_LINES + 1),
        &["x.rs: 501 lines; the limit is 500"],
    );
    check("x.md", &text(MAX_LINES + 1), &[]);
}

#[test]
fn notes_a_file_past_the_aim() {
    let source = |lines: usize| Source {
        path: "x.rs".to_owned(),
        text: "x\n".repeat(lines),
    };
    assert_eq!(long_file(&source(AIM_LINES)), None);
    assert_eq!(
        long_file(&source(AIM_LINES + 1)),
        Some(Fault::in_file("x.rs", "301 lines"))
    );
}

#[test]
fn refuses_the_old_module_file() {
    check(
        "a/b/mod.rs",
        "//! B.\n",
        &["a/b/mod.rs: name it after its module instead of mod.rs"],
    );
}

#[test]
fn judges_spacing_of_edited_files() {
    check("x.toml", "a = 1\n", &[]);
    check(
        "x.toml",
        "a = 1 \nb = 2\t\n",
        &[
            "x.toml:1: trailing white space",
            "x.toml:2: trailing white space",
        ],
    );
    check("x.sh", "a\r\n", &["x.sh:1: trailing white space"]);
    check("x.md", "a", &["x.md: must end with exactly one newline"]);
    check(
        "x.md",
        "a\n\n",
        &["x.md: must end with exactly one newline"],
    );
    check("x.txt", "a ", &[]);
    check("tests/corpus/x.md", "a ", &[]);
}

#[test]
fn judges_words_of_prose_and_comments() {
    check(
        "x.md",
        "A Robust server.\n",
        &["x.md:1: `robust` is praise; say what is true"],
    );
    check(
        "x.rs",
        "//! Text.\n// TODO later\n",
        &["x.rs:2: `TODO` without a link to an issue"],
    );
    check(
        "x.rs",
        "//! Text.\n// TODO https://example.com/issues/1\n",
        &[],
    );
    check("x.rs", "//! Text.\nlet TODO = \"robust\";\n", &[]);
    check("x.md", "TODOS and mastodons\n", &[]);
    check("x.md", "Done \u{1f680}\n", &["x.md:1: emoji"]);
    check("x.md", "a \u{2192} b \u{2264} c\n", &[]);
}

#[test]
fn refuses_to_lift_the_ban_on_unsafe_code() {
    let text = "//! Text.\n#![expect(\n    unsafe_code,\n    reason = \"speed\"\n)]\n";
    check("x.rs", text, &["x.rs: lifts the ban on unsafe code"]);
}

#[test]
fn keeps_anyhow_in_the_program() {
    check(
        "servers/a/src/main.rs",
        "//! Main.\nuse anyhow::Result;\n",
        &[],
    );
    check(
        "servers/a/src/b.rs",
        "//! B.\nuse anyhow::Result;\n",
        &["servers/a/src/b.rs: anyhow belongs to the program"],
    );
}

#[test]
fn lists_every_module_that_lifts_a_ban() {
    const LIFTING: &str =
        "//! X.\n#![expect(\n    clippy::disallowed_methods,\n    reason = \"owner\"\n)]\n";
    let check = |path: &str, text: &str, expected: &[&str]| {
        let source = |path: &str, text: &str| Source {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let sources = [source("a/src/owner.rs", LIFTING), source(path, text)];
        let found = compare_lifted(&sources, &["a/src/owner.rs"]);
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, expected, "{path}: {text:?}");
    };
    let unlisted = "a/src/x.rs: lifts a ban of clippy.toml without being listed in tidy";
    check("a/src/x.rs", LIFTING, &[unlisted]);
    check(
        "a/src/x.rs",
        "//! X.\nfn f() {\n    #[expect(clippy::disallowed_methods)]\n}\n",
        &[unlisted],
    );
    check("a/src/x/tests.rs", LIFTING, &[]);
    check(
        "a/src/x.rs",
        "//! X.\n#[cfg(test)]\n#[expect(clippy::disallowed_methods)]\nmod tests {}\n",
        &[],
    );
    check(
        "a/src/x.rs",
        "//! X.\nlet s = \"#![expect(clippy::disallowed_methods)]\";\n",
        &[],
    );
    let stale = compare_lifted(&[], &["a/src/owner.rs"]);
    assert_eq!(
        stale,
        [Fault::in_file(
            "a/src/owner.rs",
            "is listed in tidy but lifts no ban"
        )]
    );
}

#[test]
fn wants_actions_named_by_their_hashes() {
    let hash = "0123456789abcdef0123456789abcdef01234567";
    let workflow = ".github/workflows/x.yml";
    check(workflow, &format!("- uses: a/b@{hash} # v1\n"), &[]);
    for loose in ["a/b@v1", "a/b", "a/b@0123456"] {
        check(
            workflow,
            &format!("steps:\n  - uses: {loose}\n"),
            &[".github/workflows/x.yml:2: name an action by its hash"],
        );
    }
    check("deploy/x.yml", "uses: a/b@v1\n", &[]);
}
