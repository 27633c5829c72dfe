//! Rules about what files say.

use super::{Fault, Source};

/// No Rust file is longer, tests included.
const MAX_LINES: usize = 500;
/// A Rust file past this is worth a second look.
const AIM_LINES: usize = 300;

/// Extensions of the files a person edits, where spacing and words are judged.
const EDITED: &[&str] = &["md", "mjs", "py", "rs", "sh", "toml", "yaml", "yml"];

/// The modules that own a matter `clippy.toml` bans elsewhere.
const LIFTED_BANS: &[&str] = &[
    "crates/audit/src/place.rs",
    "crates/audit/src/snapshot.rs",
    "crates/audit/src/tail.rs",
    "crates/egress/src/client.rs",
    "crates/egress/src/config.rs",
    "crates/egress/src/dial.rs",
    "crates/embedding/examples/embed.rs",
    "crates/embedding/src/file.rs",
    "crates/metrics/src/process.rs",
    "crates/sandbox/src/helper.rs",
    "crates/sandbox/src/helper/outer.rs",
    "crates/sandbox/src/helper/stand.rs",
    "crates/sandbox/src/reap.rs",
    "crates/sandbox/src/runner/held.rs",
    "crates/security/src/addresses/own.rs",
    "crates/serve/build.rs",
    "crates/serve/src/auth.rs",
    "crates/serve/src/client.rs",
    "crates/serve/src/program.rs",
    "crates/serve/src/reload.rs",
    "crates/serve/src/run.rs",
    "servers/a2a-unified-mcp/src/embeddings/places.rs",
    "servers/a2a-unified-mcp/src/import/text.rs",
    "servers/a2a-unified-mcp/src/main.rs",
    "servers/a2a-unified-mcp/src/store/file.rs",
    "servers/a2a-unified-mcp/src/tools/transfer.rs",
    "servers/omnipotent-mcp/src/host/kernel_files.rs",
    "servers/omnipotent-mcp/src/main.rs",
    "xtask/src/main.rs",
];

/// Modules that may contain unsafe code.
const UNSAFE: &[&str] = &["crates/serve/src/memory.rs"];

/// Praise that no test backs.
const PRAISE: &[&str] = &[
    "robust",
    "comprehensive",
    "production-ready",
    "seamless",
    "blazing",
    "state-of-the-art",
];

const DEFERRALS: &[&str] = &["TODO", "FIXME", "XXX"];

/// Every broken rule of one file.
pub(super) fn faults(source: &Source) -> Vec<Fault> {
    let rules: &[fn(&Source) -> Vec<Fault>] = &[
        opens_with_doc,
        file_length,
        module_file,
        spacing,
        words,
        unsafe_code,
        anyhow_in_program,
        pinned_actions,
    ];
    rules.iter().flat_map(|rule| rule(source)).collect()
}

/// A Rust file that is allowed but longer than aimed at.
pub(super) fn long_file(source: &Source) -> Option<Fault> {
    let lines = source.text.lines().count();
    let long = source.is_rust() && lines > AIM_LINES;
    long.then(|| Fault::in_file(&source.path, format!("{lines} lines")))
}

/// Modules that lift a ban of `clippy.toml` without being listed, and listed ones that no longer
/// do. A test module may: it sets its stage with files and processes of its own.
pub(super) fn lifted_bans(sources: &[Source]) -> Vec<Fault> {
    compare_lifted(sources, LIFTED_BANS)
}

fn compare_lifted(sources: &[Source], listed: &[&str]) -> Vec<Fault> {
    let lifting: Vec<&str> = sources
        .iter()
        .filter(|source| source.is_rust() && lifts(&source.text, "clippy::disallowed_methods"))
        .map(|source| source.path.as_str())
        .collect();
    let unlisted = lifting
        .iter()
        .filter(|path| !listed.contains(path) && !is_test(path))
        .map(|path| {
            Fault::in_file(
                path,
                "lifts a ban of clippy.toml without being listed in tidy",
            )
        });
    let stale = listed
        .iter()
        .filter(|path| !lifting.contains(path))
        .map(|path| Fault::in_file(path, "is listed in tidy but lifts no ban"));
    unlisted.chain(stale).collect()
}

/// Whether an `expect` or `allow` attribute before the inline test module, which stands last,
/// names `lint`.
fn lifts(text: &str, lint: &str) -> bool {
    let code = text
        .rsplit_once("#[cfg(test)]")
        .map_or(text, |(code, _)| code);
    attributes(code).any(|attribute| attribute.contains(lint))
}

/// The arguments of each `expect(...)` and `allow(...)` attribute that starts a line.
fn attributes(text: &str) -> impl Iterator<Item = &str> {
    let openings = ["#![expect(", "#[expect(", "#![allow(", "#[allow("];
    let starts = text.match_indices('\n').map(|(index, _)| index + 1);
    let starts = std::iter::once(0)
        .chain(starts)
        .filter_map(|start| text.get(start..));
    starts.filter_map(move |rest| {
        let rest = rest.trim_start_matches(' ');
        let inside = openings
            .iter()
            .find_map(|opening| rest.strip_prefix(opening))?;
        Some(inside.split_once(")]").map_or(inside, |(inside, _)| inside))
    })
}

fn opens_with_doc(source: &Source) -> Vec<Fault> {
    let missing = source.is_rust() && !source.text.starts_with("//!");
    missing
        .then(|| Fault::in_file(&source.path, "does not open with //!"))
        .into_iter()
        .collect()
}

fn file_length(source: &Source) -> Vec<Fault> {
    let lines = source.text.lines().count();
    let long = source.is_rust() && lines > MAX_LINES;
    let message = format!("{lines} lines; the limit is {MAX_LINES}");
    long.then(|| Fault::in_file(&source.path, message))
        .into_iter()
        .collect()
}

fn module_file(source: &Source) -> Vec<Fault> {
    let old = source.path.ends_with("/mod.rs");
    old.then(|| Fault::in_file(&source.path, "name it after its module instead of mod.rs"))
        .into_iter()
        .collect()
}

fn spacing(source: &Source) -> Vec<Fault> {
    if !is_edited(source) || is_corpus(&source.path) {
        return Vec::new();
    }
    let trailing = source
        .text
        .split('\n')
        .enumerate()
        .filter(|(_, line)| line.ends_with([' ', '\t', '\r']));
    let mut faults: Vec<Fault> = trailing
        .map(|(index, _)| Fault::at_line(&source.path, index, "trailing white space"))
        .collect();
    if !source.text.ends_with('\n') || source.text.ends_with("\n\n") {
        faults.push(Fault::in_file(
            &source.path,
            "must end with exactly one newline",
        ));
    }
    faults
}

/// Code may name anything (a test of emoji holds emoji), so in Rust only comments are judged.
fn words(source: &Source) -> Vec<Fault> {
    let rust = source.is_rust();
    if !rust && source.extension() != Some("md") || is_corpus(&source.path) {
        return Vec::new();
    }
    let prose = source.text.lines().enumerate();
    let prose = prose.filter(|(_, line)| !rust || line.trim_start().starts_with("//"));
    prose
        .filter_map(|(index, line)| {
            banned_word(line).map(|message| Fault::at_line(&source.path, index, message))
        })
        .collect()
}

fn banned_word(line: &str) -> Option<String> {
    let lower = line.to_lowercase();
    let praise = PRAISE.iter().find(|word| lower.contains(*word));
    let words = || line.split(|c: char| !c.is_alphanumeric());
    let deferral = DEFERRALS
        .iter()
        .find(|deferral| words().any(|word| word == **deferral));
    let linked = line.contains("https://");
    if let Some(word) = praise {
        Some(format!("`{word}` is praise; say what is true"))
    } else if let Some(word) = deferral.filter(|_| !linked) {
        Some(format!("`{word}` without a link to an issue"))
    } else if line.contains(is_emoji) {
        Some("emoji".to_owned())
    } else {
        None
    }
}

/// Pictographs, dingbats and flags; arrows and mathematical signs are not emoji.
fn is_emoji(c: char) -> bool {
    matches!(c, '\u{2600}'..='\u{27bf}' | '\u{fe0f}' | '\u{1f000}'..='\u{1faff}')
}

fn unsafe_code(source: &Source) -> Vec<Fault> {
    let lifted = source.is_rust() && lifts(&source.text, "unsafe_code");
    let unlisted = lifted && !UNSAFE.contains(&source.path.as_str());
    unlisted
        .then(|| Fault::in_file(&source.path, "lifts the ban on unsafe code"))
        .into_iter()
        .collect()
}

/// Modules of a server's program; the others are its library.
const PROGRAM: [&str; 2] = ["/src/main.rs", "/src/queries.rs"];

/// A library states its errors; only a server's program may fold them into one.
fn anyhow_in_program(source: &Source) -> Vec<Fault> {
    let server = source.path.starts_with("servers/") && source.is_rust();
    let is_program = PROGRAM.iter().any(|name| source.path.ends_with(name));
    let fault = server && !is_program && source.text.contains("anyhow::");
    fault
        .then(|| Fault::in_file(&source.path, "anyhow belongs to the program"))
        .into_iter()
        .collect()
}

/// Where what others wrote is run by name; a name can be moved to other code, a hash cannot.
const WORKFLOWS: &str = ".github/workflows/";

fn pinned_actions(source: &Source) -> Vec<Fault> {
    let is_hash =
        |version: &str| version.len() == 40 && version.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_loose = |line: &str| {
        let used = line
            .trim_start()
            .trim_start_matches("- ")
            .strip_prefix("uses:");
        used.is_some_and(|used| {
            let action = used.split_whitespace().next().unwrap_or_default();
            !action
                .rsplit_once('@')
                .is_some_and(|(_, version)| is_hash(version))
        })
    };
    let lines = source.text.lines().enumerate();
    lines
        .filter(|(_, line)| source.path.starts_with(WORKFLOWS) && is_loose(line))
        .map(|(index, _)| Fault::at_line(&source.path, index, "name an action by its hash"))
        .collect()
}

fn is_edited(source: &Source) -> bool {
    source
        .extension()
        .is_some_and(|extension| EDITED.contains(&extension))
}

/// Files whose only code is tests.
fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.starts_with("tests/") || path.contains("/tests/")
}

/// Data that must stay as it was found.
fn is_corpus(path: &str) -> bool {
    path.contains("/fixtures/") || path.contains("/corpus/") || path.contains("/snapshots/")
}

#[cfg(test)]
mod tests;
