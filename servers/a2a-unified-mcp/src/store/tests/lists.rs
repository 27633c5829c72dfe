//! Filters, pages and cursors.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::knowledge::Tags;

fn keys(page: &Page) -> Vec<&str> {
    page.entries
        .iter()
        .map(|entry| entry.identity.key.as_str())
        .collect()
}

fn tagged(tags: &[&str]) -> Tags {
    serde_json::from_value(json!(tags)).unwrap()
}

async fn listed(store: &Store, filter: &Filter) -> Vec<String> {
    let page = store.list(filter, None, most(100)).await.unwrap();
    assert_eq!(page.total, u64::try_from(page.entries.len()).unwrap());
    keys(&page).into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn filters_are_exact() {
    let store = stage().await;
    let mut first = draft("first", "1");
    first.tags = tagged(&["red", "round"]);
    first.metadata =
        serde_json::from_value(json!({"n": 1, "s": "é\"", "b": true, "l": [1, {"a": null}]}))
            .unwrap();
    store.put(first).await.unwrap();
    let mut second = draft("second", "2");
    second.identity.category = "work".parse().unwrap();
    second.tags = tagged(&["red"]);
    second.metadata = serde_json::from_value(json!({"n": "1", "b": 1, "z": null})).unwrap();
    store.put(second).await.unwrap();

    let tags = |tags: &[&str]| Filter {
        tags: tagged(tags),
        ..Filter::default()
    };
    assert_eq!(listed(&store, &tags(&["red"])).await, ["second", "first"]);
    assert_eq!(listed(&store, &tags(&["red", "round"])).await, ["first"]);
    assert_eq!(listed(&store, &tags(&["re"])).await, [""; 0]);
    let work = Filter {
        category: Some("work".parse().unwrap()),
        ..Filter::default()
    };
    assert_eq!(listed(&store, &work).await, ["second"]);

    let (none, one): (&[&str], &[&str]) = (&[], &["first"]);
    for (metadata, expected) in [
        (json!({"n": 1}), one),
        (json!({"n": 1.0}), &["first"]),
        (json!({"n": "1"}), &["second"]),
        (json!({"s": "é\""}), &["first"]),
        (json!({"b": true}), &["first"]),
        (json!({"b": 1, "n": "1"}), &["second"]),
        (json!({"b": false}), none),
        (json!({"z": null}), &["second"]),
        (json!({"missing": null}), none),
        (json!({"l": [1, {"a": null}]}), &["first"]),
        (json!({"l": "[1,{\"a\":null}]"}), none),
    ] {
        let filter = Filter {
            metadata: metadata.as_object().unwrap().clone(),
            ..Filter::default()
        };
        assert_eq!(listed(&store, &filter).await, expected, "{metadata}");
    }
}

#[tokio::test]
async fn times_filter_and_what_a_filter_lets_through_can_be_deleted() {
    let store = stage().await;
    store.put(draft("old", "1")).await.unwrap();
    let old = store.get(&identity("old")).await.unwrap().unwrap();
    while Timestamp::now() == old.updated_at {
        tokio::task::yield_now().await;
    }
    let between = Timestamp::now();
    store.put(draft("new", "1")).await.unwrap();
    let since = Filter {
        updated_since: Some(between),
        ..Filter::default()
    };
    let before = Filter {
        updated_before: Some(between),
        ..Filter::default()
    };
    assert_eq!(listed(&store, &since).await, ["new"]);
    assert_eq!(listed(&store, &before).await, ["old"]);
    assert_eq!(store.delete_where(before).await.unwrap(), 1);
    assert_eq!(listed(&store, &Filter::default()).await, ["new"]);
    assert_eq!(
        store
            .history(&identity("old"), None, most(9))
            .await
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn a_cursor_belongs_to_its_filter() {
    let store = stage().await;
    store
        .put_all(vec![draft("a", "1"), draft("b", "1")])
        .await
        .unwrap();
    let all = Filter::default();
    let page = store.list(&all, None, most(1)).await.unwrap();
    assert_eq!((keys(&page), page.total), (vec!["b"], 2));
    let next = page.next.unwrap();
    let rest = store.list(&all, Some(&next), most(1)).await.unwrap();
    assert_eq!((keys(&rest), &rest.next), (vec!["a"], &None));

    let general = Filter {
        category: Some(Category::default()),
        ..Filter::default()
    };
    let mut strange = vec![Cursor::given(String::new()), Cursor::given("zz".to_owned())];
    strange.push(Cursor::given(format!("-{}", next.as_str())));
    for (filter, cursor) in strange
        .iter()
        .map(|cursor| (&all, cursor))
        .chain([(&general, &next)])
    {
        let page = store.list(filter, Some(cursor), most(1)).await;
        assert!(
            matches!(page, Err(StoreError::Cursor)),
            "{cursor:?}: {page:?}"
        );
    }
}

#[tokio::test]
async fn a_page_of_large_entries_ends_early() {
    let store = stage().await;
    let large = "x".repeat(1 << 20);
    let drafts = (0..12).map(|n| draft(&n.to_string(), &large));
    store.put_all(drafts.collect()).await.unwrap();
    let page = store
        .list(&Filter::default(), None, most(100))
        .await
        .unwrap();
    assert_eq!((page.entries.len(), page.total), (9, 12));
    let rest = store
        .list(&Filter::default(), page.next.as_ref(), most(100))
        .await
        .unwrap();
    assert_eq!((keys(&rest), &rest.next), (vec!["2", "1", "0"], &None));
}

/// What happens between two pages.
#[derive(Debug, Clone)]
enum Meanwhile {
    Put(u8),
    Delete(u8),
}

fn meanwhile() -> impl Strategy<Value = Meanwhile> {
    prop_oneof![
        (0..40_u8).prop_map(Meanwhile::Put),
        (0..40_u8).prop_map(Meanwhile::Delete),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Entries that stay are met once, none twice, whatever comes and goes.
    #[test]
    fn pages_meet_what_stays_exactly_once(
        count in 1..30_u8,
        limits in vec(1..7_u32, 1..5),
        steps in vec(vec(meanwhile(), 0..4), 0..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = stage().await;
            store.put_all((0..count).map(|n| draft(&n.to_string(), "x")).collect()).await.unwrap();
            let mut staying: Vec<u8> = (0..count).collect();
            let mut met: Vec<i64> = Vec::new();
            let mut names: Vec<String> = Vec::new();
            let mut cursor = None;
            let mut steps = steps.into_iter();
            for turn in 0.. {
                let limit = most(limits[turn % limits.len()]);
                let page = store.list(&Filter::default(), cursor.as_ref(), limit).await.unwrap();
                met.extend(page.entries.iter().map(|entry| entry.id));
                names.extend(keys(&page).into_iter().map(str::to_owned));
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
                for step in steps.next().unwrap_or_default() {
                    match step {
                        Meanwhile::Put(n) => drop(store.put(draft(&n.to_string(), "y")).await.unwrap()),
                        Meanwhile::Delete(n) => {
                            staying.retain(|stays| *stays != n);
                            store.delete(identity(&n.to_string()), None).await.unwrap();
                        }
                    }
                }
            }
            assert!(met.is_sorted_by(|a, b| a > b), "newest first, none twice: {met:?}");
            for stays in staying {
                assert!(names.contains(&stays.to_string()), "{stays} was missed: {names:?}");
            }
        });
    }
}
