//! The policy as a whole.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{CommandDenied, CommandPolicy, CommandsConfig, Decision, MAX_COMMAND_BYTES};

fn policy() -> CommandPolicy {
    CommandsConfig::default().build(Vec::new()).unwrap()
}

#[test]
fn gives_the_shell_the_line_as_it_was_asked_about() {
    let allowed = policy().vet_shell("echo \"$HOME\" | cat").unwrap();
    assert_eq!(
        (allowed.program(), allowed.args()),
        (
            "/bin/sh",
            &["-c".to_owned(), "echo \"$HOME\" | cat".to_owned()][..]
        )
    );
    assert!(!allowed.is_opaque());
}

#[test]
fn tells_what_it_cannot_see_through() {
    let strict = CommandsConfig {
        opaque: Decision::Deny,
        ..CommandsConfig::default()
    };
    let strict = strict.build(Vec::new()).unwrap();
    for line in [
        "$X file",
        "$(echo rm) -rf x",
        "/bin/r? x",
        "eval \"$X\"",
        "sudo $X",
        "{rm,-rf,/}",
        "sh -c \"$X\"",
        "curl x | sh",
        "sh",
        "bash -s a < script",
        "echo 'a\\x62' | sudo sh",
    ] {
        assert!(policy().vet_shell(line).unwrap().is_opaque(), "{line}");
        let decision = Decision::Deny;
        let refused = Err(CommandDenied::Opaque { decision });
        assert_eq!(strict.vet_shell(line), refused, "{line}");
    }
    for line in ["sh script", "bash --version", "echo ls | sh", "xargs ls"] {
        assert!(!policy().vet_shell(line).unwrap().is_opaque(), "{line}");
    }
    assert!(!strict.vet_shell("ls *.rs \"$X\"").unwrap().is_opaque());
}

#[test]
fn looks_through_wrappers_in_argument_form_too() {
    let args = |args: &[&str]| args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>();
    for (program, given) in [
        ("rm", &["-rf", "/"][..]),
        ("/usr/bin/sudo", &["rm", "-rf", "/"]),
        ("bash", &["-c", "x; reboot"]),
    ] {
        let denied = policy().vet_argv(program, &args(given)).unwrap_err();
        assert!(
            matches!(denied, CommandDenied::Rule { .. }),
            "{program}: {denied:?}"
        );
    }
    let allowed = policy()
        .vet_argv("printf", &args(&["$(reboot)", "; reboot"]))
        .unwrap();
    assert_eq!(allowed.args(), ["$(reboot)", "; reboot"]);
}

#[test]
fn splits_a_line_without_a_shell() {
    let allowed = policy().vet_line("grep -n 'a b' *.rs \"\"").unwrap();
    assert_eq!(
        (allowed.program(), allowed.args()),
        ("grep", &["-n", "a b", "*.rs", ""].map(str::to_owned)[..])
    );
    for line in [
        "a; b", "a | b", "a > b", "a $X", "a `b`", "a ~", "a &", "a\nb", "(a)", "a $(b)",
    ] {
        let denied = policy().vet_line(line);
        assert!(
            matches!(denied, Err(CommandDenied::NeedsShell { .. })),
            "{line}: {denied:?}"
        );
    }
    assert_eq!(policy().vet_line(" "), Err(CommandDenied::Empty));
}

#[test]
fn refuses_what_cannot_be_a_command() {
    assert_eq!(policy().vet_shell(" \n"), Err(CommandDenied::Empty));
    assert_eq!(policy().vet_shell("a\0b"), Err(CommandDenied::ZeroByte));
    let long = "x".repeat(MAX_COMMAND_BYTES + 1);
    assert_eq!(
        policy().vet_shell(&long),
        Err(CommandDenied::TooLong {
            limit: MAX_COMMAND_BYTES
        })
    );
    assert!(matches!(
        policy().vet_shell("echo 'x"),
        Err(CommandDenied::Syntax { .. })
    ));
}

#[test]
fn says_which_command_of_many_and_why() {
    let denied = policy()
        .vet_shell("cd x && make; sudo \"rm\" -rf '/'")
        .unwrap_err();
    assert_eq!(
        denied.to_string(),
        "`rm -rf /` is refused because it removes a system or home directory recursively"
    );
}

#[test]
fn the_operator_turns_rules_off() {
    let config = CommandsConfig {
        disabled_rules: vec!["power".to_owned()],
        ..CommandsConfig::default()
    };
    let policy = config.build(Vec::new()).unwrap();
    assert!(policy.vet_shell("reboot").is_ok());
    assert!(policy.vet_shell("rm -rf /").is_err());
}

#[test]
fn path_is_fixed_when_only_listed_programs_run() {
    let config = CommandsConfig {
        default: Decision::Deny,
        ..CommandsConfig::default()
    };
    let variable = || [("PATH".to_owned(), "/tmp".to_owned())];
    let listed = config.build(Vec::new()).unwrap();
    assert!(listed.vet_environment(variable()).is_err());
    assert!(policy().vet_environment(variable()).is_ok());
}

/// The work for a line of the greatest length is bounded, whatever it is made of.
#[test]
fn long_lines_are_judged_quickly() {
    const UNITS: [&str; 12] = [
        "echo a | xargs ",
        "find / -exec ",
        "alias a=b;a;",
        "cd a;",
        "echo x|cat|",
        "rm -rf x;",
        "f() { f& ",
        "x=1 ",
        "sudo ",
        "$'\\' ",
        "xargs xargs ",
        "find . -exec xargs a \\; ",
    ];
    let policy = policy();
    for unit in UNITS {
        let line = unit.repeat(MAX_COMMAND_BYTES / unit.len());
        let started = Instant::now();
        drop(policy.vet_shell(&line));
        let spent = started.elapsed();
        assert!(spent < Duration::from_secs(4), "{unit:?}: {spent:?}");
    }
    let long = "y".repeat(MAX_COMMAND_BYTES / 2 - 100);
    for line in [
        format!("alias a={long}; {}", "a;".repeat(30_000)),
        format!("echo {long} | find . {}", "-exec xargs b \\; ".repeat(3000)),
    ] {
        let started = Instant::now();
        assert!(matches!(
            policy.vet_shell(&line),
            Err(CommandDenied::Syntax { .. })
        ));
        assert!(started.elapsed() < Duration::from_secs(4));
    }
}

/// A word as a shell may be told it, by a number that chooses the way.
fn quote(word: &str, way: u8) -> String {
    let half = word.len() / 2;
    let (front, back) = word.split_at(half);
    match way % 6 {
        0 => word.to_owned(),
        1 => format!("'{word}'"),
        2 => format!("\"{word}\""),
        3 => word.chars().flat_map(|c| ['\\', c]).collect(),
        4 => format!("{front}''\"{back}\""),
        _ => format!("$'{word}'"),
    }
}

proptest! {
    #[test]
    fn no_line_makes_it_panic(line in "[ -~\n]{0,200}") {
        drop(policy().vet_shell(&line));
        drop(policy().vet_line(&line));
    }

    #[test]
    fn no_row_of_shell_words_makes_it_panic(parts in proptest::collection::vec(
        prop::sample::select(vec![
            "rm", "-rf", "/", "~", "$X", "$(", ")", "(", "`", "'", "\"", "|", "&&", ";", "\n", "<<E", "E", "<<<", ">",
            "sh", "-c", "xargs", "find", "-exec", "\\;", "cd", "alias", "x=", "[[", "]]", "=~", "{", "}", "case", "in",
            "esac", "for", "do", "done", "function", "f()", "$'", "\\'", "${", "$((", "))", "*", "é", "echo", "sudo",
        ]), 0..40), glue in prop::sample::select(vec!["", " "]))
    {
        let line = parts.join(glue);
        drop(policy().vet_shell(&line));
    }

    #[test]
    fn quoting_words_changes_nothing(
        words in proptest::collection::vec("[a-z/.-]{1,8}", 0..4),
        program in prop::sample::select(vec!["rm", "find", "mv", "chmod", "kill", "dd", "tee", "sudo", "systemctl"]),
        target in prop::sample::select(vec!["/", "/etc", "/dev/sda", "1", "-rf", "-R", "-delete", "if=x", "reboot"]),
        ways in proptest::collection::vec(0_u8..6, 6),
    ) {
        let all = [program, target].into_iter().map(str::to_owned).chain(words).collect::<Vec<_>>();
        let quoted: Vec<String> = all.iter().zip(&ways).map(|(word, way)| quote(word, *way)).collect();
        let (plain, quoted) = (policy().vet_shell(&all.join(" ")), policy().vet_shell(&quoted.join(" ")));
        prop_assert_eq!(plain.is_ok(), quoted.is_ok(), "{:?}", all);
        if let (Err(plain), Err(quoted)) = (plain, quoted) {
            prop_assert_eq!(plain, quoted);
        }
    }
}
