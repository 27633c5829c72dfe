//! Finding entries by words and by meaning.

use mcp_tests::{Era, Peer, Setup, Stdio, until};
use serde_json::{Value, json};

const FACTS: [(&str, &str); 4] = [
    (
        "db-host",
        "The production database runs on pg1.local, port 5432",
    ),
    ("deploy", "We deploy every Friday with cargo xtask dist"),
    (
        "getUserName",
        "returns the name of the user that is signed in",
    ),
    ("cats", "Ann has two cats, Minka and Felix"),
];

fn remember_all(server: &mut Stdio) {
    for (key, value) in FACTS {
        server.succeed("remember", json!({ "key": key, "value": value }));
    }
}

/// The keys that were found, best first, and how they were ranked.
fn found(server: &mut Stdio, query: &str, mode: &str) -> (Vec<String>, Value) {
    let reply = server.succeed("search_knowledge", json!({ "query": query, "mode": mode }));
    let results = reply["results"].as_array().unwrap();
    let keys = results
        .iter()
        .map(|hit| hit["key"].as_str().unwrap().to_owned());
    (keys.collect(), reply["mode"].clone())
}

fn embedded(server: &mut Stdio) -> u64 {
    let stats = server.succeed("knowledge_stats", json!({}));
    stats["embeddings"]["done"].as_u64().unwrap()
}

#[test]
fn words_find_without_a_model_and_the_reply_says_so() {
    let mut server = Setup::memory().stdio(Era::Modern);
    remember_all(&mut server);
    for (query, expect) in [
        ("where does the database run?", "db-host"),
        ("deployments", "deploy"),
        ("get user name", "getUserName"),
        ("datbase", "db-host"),
        ("NEAR(cats) AND \"", "cats"),
    ] {
        let (keys, mode) = found(&mut server, query, "hybrid");
        assert_eq!(keys.first().map(String::as_str), Some(expect), "{query}");
        assert_eq!(mode, "text");
    }
    let reply = server.succeed("search_knowledge", json!({ "query": "cats" }));
    assert!(
        reply["why"].as_str().unwrap().contains("no model"),
        "{reply}"
    );
}

#[test]
fn meaning_finds_what_shares_no_word() {
    let mut server = Setup::memory().with_model().stdio(Era::Modern);
    remember_all(&mut server);
    assert_eq!(found(&mut server, "pets", "text").0, Vec::<String>::new());
    until("all are embedded", || embedded(&mut server) == 4);
    for mode in ["semantic", "hybrid"] {
        for (query, expect) in [("pets", "cats"), ("when do we ship?", "deploy")] {
            let (keys, ranked) = found(&mut server, query, mode);
            assert_eq!(
                (keys[0].as_str(), &ranked),
                (expect, &json!(mode)),
                "{query}"
            );
        }
    }

    let directory = server.stage.path("home/memory");
    let mut other = Setup::memory_at(&directory).with_model().stdio(Era::Modern);
    assert_eq!(found(&mut other, "pets", "semantic").0[0], "cats");
    assert_eq!(embedded(&mut other), 4, "vectors are kept in the file");
    other.succeed("forget", json!({ "key": "cats" }));
    assert_ne!(found(&mut server, "pets", "semantic").0[0], "cats");
}

#[test]
fn a_search_right_after_a_write_sees_it() {
    let mut server = Setup::memory().with_model().stdio(Era::Modern);
    remember_all(&mut server);
    for n in 0..5 {
        let key = format!("ledger-{n}");
        assert!(!found(&mut server, "ledgers", "hybrid").0.contains(&key));
        server.succeed("remember", json!({ "key": key, "value": "the accounts" }));
        assert!(found(&mut server, "ledgers", "hybrid").0.contains(&key));
    }
    let cached = |server: &mut Stdio| {
        server.succeed("search_knowledge", json!({ "query": "cats" }))["cached"].clone()
    };
    until("all are embedded", || embedded(&mut server) == 9);
    cached(&mut server);
    assert_eq!(cached(&mut server), true);
}

#[test]
fn large_values_are_found_and_named_when_they_do_not_fit() {
    let mut server = Setup::memory().stdio(Era::Modern);
    let large = format!("needle {}", "hay ".repeat(250_000));
    for n in 0..14 {
        server.succeed(
            "remember",
            json!({ "key": format!("k{n}"), "value": large }),
        );
    }
    let reply = server.succeed(
        "search_knowledge",
        json!({ "query": "needle", "limit": 14 }),
    );
    let results = reply["results"].as_array().unwrap();
    assert_eq!(results.len(), 14);
    assert!(results[0]["value"].is_string() && results[13]["value"].is_null());
    assert!(
        results
            .iter()
            .all(|hit| hit["snippet"].as_str().unwrap().contains("needle"))
    );
}

#[test]
fn filters_come_before_ranking() {
    let mut server = Setup::memory().stdio(Era::Modern);
    let item = |n: usize, category: &str| json!({ "key": format!("{category}{n}"), "value": "rain and wind", "category": category, "tags": [category] });
    let items: Vec<Value> = (0..300)
        .map(|n| item(n, "much"))
        .chain((0..3).map(|n| item(n, "few")))
        .collect();
    server.succeed("batch_remember", json!({ "items": items }));
    for filter in [json!({ "category": "few" }), json!({ "tags": ["few"] })] {
        let mut arguments = filter;
        arguments["query"] = json!("rain");
        assert_eq!(server.succeed("search_knowledge", arguments)["count"], 3);
    }
    let many = server.succeed("search_knowledge", json!({ "query": "wind", "limit": 200 }));
    assert_eq!(many["count"], 200);
    let batch = server.succeed(
        "batch_search",
        json!({ "queries": ["rain", { "query": "wind", "category": "few" }] }),
    );
    assert_eq!(
        (&batch["results"][0]["count"], &batch["results"][1]["count"]),
        (&json!(10), &json!(3))
    );
    for (tool, arguments, field) in [
        ("search_knowledge", json!({ "query": " " }), "query"),
        (
            "search_knowledge",
            json!({ "query": "x".repeat(4097) }),
            "query",
        ),
        (
            "search_knowledge",
            json!({ "query": "x", "limit": 201 }),
            "limit",
        ),
        (
            "search_knowledge",
            json!({ "query": "x", "min_score": 1.5 }),
            "min_score",
        ),
        (
            "batch_search",
            json!({ "queries": vec!["x"; 21] }),
            "queries",
        ),
    ] {
        let error = server.refused(tool, arguments);
        assert_eq!(
            (&error["code"], &error["field"]),
            (&json!("invalid_argument"), &json!(field))
        );
    }
}
