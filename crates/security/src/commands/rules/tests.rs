//! The built-in rules against their own examples, and the vocabulary of conditions.

use super::{Decision, Rule, built_in};
use crate::commands::{CommandDenied, CommandPolicy, CommandsConfig, CommandsConfigError};

fn with_rules(text: &str) -> Result<CommandPolicy, CommandsConfigError> {
    let config: CommandsConfig = toml::from_str(text).unwrap();
    config.build(Vec::new())
}

#[test]
fn built_in_rules_refuse_their_examples_and_allow_look_alikes() {
    let policy = CommandsConfig::default().build(Vec::new()).unwrap();
    for rule in built_in() {
        assert!(
            !rule.must_deny.is_empty() && !rule.must_allow.is_empty(),
            "{}",
            rule.id
        );
        let alone = policy.check_examples([rule]);
        assert!(alone.is_ok(), "{}: {alone:?}", rule.id);
    }
}

/// A rule that is never asked would pass the test above if another refused its examples.
#[test]
fn every_example_is_refused_by_the_rule_it_belongs_to_alone() {
    for rule in built_in() {
        let disabled = built_in().iter().filter(|other| other.id != rule.id);
        let config = CommandsConfig {
            disabled_rules: disabled.map(|other| other.id.clone()).collect(),
            ..CommandsConfig::default()
        };
        let policy = config.build(Vec::new()).unwrap();
        for line in &rule.must_deny {
            assert!(
                matches!(policy.vet_shell(line), Err(CommandDenied::Rule { rule: id, .. }) if id == rule.id),
                "{} {line:?}",
                rule.id
            );
        }
    }
}

#[test]
fn rules_survive_being_written_and_read() {
    for rule in built_in() {
        let text = toml::to_string(rule).unwrap();
        assert_eq!(toml::from_str::<Rule>(&text).unwrap(), *rule, "{text}");
    }
}

/// One condition and lines that it matches, then lines that it does not.
#[track_caller]
fn check(condition: &str, matched: &[&str], others: &[&str]) {
    let text = format!("[[rules]]\nid = 'r'\nreason = 'x'\nwhen = [{{ {condition} }}]");
    let policy = with_rules(&text).unwrap();
    let refused = |line: &str| matches!(policy.vet_shell(line), Err(CommandDenied::Rule { rule, .. }) if rule == "r");
    for line in matched {
        assert!(refused(line), "{condition} must match {line:?}");
    }
    for line in others {
        assert!(!refused(line), "{condition} must not match {line:?}");
    }
}

#[test]
fn conditions_match_what_they_say() {
    check(
        "program = ['curl', 'x*z', '/opt/*']",
        &[
            "curl a",
            "a | /usr/bin/curl",
            "xyz",
            "/opt/a/b",
            "sudo curl",
            "/opt//../opt/b",
        ],
        &["curly", "echo curl", "xy", "opt/a"],
    );
    check(
        "program = ['git'], option = ['-f', '--force', '-word'], valued = ['-C']",
        &[
            "git -f",
            "git push -qf",
            "git --fo",
            "git --force=x",
            "git -word",
        ],
        &[
            "git -C -f",
            "git -Cf",
            "git -- -f",
            "git --forced",
            "git -words",
            "git x",
        ],
    );
    check(
        "program = ['a'], operand = ['x*'], valued = ['-o']",
        &["a xy", "a -q xy", "a -- xy", "a y xy", "a $(b) x$Y"],
        &["a -xy", "a -o xy", "a"],
    );
    check(
        "program = ['a'], first_operand = ['x']",
        &["a -q x y"],
        &["a y x"],
    );
    check(
        "program = ['a'], last_operand = ['x']",
        &["a y x -q"],
        &["a x y"],
    );
    check(
        "program = ['a'], leading_operand = ['x']",
        &["a -q y x -r"],
        &["a y -r x"],
    );
    check("program = ['a'], argument = ['-x']", &["a b -x"], &["a x"]);
    check(
        "program = ['a'], later_argument = ['x']",
        &["a b x"],
        &["a x"],
    );
    check(
        "writes = ['/etc/*']",
        &["a > /etc/b", "cd /etc; a >b", "> //etc/./b"],
        &["a < /etc/b", "a > etc/b"],
    );
    check(
        "reads = ['*key*']",
        &["a < my.key"],
        &["a > my.key", "a my.key"],
    );
    check(
        "assigns = ['LD_*', 'A=1']",
        &[
            "LD_X=1 a",
            "LD_X=1",
            "env A=1 b",
            "export A=1",
            "sudo LD_Y= a",
        ],
        &["a LD_X=1", "A=2 b", "env B=A=1 c"],
    );
    check(
        "program = ['a'], unless_only = ['--help']",
        &["a", "a --help x"],
        &["a --help"],
    );
    check(
        "program = ['a'], unless_first_argument = ['-n']",
        &["a", "a x -n"],
        &["a -n x"],
    );
    check(
        "program = ['a'], ignore_case = true, argument = ['/s']",
        &["A /S"],
        &["A /Q"],
    );
}

#[test]
fn the_strictest_rule_decides() {
    let policy = with_rules(
        "[[rules]]\nid = 'a'\ndecision = 'allow'\nreason = 'x'\nwhen = [{ program = ['git'] }]\n\
         [[rules]]\nid = 'c'\ndecision = 'confirm'\nreason = 'pushes'\n\
         when = [{ program = ['git'], first_operand = ['push'] }]\n\
         [[rules]]\nid = 'd'\nreason = 'forces'\nwhen = [{ program = ['git'], option = ['--force'] }]",
    )
    .unwrap();
    let decision = |line: &str| policy.vet_shell(line).err().map(|denied| denied.decision());
    assert_eq!(decision("git status"), None);
    assert_eq!(decision("git push"), Some(Decision::Confirm));
    assert_eq!(decision("git push --force"), Some(Decision::Deny));
    assert_eq!(decision("git push; reboot"), Some(Decision::Deny));
    assert_eq!(
        policy.vet_shell("git push").unwrap_err().to_string(),
        "`git push` needs a person's confirmation because it pushes"
    );
}

#[test]
fn only_listed_programs_run_when_the_operator_says_so() {
    let policy = with_rules(
        "default = 'deny'\n[[rules]]\nid = 'tools'\ndecision = 'allow'\nreason = 'is listed'\n\
         when = [{ program = ['git', 'ls', '/usr/bin/make', 'sh'] }]\n\
         must_allow = ['git status']\nmust_deny = ['curl x']",
    )
    .unwrap();
    for line in [
        "git status && ls | ls; cd x; echo $X > f",
        "/usr/bin/make",
        "[ -f x ] && A=1 git log",
        "sh -c 'ls'",
        "for i in 1 2; do ls; done",
    ] {
        assert!(policy.vet_shell(line).is_ok(), "{line}");
    }
    for line in [
        "curl x",
        "git status; curl x",
        "./git status",
        "/tmp/ls",
        "make",
        "sudo ls",
        "$X",
        "ls | sh",
        "sh -c 'curl x'",
        "PATH=. ls",
        "LD_PRELOAD=x ls",
        "export PATH=.; ls",
        "env ls",
        "ls() { x; }; ls",
        "xargs echo",
    ] {
        assert!(policy.vet_shell(line).is_err(), "{line}");
    }
    let reboot = policy.vet_shell("git log; reboot").unwrap_err();
    assert!(matches!(
        reboot,
        CommandDenied::Unlisted { .. } | CommandDenied::Rule { .. }
    ));
}

#[test]
fn mistakes_in_rules_name_the_rule_and_the_example() {
    for (text, expected) in [
        (
            "[[rules]]\nid='X'\nreason=''\nwhen=[{program=['a']}]",
            "`X` is not an id of a rule: small letters, digits and `-`",
        ),
        (
            "[[rules]]\nid='power'\nreason=''\nwhen=[{program=['a']}]",
            "there are two command rules `power`",
        ),
        (
            "[[rules]]\nid='a'\nreason=''\nwhen=[]",
            "the command rule `a` has no condition, or one that asks for nothing",
        ),
        (
            "[[rules]]\nid='a'\nreason=''\nwhen=[{valued=['-o']}]",
            "the command rule `a` has no condition, or one that asks for nothing",
        ),
        (
            "disabled_rules = ['x']",
            "there is no built-in command rule `x`",
        ),
        (
            "[[rules]]\nid='a'\nreason=''\nwhen=[{program=['a']}]\nmust_deny=['b']",
            "the command rule `a` contradicts its example: `b` must be refused by it and is not",
        ),
        (
            "[[rules]]\nid='a'\nreason=''\nwhen=[{program=['a']}]\nmust_allow=['a b']",
            "the command rule `a` contradicts its example: `a b` must be allowed and is not: `a b` is refused because it ",
        ),
    ] {
        let error = with_rules(text).unwrap_err();
        let mut shown = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(inner) = source {
            shown = format!("{shown}: {inner}");
            source = inner.source();
        }
        assert_eq!(shown, expected, "{text}");
    }
    for condition in ["operand = ['<x>']", "option = ['x']", "programs = ['x']"] {
        let text = format!("[[rules]]\nid='a'\nreason=''\nwhen=[{{{condition}}}]");
        assert!(toml::from_str::<CommandsConfig>(&text).is_err(), "{text}");
    }
}
