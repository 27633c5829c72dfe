//! Filters, order, what is kept, and bounds.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::knowledge::Timestamp;

#[tokio::test]
async fn filters_apply_before_the_ranking() {
    let stage = stage().await;
    let mut drafts: Vec<Draft> = (0..300)
        .map(|n| draft(&format!("good-{n}"), "apple apple apple"))
        .collect();
    for n in 0..20 {
        // Worse by far: long, and only one of two words.
        let mut poor = draft(&format!("poor-{n}"), &("filler ".repeat(200) + "apple"));
        poor.identity.category = "work".parse().unwrap();
        poor.tags = serde_json::from_value(json!(["red", "round"])).unwrap();
        poor.metadata = serde_json::from_value(json!({"n": n % 2})).unwrap();
        drafts.push(poor);
    }
    stage.store.put_all(drafts).await.unwrap();
    let work = Filter {
        category: Some("work".parse().unwrap()),
        ..Filter::default()
    };
    let red = Filter {
        tags: serde_json::from_value(json!(["red"])).unwrap(),
        ..Filter::default()
    };
    let odd = Filter {
        metadata: json!({"n": 1}).as_object().unwrap().clone(),
        ..red.clone()
    };
    for (filter, expected) in [(work, 15), (red, 15), (odd, 10)] {
        let request = Request {
            filter,
            limit: NonZeroU32::new(15).unwrap(),
            ..request("apple pear")
        };
        let hits = stage.hits(&request).await;
        assert_eq!(hits.hits.len(), expected, "{:?}", request.filter);
        assert!(keys(&hits).iter().all(|key| key.starts_with("poor")));
    }
    let nobody = Filter {
        source: Some("nobody".parse().unwrap()),
        ..Filter::default()
    };
    let none = Request {
        filter: nobody,
        ..request("apple")
    };
    assert!(stage.hits(&none).await.hits.is_empty());
}

#[tokio::test]
async fn since_and_expiry_are_filters_too() {
    let stage = holding(&[("old", "apple")]).await;
    tokio::time::sleep(Duration::from_millis(3)).await;
    let since = Timestamp::now();
    let mut passing = draft("passing", "apple");
    passing.expires_at = Some(Timestamp::now().after(Duration::from_millis(400)));
    stage.store.put(passing).await.unwrap();
    stage.store.put(draft("new", "apple")).await.unwrap();
    let recent = Request {
        filter: Filter {
            updated_since: Some(since),
            ..Filter::default()
        },
        ..request("apple")
    };
    let mut found = keys(&stage.hits(&recent).await);
    found.sort();
    assert_eq!(found, ["new", "passing"]);
    assert_eq!(stage.found("apple").await.len(), 3);
    tokio::time::sleep(Duration::from_millis(420)).await;
    assert_eq!(
        stage.found("apple").await,
        ["new", "old"],
        "kept results do not outlive an entry"
    );
    assert_eq!(keys(&stage.hits(&recent).await), ["new"]);
}

#[tokio::test]
async fn common_words_count_without_finding() {
    let stage = stage().await;
    let common = |n: usize| {
        if n.is_multiple_of(2) {
            "project"
        } else {
            "meeting"
        }
    };
    let drafts = (0..9000).map(|n| {
        let rare = if n % 45 < 2 { " alice" } else { "" };
        draft(&n.to_string(), &format!("{} number {n}{rare}", common(n)))
    });
    let drafts: Vec<Draft> = drafts.collect();
    for some in drafts.chunks(1000) {
        stage.store.put_all(some.to_vec()).await.unwrap();
    }
    let hits = stage.hits(&request("alice project number")).await;
    let has = |hit: &Hit, word| hit.entry.value.as_str().contains(word);
    assert_eq!(hits.hits.len(), 10);
    assert!(
        hits.hits
            .iter()
            .all(|hit| has(hit, "alice") && has(hit, "project"))
    );
    // Where the rare word finds too few, the common ones find the rest.
    stage.store.put(draft("unique", "zebra")).await.unwrap();
    let hits = stage.hits(&request("zebra project")).await;
    assert_eq!(hits.hits.len(), 10);
    assert_eq!(keys(&hits)[0], "unique");
}

#[tokio::test]
async fn the_order_is_always_the_same() {
    let entries: Vec<(String, &str)> = (0..150)
        .map(|n| (format!("k{n:03}"), "same text"))
        .collect();
    let entries: Vec<(&str, &str)> = entries
        .iter()
        .map(|(key, text)| (key.as_str(), *text))
        .collect();
    let stage = holding(&entries).await;
    let first = stage.found("text").await;
    assert_eq!(first[0], "k149", "the one written last");
    tokio::time::sleep(Duration::from_millis(3)).await;
    stage.store.put(draft("k120", "same text")).await.unwrap();
    let after = stage.found("text").await;
    assert_eq!(after[..2], ["k120", "k149"]);
    stage.searcher.clear_cache().await.unwrap();
    assert_eq!(stage.found("text").await, after);
    let scores = stage.hits(&request("text")).await;
    assert!(
        scores
            .hits
            .iter()
            .all(|hit| (hit.score - 1.0).abs() < 1e-12)
    );
}

#[tokio::test]
async fn results_are_kept_until_something_is_written() {
    let stage = holding(&[("a", "apple"), ("b", "apple pie, apple cake")]).await;
    let asked = request("apple");
    let first = stage.hits(&asked).await;
    let again = stage.hits(&asked).await;
    assert_eq!((first.cached, again.cached), (false, true));
    assert_eq!(keys(&first), keys(&again));
    let other = Request {
        limit: NonZeroU32::MIN,
        ..asked.clone()
    };
    assert!(!stage.hits(&other).await.cached);
    stage
        .store
        .put(draft("c", "apple apple apple"))
        .await
        .unwrap();
    let fresh = stage.hits(&asked).await;
    assert!(!fresh.cached && keys(&fresh).contains(&"c".to_owned()));
    stage
        .store
        .delete(draft("c", "").identity, None)
        .await
        .unwrap();
    let without = stage.hits(&asked).await;
    assert!(!without.cached && !keys(&without).contains(&"c".to_owned()));
}

#[tokio::test]
async fn scores_are_shares_and_can_be_bounded() {
    let long = format!("apple {}", "filler ".repeat(300));
    let stage = holding(&[("best", "apple apple"), ("poor", long.as_str())]).await;
    let hits = stage.hits(&request("apple")).await;
    assert!((hits.hits[0].score - 1.0).abs() < 1e-12);
    assert!(
        hits.hits[1].score > 0.0 && hits.hits[1].score < 0.6,
        "{}",
        hits.hits[1].score
    );
    let bounded = Request {
        min_score: Some(0.6),
        ..request("apple")
    };
    assert_eq!(keys(&stage.hits(&bounded).await), ["best"]);
}

#[tokio::test]
async fn bounds_are_named() {
    let stage = stage().await;
    for empty in ["", " \n"] {
        assert_eq!(
            Query::parse(empty).unwrap_err().to_string(),
            "the query is empty"
        );
    }
    let long = Query::parse(&"x".repeat(MAX_QUERY_BYTES + 1)).unwrap_err();
    assert_eq!(
        long.to_string(),
        "the query has 4097 bytes; 4096 is the most"
    );
    assert!(Query::parse(&"x ".repeat(2000)).is_ok());
    let many = Request {
        limit: NonZeroU32::new(201).unwrap(),
        ..request("x")
    };
    let error = stage.searcher.search(&many).await.unwrap_err();
    assert_eq!(error.to_string(), "the limit is 201; 200 is the most");
    let words: Vec<String> = (0..1000).map(|n| format!("w{n}")).collect();
    let all: String = words.join(" ").chars().take(4000).collect();
    assert!(stage.found(&all).await.is_empty());
}

#[tokio::test]
async fn large_values_are_searched_to_their_end() {
    let mut large = "lorem ipsum ".repeat(87_000);
    large.truncate((1 << 20) - 40);
    large.push_str(" the needle is getLostName here");
    let stage = holding(&[("large", large.as_str()), ("small", "a small needlework")]).await;
    for query in ["needle", "lost name", "\"needle is\""] {
        let hits = stage.hits(&request(query)).await;
        assert_eq!(keys(&hits), ["large"], "{query}");
        let snippet = &hits.hits[0].snippet;
        assert!(snippet.contains("needle is getLostName here"), "{snippet}");
        assert!(snippet.starts_with('…') && snippet.chars().count() <= MAX_SNIPPET_CHARS);
    }
}

#[tokio::test]
async fn without_a_model_hybrid_is_text_and_says_so() {
    let stage = holding(&[("a", "apple")]).await;
    for mode in [Mode::Hybrid, Mode::Semantic] {
        let hits = stage
            .hits(&Request {
                mode,
                ..request("apple")
            })
            .await;
        assert_eq!((keys(&hits), hits.mode), (vec!["a".to_owned()], Mode::Text));
        assert!(hits.why.is_some());
    }
    assert_eq!(stage.hits(&request("apple")).await.why, None);
}
