//! What one command hands to the next: its output, and the directory it changed to.

use std::sync::{Arc, OnceLock};

use super::{Input, Invocation, Word};
use crate::commands::unwrap::base_name;

/// Longest path that is followed, in bytes (`PATH_MAX`).
const LONGEST_PATH: usize = 4096;

impl Input {
    pub(super) fn text(text: String) -> Self {
        Self::Text(Arc::new(OnceLock::from(text)))
    }
}

/// What the next command of a pipeline reads.
pub(in crate::commands) fn output(command: &Invocation) -> Input {
    let Some((program, args)) = command.words.split_first() else {
        return Input::Unknown;
    };
    let program = program.fixed().map_or("", base_name);
    match (program, &command.input) {
        ("echo", _) => joined(args.iter().skip_while(|arg| is_echo_option(&arg.text)), " "),
        ("printf", _) => printed(args),
        ("cat" | "tee", input) if !args.iter().any(|arg| !arg.text.starts_with('-')) => {
            input.clone()
        }
        ("find" | "ls", _) => {
            let leading = args.iter().skip_while(|arg| arg.text.starts_with('-'));
            let mut places: Vec<Word> = leading
                .take_while(|arg| !arg.text.starts_with('-'))
                .cloned()
                .collect();
            if places.is_empty() {
                places.push(Word::literal("."));
            }
            Input::Found(places.into())
        }
        // What filters names hands on names.
        (_, Input::Found(places)) => Input::Found(Arc::clone(places)),
        _ => Input::Unknown,
    }
}

fn is_echo_option(arg: &str) -> bool {
    matches!(arg, "-n" | "-e" | "-E" | "-ne" | "-en")
}

/// `printf FORMAT ARGUMENT…` for formats that print each argument as it is.
fn printed(args: &[Word]) -> Input {
    match args.split_first() {
        Some((format, rest)) => match format.fixed() {
            Some("%s" | "%s\\n" | "%s\n" | "%b" | "%b\\n") => joined(rest.iter(), "\n"),
            Some(text) if !text.contains('%') => joined(std::iter::once(format), ""),
            _ => Input::Unknown,
        },
        None => Input::Unknown,
    }
}

fn joined<'a>(words: impl Iterator<Item = &'a Word>, between: &str) -> Input {
    let mut text = String::new();
    for word in words {
        let Some(fixed) = word.fixed() else {
            return Input::Unknown;
        };
        text.push_str(fixed);
        text.push_str(between);
    }
    let text = text.replace("\\n", "\n");
    // Other escapes are for the program to read.
    if text.contains('\\') {
        Input::Unknown
    } else {
        Input::text(text)
    }
}

/// Where the command after this one runs, if that can be told.
pub(super) fn directory_after(command: &Invocation) -> Option<Arc<Word>> {
    let unchanged = || command.directory.clone();
    let Some((program, args)) = command.words.split_first() else {
        return unchanged();
    };
    if !matches!(&*program.text, "cd" | "pushd" | "popd") {
        return unchanged();
    }
    let mut operands = args
        .iter()
        .filter(|arg| arg.text == "-" || !arg.text.starts_with('-'));
    let target = match (&*program.text, operands.next()) {
        ("cd", None) => home(),
        (_, Some(target)) if program.text != "popd" && target.text != "-" => target.clone(),
        _ => return None,
    };
    if target.expands && !target.is_anchored() {
        return None;
    }
    let target = target.beneath(command.directory.as_deref());
    let is_told = target.is_anchored() && target.text.len() <= LONGEST_PATH;
    is_told.then(|| Arc::new(target))
}

fn home() -> Word {
    Word {
        text: "~".to_owned(),
        expands: true,
        ..Word::default()
    }
}

impl Word {
    /// Whether it names a place that does not depend on where the command runs.
    fn is_anchored(&self) -> bool {
        let home = self.text.strip_prefix("$HOME");
        let is_home = self.text.starts_with('~')
            || home.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.text.starts_with('/') || (self.expands && is_home)
    }

    /// The word as a path seen from `directory`.
    pub(in crate::commands) fn beneath(&self, directory: Option<&Self>) -> Self {
        match directory {
            Some(directory) if !self.is_anchored() => Self {
                text: format!("{}/{}", directory.text, self.text),
                expands: self.expands || directory.expands,
                globs: self.globs || directory.globs,
                quoted: self.quoted || directory.quoted,
            },
            _ => self.clone(),
        }
    }
}
