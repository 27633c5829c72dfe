//! The reference memory server's file.

use std::fmt::Write;

use serde_json::json as object;

use super::*;

const LINES: &str = r#"{"type":"entity","name":"Ann","entityType":"person","observations":["likes tea","speaks Norwegian"]}
{"type":"entity","name":"Ann","entityType":"ship","observations":[]}

{"type":"entity","name":"Empty","entityType":"","observations":["x"],"createdAt":"2025-01-01"}
{"type":"relation","from":"Ann","to":"Empty","relationType":"knows"}
{"type":"relation","from":"Ann","to":"Nobody","relationType":"misses","weight":2}
{"type":"relation","from":"Ghost","to":"Ann","relationType":"haunts"}"#;

#[tokio::test]
async fn entities_become_entries_and_relations_stay_with_them() {
    let stage = stage().await;
    let file = stage.text("memory.jsonl", LINES);
    let (_, told) = stage.all(Origin::Reference, &file).await;
    assert!(told.refused.is_empty(), "{told:?}");
    assert_eq!(
        stage.keys().await,
        [
            "user/general/Empty",
            "user/person/Ann",
            "user/relation/Ghost",
            "user/ship/Ann"
        ]
    );
    let ann = stage.entry("user/person/Ann").await;
    assert_eq!(ann.value.as_str(), "likes tea\nspeaks Norwegian");
    let relations = object!({ "relations": [
        { "to": "Empty", "type": "knows" },
        { "to": "Nobody", "type": "misses", "weight": 2 },
    ] });
    assert_eq!(json(&ann), relations);
    let modified = std::fs::metadata(&file).unwrap().modified().unwrap();
    let seconds = modified.duration_since(std::time::UNIX_EPOCH).unwrap();
    let millis = i64::try_from(seconds.as_millis()).unwrap();
    assert_eq!(ann.updated_at.as_millis(), millis);
    let ghost = stage.entry("user/relation/Ghost").await;
    assert_eq!(ghost.value.as_str(), "Ghost haunts Ann");
    let empty = stage.entry("user/general/Empty").await;
    assert_eq!(json(&empty), object!({ "createdAt": "2025-01-01" }));
}

#[tokio::test]
async fn bad_lines_are_named_and_the_others_come_in() {
    let stage = stage().await;
    let long = "x".repeat(1100);
    let lines = [
        "\u{feff}{\"type\":\"entity\",\"name\":\"first\",\"entityType\":\"t\",\"observations\":[1,{\"a\":2}]}\r",
        "{\"type\":\"entity\",\"name\":\"torn\",\"entityTy",
        "{\"type\":\"thought\",\"name\":\"x\"}",
        "[]",
        &format!(
            "{{\"type\":\"entity\",\"name\":\"{long}\",\"entityType\":\"t\",\"observations\":[]}}"
        ),
        r#"{"type":"entity","name":"nul","entityType":"t","observations":["a\u0000b"]}"#,
        r#"{"type":"entity","name":"half","entityType":"t","observations":["\ud800"]}"#,
        r#"{"type":"entity","name":"first","entityType":"t","observations":["again"]}"#,
        r#"{"type":"entity","name":"last","entityType":"t","observations":["fine"]}"#,
    ];
    let file = stage.text("memory.jsonl", &lines.join("\n"));
    let (outcome, told) = stage.all(Origin::Reference, &file).await;
    assert_eq!((outcome.read, outcome.adopted.created), (9, 2));
    let first = stage.entry("user/t/first").await;
    assert_eq!(first.value.as_str(), "1\n{\"a\":2}");
    stage.entry("user/t/last").await;
    let expected = [
        "line 2: ",
        "line 3: unknown variant `thought`",
        "line 4: ",
        "line 5, entity `xxx",
        "line 6, entity `nul`: the value holds a control character, U+0000",
        "line 7: ",
        "line 8, entity `first`: the file has another entry that becomes user/t/first",
    ];
    for (line, expected) in told.refused.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}\n{expected}");
    }
}

#[tokio::test]
async fn relations_that_metadata_cannot_hold_stand_alone() {
    let stage = stage().await;
    let mut lines =
        r#"{"type":"entity","name":"hub","entityType":"t","observations":["x"]}"#.to_owned();
    for number in 0..2000 {
        write!(
            lines,
            "\n{{\"type\":\"relation\",\"from\":\"hub\",\"to\":\"spoke number {number}\",\"relationType\":\"has\"}}"
        )
        .unwrap();
    }
    let file = stage.text("memory.jsonl", &lines);
    let (outcome, _) = stage.all(Origin::Reference, &file).await;
    assert_eq!((outcome.read, outcome.adopted.created), (2, 2));
    assert_eq!(json(&stage.entry("user/t/hub").await), object!({}));
    let alone = stage.entry("user/relation/hub").await;
    assert_eq!(alone.value.as_str().lines().count(), 2000);
}

#[tokio::test]
async fn a_line_without_end_is_named() {
    let stage = stage().await;
    let length = usize::try_from(text::LONGEST_LINE).unwrap();
    let mut lines = "x".repeat(length + 10);
    lines.push_str(
        "\n{\"type\":\"entity\",\"name\":\"a\",\"entityType\":\"t\",\"observations\":[]}\n",
    );
    let file = stage.text("memory.jsonl", &lines);
    let (outcome, told) = stage.all(Origin::Reference, &file).await;
    assert_eq!((outcome.read, outcome.adopted.created), (2, 1));
    assert_eq!(told.refused, ["line 1: it is longer than 16777216 bytes"]);
}
