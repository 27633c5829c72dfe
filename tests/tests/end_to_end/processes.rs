//! Ending processes, and the machine as it is shown.

use mcp_tests::{Era, Peer, Setup, mark};
use serde_json::json;

use crate::samples::Victim;

#[test]
fn processes_that_hold_the_server_up_are_not_ended() {
    let mut server = Setup::default().stdio(Era::Modern);
    let server_pid = server.process.pid();
    let test_pid = std::process::id();
    for (who, pid) in [
        ("init", 1),
        ("everyone", 0),
        ("server", server_pid),
        ("parent", test_pid),
    ] {
        for force in [false, true] {
            let refusal = server.refused("kill_process", json!({ "pid": pid, "force": force }));
            assert_eq!(refusal["code"], "process_denied", "{who}: {refusal}");
        }
    }
    server.assert_alive();
}

#[test]
fn processes_of_other_users_are_not_ended() {
    let mut server = Setup::default().stdio(Era::Modern);
    let root_runs_the_tests = rustix::process::geteuid().is_root();
    let mut stranger = std::process::Command::new("sleep");
    let stranger = Victim::start(stranger.arg("600"));
    let reply = server.call("kill_process", json!({ "pid": stranger.pid() }));
    // Without root, there is no other user to start a process as: it is the server's own.
    assert_eq!(reply.is_error(), root_runs_the_tests, "{}", reply.text());
}

#[test]
fn a_process_of_the_servers_user_is_ended_by_the_signal_that_was_asked_for() {
    let setup = Setup::default();
    let polite = Victim::on(&setup.stage);
    let script = "trap '' TERM; while :; do sleep 0.05; done";
    let stubborn = Victim::start(setup.stage.command("sh").args(["-c", script]));
    let mut server = setup.stdio(Era::Modern);
    let mut kill = |victim: &Victim, force: bool| {
        let arguments = json!({ "pid": victim.pid(), "force": force });
        let reply = server.succeed("kill_process", arguments);
        (reply["method"].clone(), reply["exited"].clone())
    };
    assert_eq!(kill(&polite, false), (json!("SIGTERM"), json!(true)));
    assert_eq!(kill(&stubborn, true), (json!("SIGKILL"), json!(true)));
}

#[test]
fn processes_are_found_by_name_and_sorted_before_they_are_cut() {
    let setup = Setup::default();
    let victim = Victim::start(setup.stage.command("sleep").arg(mark()));
    let mut server = setup.stdio(Era::Modern);
    let found = server.succeed("list_processes", json!({ "filter_name": "SLEEP" }));
    let pids: Vec<_> = found["processes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["pid"])
        .collect();
    assert!(pids.contains(&&json!(victim.pid())), "{found}");
    let all = server.succeed("list_processes", json!({ "sort_by": "pid" }));
    let first = server.succeed("list_processes", json!({ "sort_by": "pid", "limit": 1 }));
    assert_eq!(first["processes"][0]["pid"], all["processes"][0]["pid"]);
    assert_eq!(
        (&first["count"], &first["limited"]),
        (&json!(1), &json!(true))
    );
}

#[test]
fn an_ended_process_leaves_the_list_at_once() {
    let setup = Setup::default();
    let victim = Victim::on(&setup.stage);
    let mut server = setup.stdio(Era::Modern);
    let is_listed = |list: serde_json::Value| {
        let processes = list["processes"].as_array().unwrap().clone();
        processes
            .iter()
            .any(|it| it["pid"] == victim.pid() && it["status"] != "zombie")
    };
    let query = json!({ "filter_name": "sleep" });
    assert!(is_listed(server.succeed("list_processes", query.clone())));
    server.succeed("kill_process", json!({ "pid": victim.pid() }));
    assert!(!is_listed(server.succeed("list_processes", query)));
}
