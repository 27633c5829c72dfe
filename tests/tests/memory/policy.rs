//! The rate changes while the server runs; other sections are named.

use mcp_tests::{Era, Peer, Setup, Signal, until};
use serde_json::json;

/// The check of the policy in `health_check`: its status and its detail.
fn policy(server: &mut impl Peer) -> (String, String) {
    let health = server.succeed("health_check", json!({}));
    let checks = health["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == "policy");
    let part = |name: &str| check.unwrap()[name].as_str().unwrap().to_owned();
    (part("status"), part("detail"))
}

#[test]
fn a_changed_file_is_taken_over_or_named() {
    let setup = Setup::memory().configuration("# empty\n");
    let mut server = setup.stdio(Era::Modern);
    let before = policy(&mut server);
    assert_eq!(before.0, "ok");

    server
        .stage
        .file("config.toml", "[store]\npatience = '1s'\n");
    until("the section to be named", || {
        policy(&mut server).1.ends_with("needs a restart: store")
    });
    server.stage.file("config.toml", "[rte]\n");
    until("the refusal", || {
        policy(&mut server).1.contains("cannot be used")
    });
    server.stage.file("config.toml", "# empty\n");
    until("all to be as before", || policy(&mut server) == before);
}

#[test]
fn a_hangup_does_not_end_it() {
    let mut server = Setup::memory().stdio(Era::Modern);
    server.assert_alive();
    server.process.signal(Signal::HUP);
    server.assert_alive();
}
