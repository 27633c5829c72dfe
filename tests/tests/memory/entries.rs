//! One entry through its life.

use std::time::{Duration, Instant};

use mcp_tests::{Era, Peer, Setup, until};
use serde_json::{Value, json};

#[test]
fn what_is_remembered_is_recalled() {
    for era in [Era::Legacy, Era::Modern] {
        let mut server = Setup::memory().stdio(era);
        let first = json!({
            "key": "db host", "value": "postgres\né漢🦀\"\\", "category": "infra", "source": "ann",
            "metadata": { "sure": true, "n": [1, null] }, "tags": ["b", "a", "b"],
        });
        let written = server.succeed("remember", first);
        assert_eq!(written["created"], true);
        assert_eq!(written["revision"], 1);

        let name = json!({ "key": "db host", "category": "infra", "source": "ann" });
        let entry = server.succeed("recall", name.clone());
        assert_eq!(entry["value"], "postgres\né漢🦀\"\\");
        assert_eq!(entry["metadata"], json!({ "sure": true, "n": [1, null] }));
        assert_eq!(entry["tags"], json!(["a", "b"]));
        assert_eq!(entry["created_at"], entry["updated_at"]);

        let second =
            json!({ "key": "db host", "value": "mysql", "category": "infra", "source": "ann" });
        let written = server.succeed("remember", second);
        assert_eq!(
            (&written["created"], &written["revision"]),
            (&json!(false), &json!(2))
        );
        let entry = server.succeed("recall", name);
        assert_eq!(
            (&entry["value"], &entry["tags"]),
            (&json!("mysql"), &json!([]))
        );
    }
}

#[test]
fn who_asks_for_the_wrong_name_is_told_the_nearest() {
    let mut server = Setup::memory().stdio(Era::Modern);
    server.succeed(
        "remember",
        json!({ "key": "db-host", "value": "x", "category": "infra" }),
    );
    let mut hint = |arguments: Value| {
        let error = server.refused("recall", arguments);
        assert_eq!(error["code"], "not_found");
        error["hint"].as_str().unwrap().to_owned()
    };
    let expect = r#""db-host" in "infra" of "user""#;
    assert!(hint(json!({ "key": "db-host" })).contains(expect));
    assert!(hint(json!({ "key": "DB_hosst", "category": "infra" })).contains(expect));
    assert!(hint(json!({ "key": "weather" })).contains("search_knowledge"));
}

#[test]
fn a_wrong_name_among_many_long_ones_holds_nobody_up() {
    let mut server = Setup::memory().stdio(Era::Modern);
    let item = |n: usize| json!({ "key": format!("{}{n}", "k".repeat(1000)), "value": "v" });
    for from in [0, 1000, 2000] {
        let items: Vec<Value> = (from..from + 1000).map(item).collect();
        server.succeed("batch_remember", json!({ "items": items }));
    }
    let begun = Instant::now();
    server.refused("recall", json!({ "key": "k".repeat(999) }));
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn a_writer_hears_of_another_in_between() {
    let mut server = Setup::memory().stdio(Era::Modern);
    let write =
        |value: &str, expected: u64| json!({ "key": "a", "value": value, "if_revision": expected });
    server.succeed("remember", write("one", 0));
    assert_eq!(
        server.refused("remember", write("two", 0))["code"],
        "conflict"
    );
    server.succeed("remember", write("two", 1));
    let lost = server.refused("remember", write("three", 1));
    assert_eq!(lost["code"], "conflict");
    assert!(
        lost["error"].as_str().unwrap().contains("revision 2"),
        "{lost}"
    );
    assert_eq!(
        server.succeed("recall", json!({ "key": "a" }))["value"],
        "two"
    );
    let kept = server.refused("forget", json!({ "key": "a", "if_revision": 1 }));
    assert_eq!(kept["code"], "conflict");
}

#[test]
fn every_earlier_value_can_be_seen_and_brought_back() {
    let mut server = Setup::memory().stdio(Era::Modern);
    for value in ["one", "two"] {
        server.succeed(
            "remember",
            json!({ "key": "a", "value": value, "tags": [value] }),
        );
    }
    let forgotten = server.succeed("forget", json!({ "key": "a" }));
    assert_eq!(forgotten, json!({ "forgotten": true, "revision": 3 }));
    assert_eq!(
        server.refused("recall", json!({ "key": "a" }))["code"],
        "not_found"
    );
    assert_eq!(
        server.refused("forget", json!({ "key": "a" }))["code"],
        "not_found"
    );

    let history = server.succeed("memory_history", json!({ "key": "a" }));
    let told: Vec<_> = history["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| &v["value"])
        .collect();
    assert_eq!(told, [&Value::Null, &json!("two"), &json!("one")]);
    let page = server.succeed(
        "memory_history",
        json!({ "key": "a", "limit": 1, "before": 3 }),
    );
    assert_eq!(
        (&page["versions"][0]["value"], &page["more"]),
        (&json!("two"), &json!(true))
    );

    let restored = server.succeed("restore_memory", json!({ "key": "a", "revision": 1 }));
    assert_eq!(
        restored,
        json!({ "revision": 4, "restored": 1, "created": true })
    );
    let entry = server.succeed("recall", json!({ "key": "a" }));
    assert_eq!(
        (&entry["value"], &entry["tags"]),
        (&json!("one"), &json!(["one"]))
    );
    for (revision, word) in [(3, "deleted"), (9, "no revision 9")] {
        let error = server.refused(
            "restore_memory",
            json!({ "key": "a", "revision": revision }),
        );
        assert_eq!(error["code"], "not_found");
        assert!(error["error"].as_str().unwrap().contains(word), "{error}");
    }
}

#[test]
fn what_expires_is_gone_at_that_moment_from_every_read() {
    let mut server = Setup::memory().stdio(Era::Modern);
    server.succeed(
        "remember",
        json!({ "key": "a", "value": "short", "ttl_seconds": 1 }),
    );
    server.succeed(
        "remember",
        json!({ "key": "b", "value": "long", "ttl_seconds": 3600 }),
    );
    assert_eq!(server.succeed("list_memories", json!({}))["total"], 2);
    assert_eq!(server.succeed("knowledge_stats", json!({}))["entries"], 2);
    until("the entry is gone", || {
        server.call("recall", json!({ "key": "a" })).is_error()
    });
    assert_eq!(server.succeed("list_memories", json!({}))["total"], 1);
    assert_eq!(server.succeed("knowledge_stats", json!({}))["entries"], 1);
    let batch = server.succeed("batch_recall", json!({ "keys": ["a", "b"] }));
    assert_eq!((&batch["found"], &batch["missing"]), (&json!(1), &json!(1)));
    let again = server.succeed(
        "remember",
        json!({ "key": "a", "value": "new", "if_revision": 0 }),
    );
    assert_eq!(again["created"], true);
}

#[test]
fn a_list_has_each_entry_once_whatever_comes_and_goes() {
    let mut server = Setup::memory().stdio(Era::Modern);
    for n in 0..25 {
        let tags = if n % 2 == 0 {
            json!(["even"])
        } else {
            json!([])
        };
        server.succeed(
            "remember",
            json!({ "key": format!("k{n}"), "value": "v", "tags": tags }),
        );
    }
    let mut met = Vec::new();
    let mut cursor = None;
    loop {
        let mut arguments = json!({ "limit": 5, "tags": ["even"] });
        if let Some(cursor) = cursor {
            arguments["cursor"] = cursor;
        }
        let page = server.succeed("list_memories", arguments);
        let entries = page["entries"].as_array().unwrap();
        met.extend(
            entries
                .iter()
                .map(|entry| entry["key"].as_str().unwrap().to_owned()),
        );
        // Between two pages something is written and something is deleted.
        server.succeed(
            "remember",
            json!({ "key": format!("late{}", met.len()), "value": "v", "tags": ["even"] }),
        );
        server.call("forget", json!({ "key": "k1" }));
        if page["next_cursor"].is_null() {
            break;
        }
        cursor = Some(page["next_cursor"].clone());
    }
    let expect: Vec<String> = (0..25)
        .rev()
        .filter(|n| n % 2 == 0)
        .map(|n| format!("k{n}"))
        .collect();
    assert_eq!(met, expect);
    let foreign = server.succeed("list_memories", json!({ "limit": 1 }))["next_cursor"].clone();
    let error = server.refused(
        "list_memories",
        json!({ "tags": ["even"], "cursor": foreign }),
    );
    assert_eq!(
        (&error["code"], &error["field"]),
        (&json!("invalid_argument"), &json!("cursor"))
    );
}

#[test]
fn many_are_forgotten_by_what_they_have_in_common() {
    let mut server = Setup::memory().stdio(Era::Modern);
    for (key, category) in [("a", "x"), ("b", "x"), ("c", "y")] {
        server.succeed(
            "remember",
            json!({ "key": key, "value": "v", "category": category, "metadata": { "k": key } }),
        );
    }
    let dry = server.succeed("forget_where", json!({ "category": "x", "dry_run": true }));
    assert_eq!((&dry["matched"], &dry["forgotten"]), (&json!(2), &json!(0)));
    assert_eq!(dry["entries"].as_array().unwrap().len(), 2);
    let recent = server.succeed(
        "forget_where",
        json!({ "category": "x", "older_than": "1h" }),
    );
    assert_eq!(recent["forgotten"], 0);
    let one = server.succeed("forget_where", json!({ "metadata": { "k": "a" } }));
    assert_eq!(one["forgotten"], 1);
    std::thread::sleep(Duration::from_millis(20));
    let rest = server.succeed(
        "forget_where",
        json!({ "category": "x", "older_than": "10ms" }),
    );
    assert_eq!(rest["forgotten"], 1);
    assert_eq!(server.succeed("list_memories", json!({}))["total"], 1);
    for (arguments, field) in [
        (json!({}), Value::Null),
        (json!({ "older_than": "soon" }), json!("older_than")),
    ] {
        let error = server.refused("forget_where", arguments);
        assert_eq!(
            (&error["code"], &error["field"]),
            (&json!("invalid_argument"), &field)
        );
    }
    assert_eq!(server.succeed("list_memories", json!({}))["total"], 1);
}

#[test]
fn the_bounds_are_the_promised_ones() {
    let mut server = Setup::memory().stdio(Era::Modern);
    let largest = "é".repeat(512 * 1024);
    server.succeed(
        "remember",
        json!({ "key": "k".repeat(1024), "value": largest }),
    );
    let entry = server.succeed("recall", json!({ "key": "k".repeat(1024) }));
    assert_eq!(entry["value"], largest);
    for (tool, arguments, field) in [
        (
            "remember",
            json!({ "key": "a", "value": "x".repeat((1 << 20) + 1) }),
            "value",
        ),
        (
            "remember",
            json!({ "key": "k".repeat(1025), "value": "" }),
            "key",
        ),
        ("remember", json!({ "key": " ", "value": "" }), "key"),
        ("remember", json!({ "key": "a\u{0}", "value": "" }), "key"),
        (
            "remember",
            json!({ "key": "a", "value": "a\u{0}" }),
            "value",
        ),
        (
            "remember",
            json!({ "key": "a", "value": "", "ttl_seconds": 0 }),
            "ttl_seconds",
        ),
        (
            "remember",
            json!({ "key": "a", "value": "", "tags": (0..33).collect::<Vec<_>>() }),
            "tags[0]",
        ),
        (
            "remember",
            json!({ "key": "a", "value": "", "metadata": { "a": "x".repeat(1 << 16) } }),
            "metadata",
        ),
        ("list_memories", json!({ "limit": 0 }), "limit"),
        ("list_memories", json!({ "limit": 201 }), "limit"),
        ("list_memories", json!({ "since": "yesterday" }), "since"),
        (
            "memory_history",
            json!({ "key": "a", "before": 0 }),
            "before",
        ),
    ] {
        let error = server.refused(tool, arguments);
        assert_eq!(
            (&error["code"], &error["field"]),
            (&json!("invalid_argument"), &json!(field)),
            "{error}"
        );
    }
}
