//! What a single command runs: which of its arguments, or what it reads.

use super::program;
use super::wrappers::{SHELLS, WRAPPERS, Wrapper};
use crate::commands::script::{self, Input, Invocation, SyntaxError, Word};

/// What a command runs.
pub(super) enum Inner {
    Nothing,
    Commands(Vec<Vec<Word>>),
    Script(Script),
    Unknown,
}

/// A text that a shell runs.
pub(super) struct Script {
    pub(super) text: String,
    /// Whether a part of it is known only when it runs.
    pub(super) expands: bool,
    /// Whether it is read while it runs, so that a mistake stops only what follows it.
    pub(super) from_input: bool,
}

impl Script {
    fn argument(word: &Word) -> Inner {
        // A pattern is only looked up among files, and a text for `-c` is rarely one.
        Inner::Script(Self {
            text: word.text.clone(),
            expands: word.expands,
            from_input: false,
        })
    }

    fn joined(words: &[Word]) -> Inner {
        let texts: Vec<&str> = words.iter().map(|word| &*word.text).collect();
        Inner::Script(Self {
            text: texts.join(" "),
            expands: words.iter().any(|word| word.expands),
            from_input: false,
        })
    }

    /// The values of an `alias` command.
    fn values(args: &[Word]) -> Inner {
        let values = args.iter().filter_map(|arg| arg.text.split_once('='));
        let texts: Vec<&str> = values.map(|(_, value)| value).collect();
        Inner::Script(Self {
            text: texts.join("\n"),
            expands: false,
            from_input: true,
        })
    }

    pub(super) fn parse(&self) -> Result<Vec<Invocation>, SyntaxError> {
        // What an expansion stands for may close what the rest leaves open.
        if self.from_input || self.expands {
            script::parse_as_far_as_possible(&self.text)
        } else {
            script::parse(&self.text)
        }
    }
}

/// What a command runs, as far as its words and its input tell.
pub(super) fn inner(invocation: &Invocation) -> Inner {
    let Some((_, args)) = invocation.words.split_first() else {
        return Inner::Nothing;
    };
    let Some(program) = program(&invocation.words) else {
        return Inner::Unknown;
    };
    if SHELLS.contains(&program) {
        return shell_script(args, &invocation.input);
    }
    match program {
        "eval" => Script::joined(past_options(args, None)),
        "env" if let Some(split) = split_string(args) => split,
        "find" => Inner::Commands(find_commands(args)),
        "alias" => Script::values(args),
        "trap" => past_options(args, None)
            .first()
            .map_or(Inner::Nothing, Script::argument),
        "watch" => Script::joined(past_options(args, wrapper("watch"))),
        _ => wrapper(program).map_or(Inner::Nothing, |wrapper| {
            wrapped(wrapper, args, &invocation.input)
        }),
    }
}

fn wrapper(program: &str) -> Option<&'static Wrapper> {
    WRAPPERS
        .iter()
        .find(|wrapper| wrapper.names.contains(&program))
}

fn wrapped(wrapper: &Wrapper, args: &[Word], input: &Input) -> Inner {
    let command = past_options(args, Some(wrapper));
    match command.get(wrapper.positionals..).unwrap_or_default() {
        [] => Inner::Nothing,
        // flock(1) takes a command line too.
        [option, text, ..] if option.text == "-c" => Script::argument(text),
        command => {
            let mut command = command.to_vec();
            if let (["xargs" | "parallel"], Input::Text(text)) = (wrapper.names, input) {
                let text = text.get().map_or("", String::as_str);
                command.extend(text.split_whitespace().map(Word::literal));
            }
            Inner::Commands(vec![command])
        }
    }
}

/// What follows the options and the `NAME=value` assignments.
fn past_options<'a>(args: &'a [Word], wrapper: Option<&Wrapper>) -> &'a [Word] {
    let mut rest = args;
    while let Some((first, after)) = rest.split_first() {
        let text = &*first.text;
        if text == "--" {
            return after;
        }
        let is_option = text.starts_with('-') && text.len() > 1;
        if !is_option && !is_assignment(text) {
            return rest;
        }
        let takes_next = is_option && wrapper.is_some_and(|wrapper| wrapper.valued.contains(&text));
        rest = after.get(usize::from(takes_next)..).unwrap_or_default();
    }
    rest
}

/// The `NAME=value` arguments in front of what a wrapper such as `env` runs.
pub(super) fn passed_assignments(words: &[Word]) -> Vec<Word> {
    let Some(wrapper) = program(words).and_then(wrapper) else {
        return Vec::new();
    };
    let args = words.get(1..).unwrap_or_default();
    let after = past_options(args, Some(wrapper)).len();
    let before = args.iter().take(args.len() - after);
    before
        .filter(|arg| is_assignment(&arg.text))
        .cloned()
        .collect()
}

pub(in crate::commands) fn is_assignment(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

/// The text after `-c`, which may be one of several letters (`bash -lc TEXT`), or else what the
/// shell reads, unless it is given a file.
fn shell_script(args: &[Word], input: &Input) -> Inner {
    let mut rest = args.iter();
    let mut reads_input = true;
    while let Some(arg) = rest.next() {
        match arg.text.strip_prefix(['-', '+']) {
            Some("-command") => return rest.next().map_or(Inner::Nothing, Script::argument),
            Some("-help" | "-version") => return Inner::Nothing,
            Some("o" | "O") => drop(rest.next()),
            Some(letters) if letters.starts_with('-') => {}
            Some(letters) if letters.contains('c') => {
                let text = rest.find(|arg| !arg.text.starts_with(['-', '+']));
                return text.map_or(Inner::Nothing, Script::argument);
            }
            Some(letters) if letters.contains('s') => break,
            Some(_) => {}
            None => {
                reads_input = false;
                break;
            }
        }
    }
    match input {
        _ if !reads_input => Inner::Nothing,
        Input::Text(text) => Inner::Script(Script {
            text: text.get().cloned().unwrap_or_default(),
            expands: false,
            from_input: true,
        }),
        Input::Inherited | Input::Unknown | Input::Found(_) => Inner::Unknown,
    }
}

/// `env -S 'command line'`, also as `-vS…` or `--split-string=…`. Options end at the first word
/// that is none.
fn split_string(args: &[Word]) -> Option<Inner> {
    let mut args = args.iter();
    loop {
        let arg = args.next()?;
        let option = arg.text.strip_prefix('-')?;
        let text = match option.strip_prefix("-split-string") {
            Some(text) => Some(text.trim_start_matches('=')),
            None if option.starts_with('-') => None,
            None => option.trim_start_matches(['i', '0', 'v']).strip_prefix('S'),
        };
        match text {
            Some("") => return args.next().map(Script::argument),
            Some(text) => {
                let text = text.to_owned();
                return Some(Script::argument(&Word {
                    text,
                    ..arg.clone()
                }));
            }
            None if matches!(option, "u" | "C" | "-unset" | "-chdir") => drop(args.next()),
            None => {}
        }
    }
}

/// The commands after `-exec` and its kin, up to `;` or `+`.
fn find_commands(args: &[Word]) -> Vec<Vec<Word>> {
    args.split(|arg| matches!(&*arg.text, "-exec" | "-execdir" | "-ok" | "-okdir"))
        .skip(1)
        .map(|rest| {
            rest.iter()
                .take_while(|arg| !matches!(&*arg.text, ";" | "+"))
                .cloned()
                .collect()
        })
        .collect()
}

/// Names and values that an `alias` command defines.
pub(super) fn aliases(words: &[Word]) -> impl Iterator<Item = (String, String)> {
    let is_alias = program(words) == Some("alias");
    let args = words.iter().skip(1).filter(move |_| is_alias);
    args.filter_map(|arg| {
        let (name, value) = arg.text.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    })
}
