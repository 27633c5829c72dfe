//! Traces as a collector receives them. The servers are built with the feature `otlp`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use mcp_tests::{Collector, Ended, Era, Http, PATIENCE, Peer, Setup, Stdio, Website, texts, until};
use serde_json::{Value, json};

/// In every argument of these tests, and in nothing that may be sent.
const MARK: &str = "zq7marked";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
/// With the grace of 200 ms, a server whose collector is dead ends within this.
const ENDS: Duration = Duration::from_millis(800);
/// What the last spans may take at most, however long the grace is.
const FLUSH: Duration = Duration::from_secs(1);

/// A span by the names of what it is and of what it is part of.
struct Seen {
    parent: String,
    trace: String,
    state: String,
    kind: i32,
    status: i32,
    attributes: BTreeMap<String, String>,
}

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{PARENT}-{flags}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// The spans by name; none of these tests makes two of one name but turns of the store.
fn seen(collector: &Collector, last: &str) -> BTreeMap<String, Seen> {
    let spans = collector.spans_with(last);
    let names: BTreeMap<&[u8], &str> = spans
        .iter()
        .map(|span| (&*span.span_id, &*span.name))
        .collect();
    let one = |span: &_| {
        let span: &opentelemetry_proto::tonic::trace::v1::Span = span;
        let known = names.get(&*span.parent_span_id);
        let parent = known.map_or_else(|| hex(&span.parent_span_id), |name| (*name).to_owned());
        let seen = Seen {
            parent,
            trace: hex(&span.trace_id),
            state: span.trace_state.clone(),
            kind: span.kind,
            status: span.status.as_ref().map_or(0, |status| status.code),
            attributes: texts(&span.attributes),
        };
        assert!(
            span.end_time_unix_nano >= span.start_time_unix_nano,
            "{span:?}"
        );
        (span.name.clone(), seen)
    };
    spans.iter().map(one).collect()
}

/// Nothing that a caller wrote is anywhere in what was sent.
#[track_caller]
fn assert_unmarked(collector: &Collector) {
    assert_unsent(collector, MARK);
}

#[track_caller]
fn assert_unsent(collector: &Collector, text: &str) {
    let bytes = collector.bytes();
    let mut parts = bytes.windows(text.len());
    let found = parts.any(|part| part == text.as_bytes());
    assert!(!found, "{text}: {:?}", collector.spans());
}

fn attributes(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

fn call(tool: &str, arguments: &Value, meta: &Value) -> Value {
    json!({ "name": tool, "arguments": arguments, "_meta": meta })
}

#[test]
fn a_call_belongs_to_its_callers_trace_and_its_stages_to_it() {
    for era in [Era::Legacy, Era::Modern] {
        let collector = Collector::open();
        let mut server = Setup::default().traced_to(&collector.url()).stdio(era);
        server.stage.file(&format!("root/{MARK}.txt"), MARK);
        let meta = json!({ "traceparent": traceparent("01"), "tracestate": "rojo=1" });
        let arguments = json!({ "path": format!("{MARK}.txt") });
        let asked = call("read_file_secure", &arguments, &meta);
        server
            .request("tools/call", asked)
            .expect("a page of the file");
        let spans = seen(&collector, "tools/call read_file_secure");
        let request = &spans["tools/call read_file_secure"];
        assert_eq!((&*request.trace, &*request.parent), (TRACE, PARENT));
        assert_eq!(
            (&*request.state, request.kind, request.status),
            ("rojo=1", 2, 0)
        );
        let version = match era {
            Era::Legacy => "2025-11-25",
            Era::Modern => "2026-07-28",
        };
        let mut told = request.attributes.clone();
        let id = told
            .remove("jsonrpc.request.id")
            .expect("the id of the request");
        assert!(id.parse::<u64>().is_ok(), "{id}");
        let expect = [
            ("gen_ai.operation.name", "execute_tool"),
            ("gen_ai.tool.name", "read_file_secure"),
            ("mcp.method.name", "tools/call"),
            ("mcp.protocol.version", version),
            ("network.transport", "pipe"),
        ];
        assert_eq!(told, attributes(&expect), "{era:?}");
        for stage in [
            "admit", "find", "reserve", "vet", "run", "sanitise", "record",
        ] {
            let span = &spans[stage];
            let place = (&*span.trace, &*span.parent, span.attributes.len());
            assert_eq!(place, (TRACE, "tools/call read_file_secure", 0), "{stage}");
        }
        let resource = collector.resource();
        assert_eq!(resource["service.name"], "omnipotent-mcp");
        assert_eq!(resource["service.instance.id"].len(), 32);
        assert_unmarked(&collector);
    }
}

#[test]
fn an_outgoing_request_is_told_without_its_url_and_with_its_host_only_on_demand() {
    let site = Website::open(&[("/", MARK.to_owned())]);
    for hosts in [false, true] {
        let collector = Collector::open();
        let mut server = Setup::default()
            .with_loopback()
            .traced_to(&collector.url())
            .variable("OMNIPOTENT_TRACING__HOSTS", &hosts.to_string())
            .stdio(Era::Modern);
        let url = site.url(&format!("/{MARK}?{MARK}={MARK}"));
        let arguments = json!({ "url": url, "headers": { "x-mark": MARK } });
        let answer = server.succeed("http_request_secure", arguments);
        assert_eq!(answer["status_code"], 404);
        let spans = seen(&collector, "tools/call http_request_secure");
        let request = &spans["GET"];
        assert_eq!(
            (&*request.parent, request.kind, request.status),
            ("run", 3, 2)
        );
        let mut expect = attributes(&[
            ("error.type", "404"),
            ("http.request.method", "GET"),
            ("http.response.status_code", "int 404"),
            ("url.scheme", "http"),
        ]);
        if hosts {
            let (host, port) = site.host_and_port();
            expect.insert("server.address".to_owned(), host);
            expect.insert("server.port".to_owned(), format!("int {port}"));
        }
        assert_eq!(request.attributes, expect);
        assert_unmarked(&collector);
    }
}

#[test]
fn turns_of_the_store_are_told_without_their_statements() {
    let collector = Collector::open();
    let mut server = Setup::memory()
        .traced_to(&collector.url())
        .stdio(Era::Modern);
    let entry = json!({ "key": format!("{MARK} key"), "value": MARK, "category": MARK });
    server.succeed("remember", entry);
    let spans = seen(&collector, "tools/call remember");
    let expect = |operation| {
        attributes(&[
            ("db.system.name", "sqlite"),
            ("db.operation.name", operation),
        ])
    };
    assert_eq!(spans["COMMIT"].parent, "run");
    assert_eq!(spans["COMMIT"].attributes, expect("COMMIT"));
    server.succeed(
        "recall",
        json!({ "key": format!("{MARK} key"), "category": MARK }),
    );
    server.succeed("search_knowledge", json!({ "query": MARK }));
    let spans = seen(&collector, "tools/call search_knowledge");
    assert_eq!(spans["SELECT"].attributes, expect("SELECT"));
    let read = server.request("resources/list", json!({})).expect("a list");
    assert!(read.to_string().contains(MARK));
    let spans = seen(&collector, "resources/list");
    assert_eq!(
        spans["resources/list"].attributes["mcp.method.name"],
        "resources/list"
    );
    assert_unmarked(&collector);
}

#[test]
fn a_refusal_and_an_unknown_tool_are_errors_by_our_names() {
    let collector = Collector::open();
    let mut server = Setup::default()
        .traced_to(&collector.url())
        .stdio(Era::Modern);
    server.refused(
        "read_file_secure",
        json!({ "path": format!("/etc/{MARK}") }),
    );
    let spans = seen(&collector, "tools/call read_file_secure");
    let request = &spans["tools/call read_file_secure"];
    assert_eq!(
        (&*request.attributes["error.type"], request.status),
        ("path_denied", 2)
    );
    let unknown = server.request("tools/call", call(MARK, &json!({}), &json!({})));
    assert_eq!(unknown.unwrap_err().code, -32602);
    let spans = seen(&collector, "tools/call");
    let told = &spans["tools/call"].attributes;
    assert_eq!(told["error.type"], "unknown_tool");
    assert_eq!(told["rpc.response.status_code"], "-32602");
    assert_eq!(told.get("gen_ai.tool.name"), None);
    assert_unmarked(&collector);
}

#[test]
fn what_is_read_and_completed_is_told_without_what_was_asked() {
    let collector = Collector::open();
    let mut server = Setup::memory()
        .traced_to(&collector.url())
        .stdio(Era::Modern);
    let entry = json!({ "key": MARK, "value": MARK, "category": MARK });
    server.succeed("remember", entry);
    let listed = server.request("resources/list", json!({})).expect("a list");
    let uri = &listed["resources"][0]["uri"];
    assert!(uri.to_string().contains(MARK), "{listed}");
    let prompt = |name: &str| json!({ "name": name, "arguments": { "topic": MARK } });
    let complete =
        |of: Value| json!({ "ref": of, "argument": { "name": "category", "value": MARK } });
    let of_prompt = json!({ "type": "ref/prompt", "name": "summarise_category" });
    let of_template = json!({ "type": "ref/resource", "uri": MARK });
    for (span, method, params, is_answered) in [
        (
            "resources/read",
            "resources/read",
            json!({ "uri": uri }),
            true,
        ),
        (
            "resources/read",
            "resources/read",
            json!({ "uri": format!("{MARK}://x") }),
            false,
        ),
        (
            "prompts/get recall_topic",
            "prompts/get",
            prompt("recall_topic"),
            true,
        ),
        ("prompts/get", "prompts/get", prompt(MARK), false),
        (
            "completion/complete",
            "completion/complete",
            complete(of_prompt),
            true,
        ),
        (
            "completion/complete",
            "completion/complete",
            complete(of_template),
            false,
        ),
    ] {
        let answer = server.request(method, params);
        assert_eq!(answer.is_ok(), is_answered, "{answer:?}");
        seen(&collector, span);
    }
    server.close_input();
    assert_eq!(server.process.ended_within(PATIENCE), Ended::Exited(0));
    assert_unmarked(&collector);
}

#[test]
fn ids_that_a_caller_chose_are_not_told() {
    const SESSION: &str = "3f2a9c1e-77b0-4d5e-8a66-0c1d2e3f4a5b";
    let collector = Collector::open();
    let mut server = Setup::default().traced_to(&collector.url()).http();
    let asked = call("health_check", &json!({}), &json!({}));
    let (head, body) = server.post("tools/call", asked);
    let mut message: Value = serde_json::from_slice(&body).unwrap();
    message["id"] = MARK.into();
    let head = head + &server.authorization() + &format!("mcp-session-id: {SESSION}\n");
    let answer = server.exchange(&head, message.to_string().as_bytes());
    assert!(answer.text().contains(MARK), "{}", answer.text());
    let spans = seen(&collector, "tools/call health_check");
    let told = &spans["tools/call health_check"].attributes;
    assert_eq!(told.get("jsonrpc.request.id"), None);
    assert_unmarked(&collector);
    assert_unsent(&collector, SESSION);
}

/// A call over HTTP with this `traceparent` field; `meta` goes into its message.
fn call_with_field(server: &mut Http, parent: &str, meta: &Value) {
    let asked = call("health_check", &json!({}), meta);
    let (head, body) = server.post("tools/call", asked);
    let head = head + &server.authorization() + &format!("traceparent: {parent}\n");
    let answer = server.exchange(&head, &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn over_http_the_message_says_more_of_its_trace_than_the_head() {
    let other = TRACE.replace('4', "5");
    for (meta, expect) in [
        (json!({}), TRACE),
        (
            json!({ "traceparent": traceparent("01").replace('4', "5") }),
            &*other,
        ),
    ] {
        let collector = Collector::open();
        let mut server = Setup::default().traced_to(&collector.url()).http();
        call_with_field(&mut server, &traceparent("01"), &meta);
        let spans = seen(&collector, "tools/call health_check");
        let request = &spans["tools/call health_check"];
        assert_eq!(request.trace, expect);
        assert_eq!(request.attributes["network.transport"], "tcp");
    }
}

#[test]
fn the_caller_decides_and_the_ratio_where_it_does_not() {
    let collector = Collector::open();
    let mut server = Setup::default()
        .traced_to(&collector.url())
        .variable("OMNIPOTENT_TRACING__SAMPLE_RATIO", "0")
        .stdio(Era::Modern);
    let mut ask = |tool: &str, meta: &Value| {
        server
            .request("tools/call", call(tool, &json!({}), meta))
            .expect("an answer");
    };
    ask("get_metrics", &json!({}));
    ask("get_metrics", &json!({ "traceparent": traceparent("00") }));
    ask("get_metrics", &json!({ "traceparent": "00-bad" }));
    ask("health_check", &json!({ "traceparent": traceparent("01") }));
    let spans = collector.spans_with("tools/call health_check");
    let requests: Vec<&str> = spans
        .iter()
        .filter(|span| span.kind == 2)
        .map(|span| &*span.name)
        .collect();
    assert_eq!(requests, ["tools/call health_check"]);
}

#[test]
fn what_is_left_is_delivered_when_the_server_ends() {
    let collector = Collector::open();
    let mut server = Setup::default()
        .traced_to(&collector.url())
        .variable("OMNIPOTENT_TRACING__INTERVAL", "1h")
        .stdio(Era::Modern);
    server.assert_alive();
    assert_eq!(collector.spans().len(), 0);
    server.close_input();
    assert_eq!(server.process.ended_within(ENDS), Ended::Exited(0));
    collector.spans_with("tools/call health_check");
}

/// How many spans ended so.
fn counted(server: &Http, outcome: &str) -> u64 {
    let metrics = server.get_ops("/metrics").text();
    let series = format!("mcp_trace_spans_total{{outcome=\"{outcome}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&series));
    line.expect("the series is shown from the start")
        .parse()
        .unwrap()
}

#[test]
fn a_collector_that_never_answers_holds_nothing_up() {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/v1/traces", silent.local_addr().unwrap());
    let mut server = Setup::unlimited()
        .traced_to(&url)
        .variable("OMNIPOTENT_TRACING__MAX_QUEUE", "8")
        .http();
    let start = Instant::now();
    for _ in 0..20 {
        server.assert_alive();
    }
    assert!(start.elapsed() < PATIENCE / 4, "{:?}", start.elapsed());
    until("dropped spans", || counted(&server, "dropped") > 0);
    server.process.signal(mcp_tests::Signal::TERM);
    assert_eq!(server.process.ended_within(ENDS), Ended::Exited(0));
    let said = server.process.last_errors();
    assert!(said.contains("did not take the last spans"), "{said}");
}

#[test]
fn a_long_grace_for_calls_is_none_for_a_collector_that_never_answers() {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/v1/traces", silent.local_addr().unwrap());
    let mut server = Setup::default()
        .traced_to(&url)
        .variable("OMNIPOTENT_TRANSPORT__STOP_GRACE", "1h")
        .variable("OMNIPOTENT_TRACING__TIMEOUT", "1h")
        .stdio(Era::Modern);
    server.assert_alive();
    server.close_input();
    assert_eq!(server.process.ended_within(FLUSH + ENDS), Ended::Exited(0));
}

#[test]
fn a_collector_that_is_not_there_is_reported_once() {
    let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/v1/traces", gone.local_addr().unwrap());
    drop(gone);
    let mut server = Setup::unlimited().traced_to(&url).http();
    server.assert_alive();
    until("failed spans", || counted(&server, "failed") > 0);
    let before = counted(&server, "failed");
    server.assert_alive();
    until("more of them", || counted(&server, "failed") > before);
    let said = server.process.errors();
    let lost = said.matches("they are lost").count();
    assert_eq!(lost, 1, "{said}");
}

/// The line of the log about a refused call, as JSON.
fn refusal_in_log(server: &mut Stdio) -> Value {
    let meta = json!({ "traceparent": traceparent("01") });
    let asked = call("read_file_secure", &json!({ "path": "/etc/passwd" }), &meta);
    server.request("tools/call", asked).expect("a refusal");
    until("a line of the log", || {
        server.process.errors().contains("call refused")
    });
    let log = server.process.errors();
    let line = log.lines().find(|line| line.contains("call refused"));
    serde_json::from_str(line.unwrap()).expect("the log is JSON")
}

#[test]
fn log_lines_name_the_trace_of_their_call() {
    let logging = || {
        Setup::default()
            .variable("OMNIPOTENT_LOG__FORMAT", "json")
            .variable("OMNIPOTENT_LOG__LEVEL", "debug")
    };
    let line = refusal_in_log(&mut logging().stdio(Era::Modern));
    assert_eq!(line["span"]["trace_id"], TRACE, "{line}");
    assert_eq!(line["span"]["span_id"], PARENT, "{line}");
    let collector = Collector::open();
    let mut server = logging().traced_to(&collector.url()).stdio(Era::Modern);
    let line = refusal_in_log(&mut server);
    assert_eq!(line["span"]["trace_id"], TRACE, "{line}");
    let spans = collector.spans_with("tools/call read_file_secure");
    let request = spans.iter().find(|span| span.kind == 2).unwrap();
    assert_eq!(line["span"]["span_id"], *hex(&request.span_id), "{line}");
}

#[test]
fn a_collector_that_cannot_be_reached_so_is_refused_by_its_key() {
    let check = Setup::default().arguments(&["--check"]);
    let (ended, _, said) = check.traced_to("https://collector:4318/v1/traces").run();
    assert_eq!(ended, Ended::Exited(78), "{said}");
    assert!(said.contains("OMNIPOTENT_TRACING__ENDPOINT"), "{said}");
    assert!(said.contains("must begin with http://"), "{said}");
}
