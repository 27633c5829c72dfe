//! Sub-commands, flags and configuration.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use mcp_tests::{Ended, Era, Peer, Setup, Signal};
use serde_json::{Value, json};

#[test]
fn help_fits_a_screen_and_shows_examples() {
    let (ended, help, _) = Setup::memory().arguments(&["--help"]).run();
    assert_eq!(ended, Ended::Exited(0));
    assert!(help.contains("claude mcp add a2a-unified"), "{help}");
    assert!(help.lines().count() <= 40, "{help}");
}

#[test]
fn the_configuration_is_layered_and_checked() {
    let (ended, printed, _) = Setup::memory().arguments(&["--print-config"]).run();
    assert_eq!(ended, Ended::Exited(0));
    assert!(printed.contains("# $A2A_RATE__REQUESTS"), "{printed}");
    let wrong = Setup::memory().configuration("[store]\nsynchronus = \"off\"\n");
    let (ended, _, errors) = wrong.run();
    assert_eq!(ended, Ended::Exited(78));
    assert!(errors.contains("synchronus"), "{errors}");
    let (ended, said, _) = Setup::memory().arguments(&["--check"]).run();
    assert_eq!(ended, Ended::Exited(0));
    assert!(said.contains("knowledge.db"), "{said}");
}

#[test]
fn only_its_user_can_read_what_is_remembered() {
    let mut server = Setup::memory().stdio(Era::Modern);
    server.succeed("remember", json!({ "key": "a", "value": "v" }));
    for (name, expect) in [
        ("", 0o700),
        ("/knowledge.db", 0o600),
        ("/knowledge.db-wal", 0o600),
    ] {
        let path = server.stage.path(&format!("home/memory{name}"));
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, expect, "{}", path.display());
    }
}

#[test]
fn a_backup_made_while_writing_is_restored() {
    let mut server = Setup::memory().stdio(Era::Modern);
    let directory = server.stage.path("home/memory");
    let copy = server.stage.path("home/copy.db");
    let copy = copy.to_str().unwrap();
    let ask = |arguments: &[&str]| Setup::memory_at(&directory).arguments(arguments).run();
    server.succeed("remember", json!({ "key": "a", "value": "before" }));
    assert_eq!(ask(&["backup", copy]).0, Ended::Exited(0));
    server.succeed("remember", json!({ "key": "a", "value": "after" }));

    let (ended, _, errors) = ask(&["restore", copy]);
    assert_eq!(ended, Ended::Exited(1));
    assert!(errors.contains("busy"), "{errors}");
    server.process.signal(Signal::KILL);
    server.process.ended_within(Duration::from_secs(5));
    // The killed server left a log, which the restore takes up first.
    assert_eq!(ask(&["restore", copy]).0, Ended::Exited(0));
    let mut next = Setup::memory_at(&directory).stdio(Era::Modern);
    assert_eq!(
        next.succeed("recall", json!({ "key": "a" }))["value"],
        "before"
    );
    drop(next);

    let (ended, said, _) = ask(&["doctor"]);
    assert_eq!(ended, Ended::Exited(0));
    assert!(
        said.contains("1 entries") && said.contains("sound"),
        "{said}"
    );
}

#[test]
fn the_reference_is_data_and_opens_nothing_of_the_user() {
    let setup = Setup::memory();
    let memory = setup.stage.path("home/memory");
    let (ended, printed, _) = setup.arguments(&["reference"]).run();
    assert_eq!(ended, Ended::Exited(0));
    let reference: Value = serde_json::from_str(&printed).unwrap();
    assert!(reference["tools"].as_array().unwrap().len() > 10);
    assert!(!memory.exists());
}

#[test]
fn numbers_are_served_on_a_port_of_their_own() {
    let mut server = Setup::memory().http();
    server.succeed("remember", json!({ "key": "a", "value": "v" }));
    let page = server.get_ops("/metrics").text();
    assert!(
        page.contains(r#"gen_ai_tool_name="remember""#),
        "{page:.2000}"
    );
    let numbers = server.succeed("get_metrics", json!({}));
    assert_eq!(numbers["tools"]["remember"]["calls"], 1);
}
