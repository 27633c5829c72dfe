//! What the operator sees: probes, and numbers that agree wherever they are asked for.

use std::collections::BTreeMap;

use mcp_tests::{Ended, Era, Peer, Setup};
use serde_json::json;

#[test]
fn probes_and_scrapers_are_answered() {
    let server = Setup::default().http();
    for (path, expected) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        let answer = server.get_ops(path);
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, expected),
            "{path}"
        );
    }
    let metrics = server.get_ops("/metrics");
    assert_eq!(metrics.status, 200);
    assert!(
        metrics
            .header("content-type")
            .unwrap()
            .starts_with("text/plain; version=0.0.4")
    );
    assert!(
        metrics.text().contains("mcp_build_info{version="),
        "{}",
        metrics.text()
    );
    assert_eq!(server.get_ops("/mcp").status, 404);
}

#[test]
fn a_foreign_page_cannot_read_the_numbers() {
    let setup = Setup::default().variable("OMNIPOTENT_OPS__ALLOWED_HOSTS", "scraped.example");
    let server = setup.http();
    let ask = |fields: &str| server.get_ops_with("/metrics", fields).status;
    for (fields, expected) in [
        ("", 200),
        ("Host: localhost:9931", 200),
        ("Host: 10.0.0.7:9931", 200),
        ("Host: scraped.example:9931", 200),
        ("Host: evil.example:9931", 403),
        ("Host: localhost\nHost: localhost", 400),
    ] {
        assert_eq!(ask(fields), expected, "{fields}");
    }
}

#[test]
fn a_fresh_page_shows_every_counter_whose_labels_are_known() {
    let page = Setup::default().http().get_ops("/metrics").text();
    for line in [
        "mcp_admissions_total{decision=\"rate_limited\"} 0",
        "mcp_security_blocks_total{reason=\"path_denied\"} 0",
        "mcp_egress_received_bytes_total 0",
        "mcp_egress_open_breakers 0",
        "mcp_calls_in_flight 0",
    ] {
        assert!(page.lines().any(|shown| shown == line), "{line} in {page}");
    }
}

#[test]
fn get_metrics_tells_the_same_numbers_as_the_metrics_page() {
    let mut server = Setup::default().http();
    for _ in 0..3 {
        server.succeed("analyze_text", json!({ "text": "count me" }));
    }
    server.refused("read_file_secure", json!({ "path": "/etc/shadow" }));
    server.refused("execute_command", json!({ "command": "rm -rf /" }));
    let told = server.succeed("get_metrics", json!({}));
    let page = server.get_ops("/metrics").text();
    let numbers = |tool: &str| {
        let told = &told["tools"][tool];
        [
            told["calls"].as_u64().unwrap(),
            told["errors"].as_u64().unwrap(),
        ]
    };
    let shown = shown_calls(&page);
    for (tool, expected) in [
        ("analyze_text", [3, 0]),
        ("read_file_secure", [1, 1]),
        ("execute_command", [1, 1]),
    ] {
        assert_eq!(numbers(tool), expected, "{tool}");
        assert_eq!(shown[tool], expected, "{tool} on the page");
    }
    let blocks = json!({ "command_denied": 1, "path_denied": 1 });
    assert_eq!(
        (&told["security_blocks"], &told["total_blocks"]),
        (&blocks, &json!(2))
    );
    // The five calls before and get_metrics itself.
    assert_eq!(told["rate_limit"], json!({ "admitted": 6 }));
}

/// Calls and errors by tool on a metrics page.
fn shown_calls(page: &str) -> BTreeMap<String, [u64; 2]> {
    let mut tools = BTreeMap::<String, [u64; 2]>::new();
    let counts = page
        .lines()
        .filter_map(|line| line.strip_prefix("mcp_server_operation_duration_seconds_count{"));
    for line in counts {
        let (labels, count) = line.split_once("} ").unwrap();
        let label = |name: &str| {
            let (_, value) = labels.split_once(&format!("{name}=\"")).unwrap();
            value.split('"').next().unwrap().to_owned()
        };
        let count: u64 = count.parse().unwrap();
        let entry = tools.entry(label("gen_ai_tool_name")).or_default();
        entry[0] += count;
        if !label("error_type").is_empty() {
            entry[1] += count;
        }
    }
    tools
}

#[test]
fn unknown_tools_leave_no_trace_of_their_name() {
    let mut server = Setup::default().http();
    let call = json!({ "name": "secret_looking_name", "arguments": {} });
    assert!(server.request("tools/call", call).is_err());
    let page = server.get_ops("/metrics").text();
    assert!(!page.contains("secret_looking_name"));
    assert_eq!(shown_calls(&page).keys().collect::<Vec<_>>(), ["unknown"]);
    assert_eq!(server.succeed("get_metrics", json!({}))["total_blocks"], 0);
}

/// Runs a program in a user namespace in which no further one can be made.
const NO_USER_NAMESPACES: [&str; 6] = [
    "unshare",
    "--user",
    "--map-root-user",
    "/bin/sh",
    "-c",
    "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$0\" \"$@\"",
];

#[test]
fn the_doctor_says_what_this_host_can_enforce() {
    let (ended, output, errors) = Setup::default().arguments(&["doctor", "--json"]).run();
    assert_eq!((ended, errors.as_str()), (Ended::Exited(0), ""), "{output}");
    let found: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(found["in_force"], "strict", "{output}");
    let tiers = found["tiers"].as_array().unwrap();
    assert!(
        tiers.iter().all(|tier| tier["available"] == true),
        "{output}"
    );
    let (_, output, _) = Setup::default().arguments(&["doctor"]).run();
    assert!(output.contains("in force: strict"), "{output}");
}

#[test]
fn the_doctor_names_the_switch_that_is_off_and_commands_are_refused() {
    let without = |arguments: &[&str]| {
        Setup::default()
            .launched_by(&NO_USER_NAMESPACES)
            .arguments(arguments)
    };
    let (ended, output, errors) = without(&["doctor"]).run();
    assert_eq!(ended, Ended::Exited(1), "{output}");
    assert!(output.contains("max_user_namespaces is 0"), "{output}");
    assert!(
        output.contains("sysctl -w user.max_user_namespaces"),
        "{output}"
    );
    assert!(errors.contains("commands are refused"), "{errors}");
    let mut server = without(&[]).stdio(Era::Modern);
    let refusal = server.refused("execute_command", json!({ "command": "true" }));
    assert_eq!(refusal["code"], "unavailable", "{refusal}");
    assert!(
        refusal["hint"].as_str().unwrap().contains("sandbox.waive"),
        "{refusal}"
    );
    assert_eq!(
        server.succeed("health_check", json!({}))["status"],
        "degraded"
    );
    let strict = without(&[]).variable("OMNIPOTENT_SANDBOX__REQUIRE", "strict");
    let refusal = strict
        .stdio(Era::Modern)
        .refused("execute_command", json!({ "command": "true" }));
    assert!(
        refusal["hint"].as_str().unwrap().contains("doctor"),
        "{refusal}"
    );
    let waived = without(&[]).variable("OMNIPOTENT_SANDBOX__WAIVE", "protected_paths,hidden_paths");
    let reply = waived
        .stdio(Era::Modern)
        .succeed("execute_command", json!({ "command": "true" }));
    assert_eq!(reply["sandbox"]["tier"], "landlock", "{reply}");
}
