//! Commands that reach the network through the proxy.

use mcp_tests::{Era, Peer, Reply, Setup, Website, until};
use serde_json::{Value, json};

fn proxied() -> Setup {
    Setup::unlimited().variable("OMNIPOTENT_SANDBOX__NETWORK", "proxy")
}

/// Asks the proxy also for what the command would reach by itself.
const CURL: &str = "curl -sS -m 5 -x \"$https_proxy\" --noproxy ''";

#[track_caller]
fn run(server: &mut impl Peer, command: &str) -> Value {
    server.succeed("execute_command", json!({ "command": command }))
}

#[test]
fn what_egress_allows_is_fetched_and_measured() {
    let site = Website::open(&[("/page", "fetched\n".to_owned())]);
    let url = site.url("/page");
    let mut server = proxied().with_loopback().http();
    let fetch = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read())";
    for (command, printed) in [
        (format!("{CURL} {url}"), "fetched\n"),
        (format!("{CURL} -p {url}"), "fetched\n"),
        (
            format!("no_proxy= NO_PROXY= python3 -c '{fetch}' {url}"),
            "b'fetched\\n'\n",
        ),
    ] {
        let reply = run(&mut server, &command);
        assert_eq!(reply["stdout"], printed, "{command}: {reply}");
        assert_eq!(reply["hint"], Value::Null, "{reply}");
        let layers = reply["sandbox"]["layers"].as_array().unwrap();
        assert!(layers.contains(&json!("network-proxy")), "{reply}");
    }
    let metrics = server.get_ops("/metrics").text();
    let told = metrics
        .lines()
        .find(|line| line.starts_with("mcp_egress_request_duration_seconds_count"));
    assert!(
        told.is_some_and(|line| line.contains("\"ok\"") && line.ends_with(" 3")),
        "{told:?}"
    );
}

#[test]
fn the_machine_is_reached_neither_by_the_proxy_nor_around_it() {
    let site = Website::open(&[("/", "secret".to_owned())]);
    let url = site.url("/");
    let mut server = proxied().http();
    let metrics = format!("http://{}/metrics", server.ops);
    for target in [&url, &metrics] {
        let reply = run(&mut server, &format!("{CURL} -f {target}"));
        assert_eq!(reply["returncode"], 22, "{reply}");
        let hint = reply["hint"].as_str().unwrap();
        let part = "127.0.0.1 is not a public address (loopback";
        assert!(hint.contains(part), "{reply}");
        assert!(hint.contains("(egress.allow_networks)"), "{reply}");

        let reply = run(
            &mut server,
            &format!("{CURL} -o /dev/null -w '%{{http_code}}' {target}"),
        );
        assert_eq!(reply["stdout"], "403", "{reply}");
        // curl(1): could not connect.
        let direct = format!("curl -sS -m 5 --noproxy '*' {target}");
        assert_eq!(run(&mut server, &direct)["returncode"], 7);
    }
}

#[test]
fn each_host_that_was_refused_is_named_with_its_setting() {
    let mut server = proxied()
        .configuration("[egress]\nallow_hosts = [\"a.example\"]\ndeny_hosts = [\"b.example\"]\n")
        .stdio(Era::Modern);
    let reply = run(
        &mut server,
        "for host in b.example c.example c.example; do curl -sS https://$host/; done",
    );
    assert_eq!(
        reply["hint"],
        "the network proxy refused: b.example: denied by the pattern b.example \
         (egress.deny_hosts); c.example: not on the list of allowed hosts (egress.allow_hosts). \
         Only the operator can change that"
    );
}

#[test]
fn without_a_network_the_setting_is_named() {
    let reply = run(
        &mut Setup::default().stdio(Era::Modern),
        "curl -sS https://example.com/",
    );
    let hint = reply["hint"].as_str().unwrap();
    assert!(hint.contains("sandbox.network = \"proxy\""), "{reply}");
}

/// Shells start programs with 1024 descriptors and let them have more.
#[test]
fn all_the_connections_that_a_command_may_have_leave_the_server_descriptors() {
    let site = Website::open(&[("/", "x".to_owned())]);
    let address = site.url("");
    let address = address.trim_start_matches("http://");
    let mut server = proxied()
        .with_loopback()
        .launched_by(&["prlimit", "--nofile=100:4096"])
        .stdio(Era::Modern);
    let holder = format!(
        "import os, socket, time\n\
         host, port = os.environ['http_proxy'].removeprefix('http://').split(':')\n\
         held = []\n\
         for number in range(64):\n \
         held.append(socket.create_connection((host, port), 5))\n \
         held[-1].sendall(b'CONNECT {address} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')\n \
         assert b' 200 ' in held[-1].recv(1000)\n\
         open('held', 'w').close()\n\
         while not os.path.exists('enough'): time.sleep(0.01)\n"
    );
    let arguments = json!({ "command": "python3", "args": ["-c", holder], "shell": false });
    let holding = server.send_call("execute_command", &arguments);
    let held = server.stage.path("root/held");
    until("the tunnels", || held.exists());
    assert_eq!(
        run(&mut server, "echo still-here")["stdout"],
        "still-here\n"
    );
    server.stage.file("root/enough", "");
    let reply = Reply::new(server.answer(holding)).content();
    assert_eq!(reply["returncode"], 0, "{reply}");
}
