//! Entries on their way from one file to another, and a backup back in its place.

use std::time::Duration;

use super::*;

async fn exported(store: &Store, filter: Filter, history: bool) -> Vec<Record> {
    let mut exporter = store.export(filter, history).await.unwrap();
    let mut records = Vec::new();
    loop {
        let page = exporter.next().await.unwrap();
        if page.is_empty() {
            return records;
        }
        records.extend(page);
    }
}

async fn everything(store: &Store) -> Vec<Record> {
    exported(store, Filter::default(), true).await
}

/// Entries with a past, one that was deleted, one that came back, one that expired.
async fn with_a_past() -> Stage {
    let stage = stage().await;
    for value in ["one", "two", "three"] {
        stage.put(draft("kept", value)).await.unwrap();
    }
    stage.put(draft("gone", "once")).await.unwrap();
    stage.delete(identity("gone"), None).await.unwrap();
    stage.put(draft("back", "before")).await.unwrap();
    stage.delete(identity("back"), None).await.unwrap();
    stage.put(draft("back", "after")).await.unwrap();
    let mut passing = draft("passing", "short");
    passing.expires_at = Some(Timestamp::now().after(Duration::from_millis(1)));
    stage.put(passing).await.unwrap();
    let mut lasting = draft("lasting", "long");
    lasting.expires_at = Some(Timestamp::now().after(Duration::from_hours(1)));
    lasting.tags = serde_json::from_str(r#"["a", "b"]"#).unwrap();
    lasting.metadata = serde_json::from_str(r#"{"n": [1, {"x": null}]}"#).unwrap();
    stage.put(lasting).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    stage
}

#[tokio::test]
async fn a_round_trip_loses_nothing() {
    let first = with_a_past().await;
    let sent = everything(&first).await;
    let names: Vec<_> = sent.iter().map(|record| record.key.as_str()).collect();
    assert_eq!(names, ["back", "kept", "lasting", "gone", "passing"]);

    let lines: Vec<String> = sent
        .iter()
        .map(|record| serde_json::to_string(record).unwrap())
        .collect();
    let received = lines.iter().map(|line| serde_json::from_str(line).unwrap());
    let second = stage().await;
    let adopted = second.adopt_all(received.collect(), OnConflict::Fail).await;
    assert_eq!((adopted.unwrap().created, sent.len()), (5, 5));
    assert_eq!(everything(&second).await, sent);
    assert_eq!(indexed(&second, "after").await, ["back"]);
    assert!(second.check(Depth::Indexes).await.unwrap().is_empty());

    for name in ["back", "kept", "gone"] {
        assert_eq!(
            second
                .history(&identity(name), None, most(9))
                .await
                .unwrap(),
            first.history(&identity(name), None, most(9)).await.unwrap(),
        );
    }
    let again = second.put(draft("gone", "again")).await.unwrap();
    assert_eq!((again.revision, again.created), (revision(3), true));
}

#[tokio::test]
async fn a_line_of_another_system_needs_a_key_and_a_value() {
    let stage = stage().await;
    let plain: Record = serde_json::from_str(r#"{"key": "a", "value": "b"}"#).unwrap();
    let adopted = stage
        .adopt_all(vec![plain], OnConflict::Skip)
        .await
        .unwrap();
    assert_eq!(adopted.created, 1);
    let entry = stage.get(&identity("a")).await.unwrap().unwrap();
    assert_eq!(
        (entry.revision, entry.created_at),
        (revision(1), entry.updated_at)
    );
    for bad in [
        r#"{"key": "a"}"#,
        r#"{"value": "b"}"#,
        r#"{"key": "a", "value": "b", "x": 1}"#,
    ] {
        let refused = serde_json::from_str::<Record>(bad);
        assert!(
            refused.is_err() || refused.unwrap().value.is_none(),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn what_is_there_is_treated_as_the_caller_says() {
    let check = async |on_conflict, minutes: i64, expect: Result<(&str, i64), ()>| {
        let stage = stage().await;
        stage.put(draft("a", "ours")).await.unwrap();
        let mut record = everything(&stage).await.remove(0);
        record.value = Some(Value::try_from("theirs".to_owned()).unwrap());
        let when = Timestamp::now().as_millis() + minutes * 60_000;
        record.updated_at = Some(Timestamp::from_millis(when));
        let other: Record = serde_json::from_str(r#"{"key": "b", "value": "x"}"#).unwrap();
        let adopted = stage.adopt_all(vec![other, record], on_conflict).await;
        let entry = stage.get(&identity("a")).await.unwrap().unwrap();
        if let Ok((value, number)) = expect {
            assert_eq!(entry.value.as_str(), value, "{on_conflict:?}");
            assert_eq!(entry.revision, revision(number), "{on_conflict:?}");
            assert_eq!(adopted.unwrap().created, 1);
        } else {
            let error = adopted.unwrap_err();
            assert!(
                matches!(error, StoreError::Item { index: 1, .. }),
                "{error:?}"
            );
            assert_eq!(value(&stage, "b").await, None, "all or nothing");
        }
    };
    check(OnConflict::Skip, 1, Ok(("ours", 1))).await;
    check(OnConflict::Overwrite, -1, Ok(("theirs", 2))).await;
    check(OnConflict::Newer, 1, Ok(("theirs", 2))).await;
    check(OnConflict::Newer, -1, Ok(("ours", 1))).await;
    check(OnConflict::Fail, 1, Err(())).await;
}

#[tokio::test]
async fn a_history_that_does_not_grow_is_refused() {
    let stage = with_a_past().await;
    let mut records = everything(&stage).await;
    let record = records
        .iter_mut()
        .find(|record| record.key.as_str() == "kept");
    record.unwrap().history.reverse();
    let other = super::stage().await;
    let refused = other
        .adopt_all(records, OnConflict::Skip)
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("do not grow"), "{refused}");
    assert!(everything(&other).await.is_empty());
}

#[tokio::test]
async fn filters_choose_what_is_exported() {
    let stage = with_a_past().await;
    let tags = serde_json::from_str(r#"["a"]"#).unwrap();
    let tagged = Filter {
        tags,
        ..Filter::default()
    };
    let keys = |records: Vec<Record>| -> Vec<String> {
        records
            .into_iter()
            .map(|record| record.key.into())
            .collect()
    };
    assert_eq!(keys(exported(&stage, tagged, true).await), ["lasting"]);
    let present = exported(&stage, Filter::default(), false).await;
    assert!(present.iter().all(|record| record.history.is_empty()));
    assert_eq!(keys(present), ["back", "kept", "lasting"]);
}

#[tokio::test]
async fn a_backup_takes_the_place_of_a_file_that_nobody_uses() {
    let stage = with_a_past().await;
    let backup = stage.path.with_file_name("copy.db");
    stage.back_up(&backup).await.unwrap();
    let sent = everything(&stage).await;
    stage.put(draft("later", "lost")).await.unwrap();

    let config = StoreConfig::default();
    let in_use = Store::restore(&stage.path, &backup, &config).await;
    assert!(matches!(in_use, Err(StoreError::Busy)), "{in_use:?}");
    assert_eq!(value(&stage, "later").await.as_deref(), Some("lost"));

    stage.close().await;
    let aside = Store::restore(&stage.path, &backup, &config).await.unwrap();
    let restored = open(&stage.path).await.unwrap();
    assert_eq!(everything(&restored).await, sent);
    let before = open(&aside.unwrap()).await.unwrap();
    assert_eq!(value(&before, "later").await.as_deref(), Some("lost"));

    let missing = Store::restore(&stage.path, &stage.path.with_file_name("none"), &config).await;
    assert!(missing.is_err());
    assert_eq!(everything(&restored).await, sent);
}

#[tokio::test]
async fn a_long_past_comes_in_parts_and_arrives_whole() {
    let first = stage().await;
    let large = "x".repeat((1 << 20) - 10);
    for n in 0..12 {
        let text = format!("{n}{large}");
        first.put(draft("long", &text)).await.unwrap();
    }
    first.put(draft("short", "s")).await.unwrap();
    first.put(draft("gone", &large)).await.unwrap();
    first.delete(identity("gone"), None).await.unwrap();
    let sent = everything(&first).await;
    let lines: Vec<String> = sent
        .iter()
        .map(|record| serde_json::to_string(record).unwrap())
        .collect();
    assert!(lines.iter().all(|line| line.len() < 11 << 20));
    assert!(sent.len() > 3, "the long past is more than one record");

    let second = stage().await;
    for line in &lines {
        let record = serde_json::from_str(line).unwrap();
        second
            .adopt_all(vec![record], OnConflict::Skip)
            .await
            .unwrap();
    }
    assert_eq!(everything(&second).await, sent);
    let entry = second.get(&identity("long")).await.unwrap().unwrap();
    assert_eq!(entry.revision, revision(12));
    assert_eq!(
        entry,
        Entry {
            id: entry.id,
            ..first.get(&identity("long")).await.unwrap().unwrap()
        }
    );
    let again = second.adopt_all(sent, OnConflict::Skip).await.unwrap();
    assert_eq!((again.created, again.updated), (0, 0));
}

#[tokio::test]
async fn what_the_original_system_wrote_out_of_bounds_comes_back_as_it_was() {
    let line = r#"{"source":"user","category":"","key":"","value":"v","metadata":{},"tags":[""],"revision":1,"created_at":"2026-01-01T00:00:00.000Z","updated_at":"2026-01-01T00:00:00.000Z"}"#;
    let record: Record = serde_json::from_str(line).unwrap();
    assert_eq!(serde_json::to_string(&record).unwrap(), line);
    let stage = stage().await;
    stage
        .adopt_all(vec![record.clone()], OnConflict::Skip)
        .await
        .unwrap();
    assert_eq!(everything(&stage).await, [record]);
    let written_by_hand = line.replace(r#","revision":1"#, "");
    let error = serde_json::from_str::<Record>(&written_by_hand).unwrap_err();
    assert!(error.to_string().contains("is empty"), "{error}");
}

#[test]
fn revisions_that_leave_no_room_are_refused() {
    for (number, fits) in [
        (1_u64 << 31, true),
        ((1 << 31) + 1, false),
        (u64::from(u32::MAX), false),
    ] {
        let line = format!(r#"{{"key":"a","value":"v","revision":{number}}}"#);
        assert_eq!(
            serde_json::from_str::<Record>(&line).is_ok(),
            fits,
            "{number}"
        );
    }
}

#[tokio::test]
async fn what_was_forgotten_later_stays_forgotten_where_the_newer_wins() {
    let stage = stage().await;
    stage.put(draft("a", "one")).await.unwrap();
    let sent = exported(&stage, Filter::default(), false).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    stage.delete(identity("a"), None).await.unwrap();
    let newer = stage
        .adopt_all(sent.clone(), OnConflict::Newer)
        .await
        .unwrap();
    assert_eq!((newer.created, newer.kept), (0, 1));
    let skip = stage.adopt_all(sent, OnConflict::Skip).await.unwrap();
    assert_eq!(skip.created, 1, "what is not there is no conflict");
}
