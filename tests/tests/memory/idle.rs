//! A server with nothing to do does nothing, and one with something to do ends when it is told.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::thread;
use std::time::Duration;

use mcp_tests::{Ended, Era, Peer, Setup, Signal, Stdio, until};
use serde_json::{Value, json};

/// Longer than the server is quiet after its start (2 s) and a thread waits for more work.
const SETTLED: Duration = Duration::from_millis(3500);
const WATCHED: Duration = Duration::from_secs(4);

/// How often the threads of a process have gone to sleep, and so been woken (proc(5)).
fn wakeups(pid: u32) -> u64 {
    let status = |thread: &Path| fs::read_to_string(thread.join("status")).unwrap_or_default();
    let of_thread = |thread: &Path| {
        let status = status(thread);
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.map_or(0, |count| count.trim().parse::<u64>().unwrap())
    };
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    threads
        .map(|thread| of_thread(&thread.unwrap().path()))
        .sum()
}

#[test]
fn an_idle_server_is_not_woken() {
    let mut servers: Vec<Stdio> = vec![Setup::memory().stdio(Era::Modern)];
    let memory = servers[0].stage.path("home/memory");
    servers.push(Setup::memory_at(&memory).stdio(Era::Modern));
    for server in &mut servers {
        server.succeed("remember", json!({ "key": "a", "value": "v" }));
        server.succeed("search_knowledge", json!({ "query": "v" }));
    }
    thread::sleep(SETTLED);
    let count = || {
        servers
            .iter()
            .map(|server| wakeups(server.process.pid()))
            .collect::<Vec<_>>()
    };
    let before = count();
    thread::sleep(WATCHED);
    for (after, before) in count().iter().zip(&before) {
        // More than one a minute would show as more than one here by and by, and a poll at once.
        assert!(
            after - before <= 1,
            "{} wake-ups in {WATCHED:?}",
            after - before
        );
    }
}

/// A server that has something to do ends within this.
const AT_ONCE: Duration = Duration::from_millis(500);

#[test]
fn a_server_that_sweeps_ends_with_its_input() {
    let mut writer = Setup::memory().stdio(Era::Modern);
    for batch in 0..10 {
        let entry =
            |n| json!({ "key": format!("{batch}-{n}"), "value": "lorem ipsum", "ttl_seconds": 1 });
        let items: Vec<Value> = (0..1000).map(entry).collect();
        writer.succeed("batch_remember", json!({ "items": items }));
    }
    let memory = writer.stage.path("home/memory");
    writer.process.signal(Signal::KILL);
    writer.process.ended_within(AT_ONCE);
    thread::sleep(Duration::from_secs(1));

    let mut server = Setup::memory_at(&memory).stdio(Era::Modern);
    until("the first to be swept", || {
        let history = server.succeed("memory_history", json!({ "key": "0-0" }));
        history["count"] == 2
    });
    server.close_input();
    assert_eq!(server.process.ended_within(AT_ONCE), Ended::Exited(0));
}

#[test]
fn a_server_that_waits_for_vectors_ends_with_its_input() {
    // Connections are taken by the kernel, and nobody answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let endpoint = format!("{{ url = \"http://{address}/v1/\", model = \"m\", dimension = 8 }}");
    let mut server = Setup::memory()
        .variable("A2A_EMBEDDING__ENDPOINT", &endpoint)
        .variable("A2A_EGRESS__ALLOW_NETWORKS", "[\"127.0.0.0/8\"]")
        .stdio(Era::Modern);
    server.succeed("remember", json!({ "key": "a", "value": "v" }));
    let (mut connection, _) = silent.accept().unwrap();
    let mut first = [0; 4];
    connection.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"POST");
    server.close_input();
    assert_eq!(server.process.ended_within(AT_ONCE), Ended::Exited(0));
}
