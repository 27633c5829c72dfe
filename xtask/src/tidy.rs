//! The house rules that no compiler knows. Each rule is a small function over one kind of fact:
//! a file's text, a manifest, or the edges between packages.

mod layers;
mod manifests;
mod text;

use std::fmt;
use std::fs;

use anyhow::{Context, Result, bail};

use crate::only_flag;
use crate::workspace::Workspace;

/// A file of the workspace: its path relative to the root, and what it says.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn is_rust(&self) -> bool {
        self.extension() == Some("rs")
    }

    fn extension(&self) -> Option<&str> {
        self.path.rsplit_once('.').map(|(_, extension)| extension)
    }
}

/// One broken rule.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    path: String,
    /// Counted from 1; none when the whole file is meant.
    line: Option<usize>,
    message: String,
}

impl Fault {
    fn in_file(path: &str, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line: None,
            message: message.into(),
        }
    }

    /// `index` counts from 0, as `lines().enumerate()` does.
    fn at_line(path: &str, index: usize, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line: Some(index + 1),
            message: message.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path, self.message),
            None => write!(f, "{}: {}", self.path, self.message),
        }
    }
}

/// `cargo xtask tidy [--notes]`: with notes it also lists files that grow past the size aimed at.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    let notes = only_flag(args, "--notes")?;
    let sources = sources(workspace)?;
    let members = workspace.members()?;

    let mut faults = Vec::new();
    for source in &sources {
        faults.extend(text::faults(source));
    }
    faults.extend(text::lifted_bans(&sources));
    faults.extend(manifests::faults(&sources, &members));
    faults.extend(layers::faults(&members));
    if notes {
        for note in sources.iter().filter_map(text::long_file) {
            println!("note: {note}");
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    bail!("{} faults\n{}", lines.len(), lines.join("\n"))
}

/// The text files of the workspace; what is not UTF-8 is no text.
fn sources(workspace: &Workspace) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in workspace.files()? {
        let bytes =
            fs::read(workspace.root.join(&path)).with_context(|| format!("cannot read {path}"))?;
        if let Ok(text) = String::from_utf8(bytes) {
            sources.push(Source { path, text });
        }
    }
    Ok(sources)
}
