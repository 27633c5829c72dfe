//! Holds every rule to its own examples.

use super::RULES;
use crate::commands::{CommandDenied, CommandsConfig};

#[test]
fn every_rule_refuses_its_examples_and_nothing_refuses_look_alikes() {
    let policy = CommandsConfig::default().build(Vec::new()).unwrap();
    let mut wrong = Vec::new();
    for rule in RULES {
        assert!(
            !rule.must_deny.is_empty() && !rule.must_allow.is_empty(),
            "{}",
            rule.id
        );
        for line in rule.must_deny {
            match policy.vet_shell(line) {
                Err(CommandDenied::Rule { rule: id, .. }) if id == rule.id => {}
                got => wrong.push(format!("{} must deny {line:?}: {got:?}", rule.id)),
            }
        }
        for line in rule.must_allow {
            if let Err(got) = policy.vet_shell(line) {
                wrong.push(format!("{} must allow {line:?}: {got:?}", rule.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn ids_are_unique() {
    let mut ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), RULES.len());
}
