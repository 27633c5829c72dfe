//! The policy as a whole.

use super::{CommandDenied, CommandPolicy, CommandsConfig, CommandsConfigError, MAX_COMMAND_BYTES};

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
        refuse_opaque: true,
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
    ] {
        assert!(policy().vet_shell(line).unwrap().is_opaque(), "{line}");
        assert_eq!(strict.vet_shell(line), Err(CommandDenied::Opaque), "{line}");
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
fn the_operator_turns_rules_off_and_denies_programs() {
    let config = CommandsConfig {
        disabled_rules: vec!["power".to_owned()],
        denied_programs: vec!["curl".to_owned()],
        ..CommandsConfig::default()
    };
    let policy = config.build(Vec::new()).unwrap();
    assert!(policy.vet_shell("reboot").is_ok());
    let program = "curl".to_owned();
    assert_eq!(
        policy.vet_shell("x | /usr/bin/curl y"),
        Err(CommandDenied::Program { program })
    );

    let config = CommandsConfig {
        disabled_rules: vec!["x".into()],
        ..CommandsConfig::default()
    };
    assert!(matches!(
        config.build(Vec::new()),
        Err(CommandsConfigError::UnknownRule { .. })
    ));
}
