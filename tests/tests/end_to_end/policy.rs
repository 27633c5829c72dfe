//! The policy changes while the server runs, as a whole or not at all, and no call changes it.

use std::os::unix::fs::symlink;

use mcp_tests::{Era, Http, Peer, Setup, Signal, until};
use serde_json::json;

const NO_TRUE: &str = "[[commands.rules]]\nid = 'no-true'\nreason = 'is not wanted'\n\
                       when = [{ program = ['true'] }]\n";

/// The check of the policy in `health_check`: its status and its detail.
fn policy(server: &mut impl Peer) -> (String, String) {
    let health = server.succeed("health_check", json!({}));
    let checks = health["checks"].as_array().unwrap();
    let check = checks
        .iter()
        .find(|check| check["name"] == "policy")
        .unwrap();
    let part = |name: &str| check[name].as_str().unwrap().to_owned();
    (part("status"), part("detail"))
}

fn runs(server: &mut impl Peer) -> bool {
    !server
        .call("execute_command", json!({ "command": "true" }))
        .is_error()
}

/// Whether a file of the configuration is as it was after a command, which must fail, and a write.
#[track_caller]
fn assert_kept(server: &mut impl Peer, script: &str, written: &str) {
    let script = format!("({script}) && echo open || echo held");
    let reply = server.succeed("execute_command", json!({ "command": script }));
    assert_eq!(reply["stdout"], "held\n", "{script}: {reply}");
    let write = json!({ "path": written, "content": "[rate]\nrequests = 1\n" });
    assert_eq!(
        server.refused("write_file_secure", write)["code"],
        "path_denied"
    );
}

#[test]
fn no_call_makes_the_configuration_file_that_is_read_at_the_next_start() {
    let setup = Setup::bare();
    let home = setup.stage.path("home");
    let file = home.join("config/omnipotent-mcp/config.toml");
    let mut server = setup
        .arguments(&["--root", home.to_str().unwrap()])
        .stdio(Era::Modern);
    let name = file.to_str().unwrap();
    let script = format!("mkdir -p $(dirname {name}) && echo '[rate]' > {name}");
    assert_kept(&mut server, &script, name);
    assert_kept(&mut server, "mv config c && mkdir config", name);
    assert!(!file.exists());
}

#[test]
fn no_call_replaces_a_link_to_the_configuration_file() {
    let setup = Setup::bare();
    let root = setup.stage.root();
    let (link, second) = (root.join("link.toml"), root.join("second.toml"));
    let real = setup.stage.file("root/real.toml", "# real\n");
    symlink("second.toml", &link).unwrap();
    symlink(&real, &second).unwrap();
    let mut server = setup
        .arguments(&[
            "--root",
            root.to_str().unwrap(),
            "--config",
            link.to_str().unwrap(),
        ])
        .stdio(Era::Modern);
    for name in ["link.toml", "second.toml", "real.toml"] {
        for script in [
            format!("rm {name}"),
            format!("mv {name} y"),
            format!("echo x > y; mv -T y {name} || ! rm y"),
            format!("echo x >> {name}"),
        ] {
            assert_kept(&mut server, &script, name);
        }
    }
    assert_eq!(std::fs::read_to_string(&link).unwrap(), "# real\n");
}

#[test]
fn a_tier_that_is_lost_or_gained_is_in_the_log() {
    let mut server = Setup::unlimited()
        .configuration("# empty\n")
        .stdio(Era::Modern);
    until("the first tier", || {
        server.process.errors().contains("strict")
    });
    let weaker = "[sandbox]\nprefer = 'landlock'\nwaive = ['protected_paths', 'hidden_paths']\n";
    server.stage.file("config.toml", weaker);
    until("the loss", || {
        server
            .process
            .errors()
            .contains("the sandbox is weaker now")
    });
    server.stage.file("config.toml", "# empty\n");
    until("the gain", || {
        server
            .process
            .errors()
            .contains("the sandbox is stronger now")
    });
    assert!(runs(&mut server));
}

fn shows(server: &Http, line: &str) -> bool {
    server
        .get_ops("/metrics")
        .text()
        .lines()
        .any(|shown| shown == line)
}

#[test]
fn a_changed_file_changes_the_policy_without_a_restart() {
    let mut server = Setup::unlimited()
        .configuration("# empty\n")
        .stdio(Era::Modern);
    let before = policy(&mut server);
    assert!(runs(&mut server));

    server.stage.file("config.toml", NO_TRUE);
    until("the rule to hold", || !runs(&mut server));
    assert_ne!(policy(&mut server), before);

    let other = server.stage.file("other.toml", "# still empty\n");
    std::fs::rename(other, server.stage.path("config.toml")).unwrap();
    until("the rule to be gone", || runs(&mut server));
    assert_eq!(policy(&mut server), before);
}

#[test]
fn a_file_that_cannot_be_used_leaves_the_policy_in_force() {
    let mut server = Setup::unlimited().configuration(NO_TRUE).http();
    let (_, version) = policy(&mut server);
    for bad in [
        "",
        "[commands\n",
        "[comands]\n",
        "[commands]\ndefault = 'maybe'\n",
        "[commands]\ndisabled_rules = ['none']\n",
        "[egress]\nextra_ca_file = '/no/such/file'\n",
        "[[commands.rules]]\nid = 'x'\nreason = 'x'\nwhen = [{ program = ['a'] }]\nmust_deny = ['b']\n",
    ] {
        server.stage.file("config.toml", bad);
        until(bad, || policy(&mut server).0 == "warning");
        let (_, detail) = policy(&mut server);
        assert!(
            detail.starts_with(&version) && detail.contains("cannot be used"),
            "{detail}"
        );
        assert!(!runs(&mut server), "{bad}");
        assert!(shows(&server, "mcp_policy_stale 1"));

        server
            .stage
            .file("config.toml", format!("{NO_TRUE}# mended after {bad:?}\n"));
        until("the file to be mended", || policy(&mut server).0 == "ok");
        assert!(shows(&server, "mcp_policy_stale 0"));
    }
    assert_eq!(policy(&mut server).1, version);
    assert!(shows(
        &server,
        "mcp_policy_reloads_total{outcome=\"applied\"} 0"
    ));
}

#[test]
fn a_default_file_that_is_gone_leaves_the_policy_in_force() {
    let file = "home/config/omnipotent-mcp/config.toml";
    let setup = Setup::unlimited();
    setup.stage.directory("home/config/omnipotent-mcp");
    setup.stage.file(file, NO_TRUE);
    let mut server = setup.stdio(Era::Modern);
    assert!(!runs(&mut server));
    std::fs::remove_file(server.stage.path(file)).unwrap();
    server.process.signal(Signal::HUP);
    until("the refusal", || policy(&mut server).0 == "warning");
    assert!(!runs(&mut server));
}

#[test]
fn a_hangup_has_the_configuration_read_again() {
    let server = Setup::default().configuration("# empty\n").http();
    server.process.signal(Signal::HUP);
    until("the reload", || {
        shows(&server, "mcp_policy_reloads_total{outcome=\"applied\"} 1")
    });
    let mut server = Setup::default().stdio(Era::Modern);
    server.assert_alive();
    server.process.signal(Signal::HUP);
    server.assert_alive();
}

#[test]
fn what_cannot_change_while_it_runs_is_named() {
    let mut server = Setup::unlimited()
        .configuration("# empty\n")
        .stdio(Era::Modern);
    assert!(runs(&mut server));
    server.stage.file(
        "config.toml",
        format!("{NO_TRUE}[calls]\nmax_in_flight = 7\n"),
    );
    until("the rule to hold", || !runs(&mut server));
    let (status, detail) = policy(&mut server);
    assert_eq!(status, "warning");
    assert!(detail.ends_with("needs a restart: calls"), "{detail}");
}

#[test]
fn the_printed_configuration_says_which_policy_it_makes() {
    let setup = Setup::default().configuration("# empty\n");
    let (_, output, _) = setup.arguments(&["--print-config"]).run();
    let version = output.lines().next().unwrap().strip_prefix("# policy ");
    assert_eq!(version.map(str::len), Some(12), "{output}");
}

#[test]
fn no_tool_reaches_the_files_of_the_server_even_in_a_root() {
    let setup = Setup::unlimited();
    let config = setup.stage.file("root/server.toml", "# mine\n");
    let root = setup.stage.root();
    symlink("server.toml", root.join("link")).unwrap();
    std::fs::hard_link(&config, root.join("other")).unwrap();
    let arguments = ["--config", config.to_str().unwrap()];
    let mut server = setup.arguments(&arguments).stdio(Era::Modern);
    for name in [
        "server.toml",
        "SERVER.TOML",
        "./x/../server.toml",
        "link",
        "other",
        "server.toml~",
        ".server.toml.swp",
        "#server.toml#",
    ] {
        let read = server.refused("read_file_secure", json!({ "path": name }));
        assert_eq!(read["code"], "path_denied", "{name}");
        for mode in ["overwrite", "append", "create_new"] {
            let file = json!({ "path": name, "content": "x", "mode": mode });
            let written = server.refused("write_file_secure", file);
            assert_eq!(written["code"], "path_denied", "{name} {mode}");
        }
    }
    assert_eq!(std::fs::read_to_string(config).unwrap(), "# mine\n");
}
