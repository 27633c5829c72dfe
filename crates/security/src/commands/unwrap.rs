//! Programs that run another program: what they run is looked at too.

use super::script::{self, Invocation, SyntaxError, Word};

/// How many programs may wrap one another.
const MAX_LAYERS: usize = 16;

/// A program whose arguments hold a command.
struct Wrapper {
    names: &'static [&'static str],
    /// Options that take the next argument.
    valued: &'static [&'static str],
    /// Arguments before the command, options not counted.
    positionals: usize,
}

const WRAPPERS: &[Wrapper] = &[
    wrapper(
        &["sudo"],
        &[
            "-u",
            "-g",
            "-h",
            "-p",
            "-C",
            "-T",
            "-r",
            "-t",
            "-D",
            "-R",
            "-U",
            "--user",
            "--group",
            "--host",
            "--prompt",
            "--close-from",
            "--command-timeout",
            "--role",
            "--type",
            "--chdir",
            "--chroot",
            "--other-user",
        ],
        0,
    ),
    wrapper(&["doas"], &["-u", "-C", "-a"], 0),
    wrapper(&["env"], &["-u", "--unset", "-C", "--chdir"], 0),
    wrapper(&["nice"], &["-n", "--adjustment"], 0),
    wrapper(
        &["ionice"],
        &["-c", "-n", "-p", "--class", "--classdata"],
        0,
    ),
    wrapper(&["chrt", "taskset"], &[], 1),
    wrapper(
        &[
            "nohup", "setsid", "builtin", "busybox", "toybox", "fakeroot", "prlimit", "unbuffer",
        ],
        &[],
        0,
    ),
    wrapper(&["command"], &[], 0),
    wrapper(&["exec"], &["-a"], 0),
    wrapper(&["time"], &["-f", "-o", "--format", "--output"], 0),
    wrapper(&["timeout"], &["-s", "-k", "--signal", "--kill-after"], 1),
    wrapper(
        &["stdbuf"],
        &["-i", "-o", "-e", "--input", "--output", "--error"],
        0,
    ),
    wrapper(&["chroot"], &[], 1),
    wrapper(
        &["flock"],
        &["-w", "-E", "--timeout", "--wait", "--conflict-exit-code"],
        1,
    ),
    wrapper(&["pkexec", "runuser"], &["-u", "--user"], 0),
    wrapper(
        &["setpriv"],
        &["--reuid", "--regid", "--groups", "--ruid", "--rgid"],
        0,
    ),
    wrapper(&["parallel"], &["-j", "--jobs"], 0),
    wrapper(&["strace", "ltrace"], &["-e", "-o", "-p", "-s", "-u"], 0),
    wrapper(
        &["systemd-run"],
        &["-p", "-u", "-M", "-H", "--unit", "--property", "--slice"],
        0,
    ),
    wrapper(&["unshare", "nsenter"], &["-t", "-S", "-G"], 0),
    wrapper(&["watch"], &["-n", "--interval"], 0),
    wrapper(
        &["xargs"],
        &[
            "-I",
            "-n",
            "-P",
            "-L",
            "-d",
            "-E",
            "-s",
            "-a",
            "--arg-file",
            "--delimiter",
            "--max-args",
            "--max-chars",
            "--max-procs",
        ],
        0,
    ),
];

const SHELLS: &[&str] = &[
    "sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "rbash", "fish", "su", "script",
];

const fn wrapper(
    names: &'static [&'static str],
    valued: &'static [&'static str],
    positionals: usize,
) -> Wrapper {
    Wrapper {
        names,
        valued,
        positionals,
    }
}

/// Commands together with what they run, and whether all of it can be told.
#[derive(Debug, Default)]
pub(super) struct Unwrapped {
    pub(super) invocations: Vec<Invocation>,
    /// Whether the program of some command is known only when it runs.
    pub(super) opaque: bool,
}

/// What a command runs.
enum Inner {
    Nothing,
    Commands(Vec<Vec<Word>>),
    Script(String),
    Unknown,
}

/// Adds to `invocations` all that they run in turn.
pub(super) fn unwrap(invocations: Vec<Invocation>) -> Result<Unwrapped, SyntaxError> {
    let mut found = Unwrapped::default();
    let mut pending: Vec<(Invocation, usize)> = invocations
        .into_iter()
        .map(|invocation| (invocation, 0))
        .collect();
    while let Some((invocation, layer)) = pending.pop() {
        if layer > MAX_LAYERS {
            return Err(SyntaxError::TooDeep { limit: MAX_LAYERS });
        }
        let inside = |words| Invocation {
            words,
            ..Invocation::default()
        };
        match inner(&invocation.words) {
            Inner::Nothing => {}
            Inner::Unknown => found.opaque = true,
            Inner::Commands(commands) => {
                pending.extend(commands.into_iter().map(|words| (inside(words), layer + 1)));
            }
            Inner::Script(text) => {
                let script = script::parse(&text)?;
                pending.extend(script.into_iter().map(|invocation| (invocation, layer + 1)));
            }
        }
        found.invocations.push(invocation);
    }
    found.invocations.reverse();
    Ok(found)
}

/// The name a program is known by: without its directory.
pub(super) fn base_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

fn inner(words: &[Word]) -> Inner {
    let Some((program, args)) = words.split_first() else {
        return Inner::Nothing;
    };
    let Some(program) = program.fixed().map(base_name) else {
        return Inner::Unknown;
    };
    if SHELLS.contains(&program) {
        return shell_script(args);
    }
    match program {
        "eval" => joined(past_options(args, None)),
        "env" if let Some(split) = split_string(args) => split,
        "find" => Inner::Commands(find_commands(args)),
        "trap" => past_options(args, None)
            .first()
            .map_or(Inner::Nothing, as_script),
        "watch" => joined(past_options(
            args,
            WRAPPERS.iter().find(|w| w.names == ["watch"]),
        )),
        _ => match WRAPPERS
            .iter()
            .find(|wrapper| wrapper.names.contains(&program))
        {
            Some(wrapper) => {
                let command = past_options(args, Some(wrapper));
                match command.get(wrapper.positionals..).unwrap_or_default() {
                    [] => Inner::Nothing,
                    // flock(1) takes a command line too.
                    [option, text, ..] if option.text == "-c" => as_script(text),
                    command => Inner::Commands(vec![command.to_vec()]),
                }
            }
            None => Inner::Nothing,
        },
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

fn is_assignment(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

/// The text after `-c`, which may be one of several letters: `bash -lc TEXT`.
fn shell_script(args: &[Word]) -> Inner {
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.text.strip_prefix('-') {
            Some(letters) if letters.contains('c') && !letters.starts_with('-') => {
                let text = rest.find(|arg| !arg.text.starts_with(['-', '+']));
                return text.map_or(Inner::Nothing, as_script);
            }
            Some("o" | "O") => drop(rest.next()),
            Some("-command") => return rest.next().map_or(Inner::Nothing, as_script),
            _ => {}
        }
    }
    Inner::Nothing
}

fn as_script(text: &Word) -> Inner {
    // A pattern is only looked up among files, and a text for `-c` is rarely one.
    if text.expands {
        Inner::Unknown
    } else {
        Inner::Script(text.text.clone())
    }
}

fn joined(words: &[Word]) -> Inner {
    if words.iter().any(|word| word.expands) {
        return Inner::Unknown;
    }
    let texts: Vec<&str> = words.iter().map(|word| &*word.text).collect();
    Inner::Script(texts.join(" "))
}

/// `env -S 'command line'`, also as `-vS…` or `--split-string=…`. Options end at the first word
/// that is none.
fn split_string(args: &[Word]) -> Option<Inner> {
    let mut args = args.iter();
    loop {
        let option = args.next()?.text.strip_prefix('-')?;
        let text = match option.strip_prefix("-split-string") {
            Some(text) => Some(text.trim_start_matches('=')),
            None if option.starts_with('-') => None,
            None => option.trim_start_matches(['i', '0', 'v']).strip_prefix('S'),
        };
        match text {
            Some("") => return args.next().map(as_script),
            Some(text) => return Some(Inner::Script(text.to_owned())),
            None if matches!(option, "u" | "C" | "-unset" | "-chdir") => drop(args.next()),
            None => {}
        }
    }
}

/// Whether a command is a shell, wrapped or not, that has nothing but its input to run.
pub(super) fn reads_script(words: &[Word]) -> bool {
    let is_shell = |word: &Word| SHELLS.contains(&base_name(&word.text));
    let after = words.iter().skip_while(|word| !is_shell(word)).skip(1);
    words.iter().any(is_shell)
        && after
            .into_iter()
            .all(|word| word.text.starts_with(['-', '+']))
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
