//! One entry through its life.

use std::time::Duration;

use super::*;
use crate::knowledge::Tags;

#[tokio::test]
async fn an_entry_is_written_and_read() {
    let store = stage().await;
    let mut first = draft("colour", "blue");
    first.metadata = serde_json::from_str(r#"{"sure": true}"#).unwrap();
    first.tags = serde_json::from_str(r#"["taste", "paint"]"#).unwrap();
    let written = store.put(first.clone()).await.unwrap();
    assert!(written.created && written.revision == revision(1));

    let entry = store.get(&identity("colour")).await.unwrap().unwrap();
    assert_eq!(
        (&entry.value, &entry.metadata),
        (&first.value, &first.metadata)
    );
    assert_eq!((&entry.tags, entry.id), (&first.tags, written.id));
    assert_eq!(entry.created_at, entry.updated_at);

    let second = store.put(draft("colour", "green")).await.unwrap();
    assert!(!second.created && second.revision == revision(2) && second.id == written.id);
    let entry = store.get(&identity("colour")).await.unwrap().unwrap();
    assert_eq!(entry.value.as_str(), "green");
    assert_eq!(entry.tags, Tags::default(), "a write says all of the entry");
    assert_eq!(store.get(&identity("color")).await.unwrap(), None);
}

#[tokio::test]
async fn a_writer_that_expects_something_else_learns_what_is() {
    let store = stage().await;
    let absent = |value| expecting(draft("a", value), Expected::Absent);
    let at = |number, value| expecting(draft("a", value), Expected::Revision(revision(number)));
    let conflict = |written: Result<Written, StoreError>| match written {
        Err(StoreError::Conflict { current }) => current.map(Revision::get),
        other => panic!("{other:?}"),
    };

    assert_eq!(conflict(store.put(at(1, "x")).await), None);
    assert_eq!(store.put(absent("1")).await.unwrap().revision, revision(1));
    assert_eq!(conflict(store.put(absent("x")).await), Some(1));
    assert_eq!(store.put(at(1, "2")).await.unwrap().revision, revision(2));
    assert_eq!(conflict(store.put(at(1, "x")).await), Some(2));
    let deleted = store.delete(identity("a"), Some(revision(1))).await;
    let message = deleted.unwrap_err().to_string();
    assert_eq!(message, "the entry has revision 2 now");
    assert_eq!(value(&store, "a").await.as_deref(), Some("2"));
}

#[tokio::test]
async fn what_was_deleted_stays_in_history_and_revisions_go_on() {
    let store = stage().await;
    store.put(draft("a", "one")).await.unwrap();
    store.put(draft("a", "two")).await.unwrap();
    let deleted = store.delete(identity("a"), None).await.unwrap();
    assert_eq!(deleted, Some(revision(3)));
    assert_eq!(store.delete(identity("a"), None).await.unwrap(), None);
    assert_eq!(value(&store, "a").await, None);
    let again = store.put(draft("a", "four")).await.unwrap();
    assert!(again.created && again.revision == revision(4));

    let history = |before, limit| {
        let store = &store;
        async move {
            let versions = store.history(&identity("a"), before, most(limit)).await;
            let versions = versions.unwrap().into_iter();
            versions
                .map(|version| (version.revision.get(), version.value.map(String::from)))
                .collect::<Vec<_>>()
        }
    };
    let said = |number, value: &str| (number, Some(value.to_owned()));
    let all = [said(4, "four"), (3, None), said(2, "two"), said(1, "one")];
    assert_eq!(history(None, 10).await, all);
    assert_eq!(history(Some(revision(4)), 2).await, all[1..3]);
}

#[tokio::test]
async fn an_entry_is_gone_at_its_time_for_everyone() {
    let store = stage().await;
    let end = Timestamp::now().after(Duration::from_hours(1));
    let mut short = draft("a", "secret");
    short.expires_at = Some(end);
    store.put(short).await.unwrap();
    let at = |millis| store.get_all_at(&[], Timestamp::from_millis(millis));
    assert!(at(0).await.unwrap().is_empty());
    let (wanted, all) = ([identity("a")], Filter::default());
    for (millis, there) in [(-1, true), (0, false), (1, false)] {
        let now = Timestamp::from_millis(end.as_millis() + millis);
        let found = store.get_all_at(&wanted, now).await.unwrap();
        assert_eq!(found[0].is_some(), there, "{millis} ms from the end");
        let page = list::page(&store.readers, &all, None, most(9), now);
        assert_eq!(page.await.unwrap().total, u64::from(there));
    }
    assert_eq!(store.next_expiry().await.unwrap(), Some(end));
}

#[tokio::test]
async fn a_write_after_the_end_begins_a_new_life_and_a_sweep_removes_the_rest() {
    let store = stage().await;
    let past = Timestamp::from_millis(Timestamp::now().as_millis() - 1000);
    for key in ["a", "b", "c"] {
        let mut old = draft(key, "passing");
        old.expires_at = Some(past);
        store.put(old).await.unwrap();
    }
    assert_eq!(store.stats().await.unwrap().expired, 3);
    let absent = expecting(draft("a", "new"), Expected::Absent);
    let again = store.put(absent).await.unwrap();
    assert!(again.created && again.revision == revision(3));
    assert_eq!(store.delete(identity("b"), None).await.unwrap(), None);

    assert_eq!(
        store.sweep(most(10)).await.unwrap(),
        1,
        "b went when it was deleted"
    );
    assert_eq!(indexed(&store, "passing").await, [""; 0]);
    let history = store.history(&identity("c"), None, most(9)).await.unwrap();
    assert_eq!((history.len(), &history[0].value), (2, &None));
    assert_eq!(history[0].updated_at, past, "gone when it expired");
}

#[tokio::test]
async fn changes_are_told_in_order_and_to_other_openers() {
    let store = stage().await;
    let other = open(&store.path).await.unwrap();
    let start = other.token().await.unwrap();
    store.put(draft("a", "1")).await.unwrap();
    store.put(draft("b", "1")).await.unwrap();
    store.delete(identity("a"), None).await.unwrap();
    assert!(other.token().await.unwrap() > start);

    let Changes::Since(first, next) = other.changes(start, most(2)).await.unwrap() else {
        panic!("nothing is lost");
    };
    let Changes::Since(rest, end) = other.changes(next, most(2)).await.unwrap() else {
        panic!("nothing is lost");
    };
    let told: Vec<_> = first.iter().chain(&rest).collect();
    let told = told
        .iter()
        .map(|change| (change.identity.key.as_str(), change.revision.get()));
    assert_eq!(told.collect::<Vec<_>>(), [("a", 1), ("b", 1), ("a", 2)]);
    assert_eq!(end, other.token().await.unwrap());

    sqlx::query("DELETE FROM knowledge_change WHERE seq < 3")
        .execute(
            &mut connection::open_to_write(&store.path, &store.config)
                .await
                .unwrap(),
        )
        .await
        .unwrap();
    assert_eq!(
        other.changes(start, most(9)).await.unwrap(),
        Changes::Lost(end)
    );
    let kept = other.changes(next, most(9)).await.unwrap();
    assert!(matches!(kept, Changes::Since(changes, _) if changes.len() == 1));
}

#[tokio::test]
async fn the_index_follows_every_write_and_can_be_made_anew() {
    let store = stage().await;
    store.put(draft("a", "running shoes")).await.unwrap();
    store.put(draft("b", "a café that runs")).await.unwrap();
    assert_eq!(indexed(&store, "run").await, ["a", "b"]);
    assert_eq!(indexed(&store, "cafe").await, ["b"]);
    store.put(draft("a", "walking")).await.unwrap();
    store.delete(identity("b"), None).await.unwrap();
    assert_eq!(indexed(&store, "run").await, [""; 0]);
    assert_eq!(indexed(&store, "walk").await, ["a"]);
    assert_eq!(store.check(Depth::Indexes).await.unwrap(), [""; 0]);

    let mut vandal = connection::open_to_write(&store.path, &store.config)
        .await
        .unwrap();
    let spoil = "INSERT INTO knowledge_fts (knowledge_fts, rowid, key, value, category, tags)
        VALUES ('delete', 1, 'a', 'walking', 'general', '[]')";
    sqlx::query(spoil).execute(&mut vandal).await.unwrap();
    let wrong = store.check(Depth::Indexes).await.unwrap();
    assert!(
        wrong.iter().any(|line| line.contains("full-text")),
        "{wrong:?}"
    );
    store.rebuild_index().await.unwrap();
    assert_eq!(store.check(Depth::Indexes).await.unwrap(), [""; 0]);
    assert_eq!(indexed(&store, "walk").await, ["a"]);
}

#[tokio::test]
async fn stats_count() {
    let store = stage().await;
    let mut other = draft("a", "1");
    other.identity.category = "work".parse().unwrap();
    store
        .put_all(vec![draft("a", "1"), draft("b", "1"), other])
        .await
        .unwrap();
    store.put(draft("a", "2")).await.unwrap();
    let stats = store.stats().await.unwrap();
    assert_eq!((stats.entries, stats.expired, stats.history), (3, 0, 1));
    let groups = stats
        .groups
        .iter()
        .map(|group| (group.category.as_str(), group.entries));
    assert_eq!(groups.collect::<Vec<_>>(), [("general", 2), ("work", 1)]);
    assert!(stats.bytes > 4096);
}
