//! Many entries in one call.

use mcp_tests::{Era, Peer, Setup};
use serde_json::{Value, json};

fn items(count: usize) -> Vec<Value> {
    (0..count)
        .map(|n| json!({ "key": format!("k{n}"), "value": format!("value {n}") }))
        .collect()
}

#[test]
fn a_thousand_entries_are_one_call() {
    let mut server = Setup::memory().stdio(Era::Modern);
    let written = server.succeed("batch_remember", json!({ "items": items(1000) }));
    assert_eq!(
        (&written["written"], &written["failed"]),
        (&json!(1000), &json!(0))
    );
    assert_eq!(written["results"][999]["index"], 999);
    let keys: Vec<String> = (900..1100).map(|n| format!("k{n}")).collect();
    let read = server.succeed("batch_recall", json!({ "keys": keys }));
    assert_eq!(
        (&read["found"], &read["missing"]),
        (&json!(100), &json!(100))
    );
    assert_eq!(read["results"][0]["entry"]["value"], "value 900");
    for (tool, arguments) in [
        ("batch_remember", json!({ "items": items(1001) })),
        ("batch_remember", json!({ "items": [] })),
        ("batch_recall", json!({ "keys": [] })),
        ("batch_recall", json!({ "keys": vec!["a"; 201] })),
    ] {
        assert_eq!(server.refused(tool, arguments)["code"], "invalid_argument");
    }
    assert_eq!(server.succeed("list_memories", json!({}))["total"], 1000);
}

#[test]
fn a_batch_is_all_or_nothing_unless_it_says_otherwise() {
    let mut server = Setup::memory().stdio(Era::Modern);
    server.succeed("remember", json!({ "key": "there", "value": "v" }));
    let with =
        |bad: Value| json!([{ "key": "a", "value": "1" }, bad, { "key": "b", "value": "2" }]);
    let conflicting = json!({ "key": "there", "value": "x", "if_revision": 7 });
    for (bad, code) in [
        (json!({ "key": "", "value": "x" }), "invalid_argument"),
        (json!({ "key": "x" }), "invalid_argument"),
        (
            json!({ "key": "x", "value": "x", "ttl": 3 }),
            "invalid_argument",
        ),
        (json!("x"), "invalid_argument"),
        (conflicting, "conflict"),
    ] {
        let error = server.refused("batch_remember", json!({ "items": with(bad.clone()) }));
        assert_eq!(error["code"], code, "{error}");
        let text = error["error"].as_str().unwrap();
        assert!(
            text.contains("items[1]") || text.contains("item 1"),
            "{error}"
        );
        assert_eq!(server.succeed("list_memories", json!({}))["total"], 1);

        let partial = server.succeed(
            "batch_remember",
            json!({ "items": with(bad), "partial": true }),
        );
        assert_eq!(
            (&partial["written"], &partial["failed"]),
            (&json!(2), &json!(1))
        );
        assert_eq!(partial["results"][1]["failure"]["code"], code);
        assert_eq!(partial["results"][2]["created"], true);
        server.succeed("batch_recall", json!({ "keys": ["a", "b"] }));
        for key in ["a", "b"] {
            server.succeed("forget", json!({ "key": key }));
        }
    }
}

#[test]
fn what_has_no_room_in_a_reply_is_said() {
    let mut server = Setup::memory().stdio(Era::Modern);
    let large = "\"".repeat(1 << 20);
    for n in 0..4 {
        server.succeed(
            "remember",
            json!({ "key": format!("k{n}"), "value": large }),
        );
    }
    let read = server.succeed("batch_recall", json!({ "keys": ["k0", "k1", "k2", "k3"] }));
    let results = read["results"].as_array().unwrap();
    let told = results
        .iter()
        .filter(|result| result["entry"].is_object())
        .count();
    assert!((1..4).contains(&told), "{told}");
    assert_eq!(results[3]["found"], true);
    assert_eq!(results[3]["failure"]["code"], "too_large");
    let page = server.succeed("list_memories", json!({}));
    assert!(page["count"].as_u64().unwrap() < 4);
    let cursor = page["next_cursor"].clone();
    let next = server.succeed("list_memories", json!({ "cursor": cursor }));
    assert!(next["count"].as_u64().unwrap() > 0);
}
