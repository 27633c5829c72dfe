//! Text of any kind comes back as it was given.

use std::fs;

use mcp_tests::{Dice, Era, Peer, Setup, Stdio};
use serde_json::{Value, json};

/// Texts that are easily taken for one another, or cut in the middle.
const HARD: [&str; 18] = [
    "é",
    "e\u{301}",
    "Å",
    "A\u{30a}",
    "\u{212b}",
    "ﬁ",
    "fi",
    "ß",
    "ẞ",
    "SS",
    "İ",
    "i\u{307}",
    "👩\u{200d}👩\u{200d}👧\u{200d}👦",
    "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
    "\u{202e}drowssap\u{202c}",
    "שלום עליכם",
    "z\u{300}\u{301}\u{302}\u{303}\u{304}",
    "\u{10ffff}\u{e000}\u{fffd}\u{feff}",
];

/// A character of any plane that may stand in a key.
fn character(dice: &mut Dice) -> char {
    loop {
        let last = [0x7f, 0x7ff, 0xffff, 0x10_ffff][dice.index(4)];
        let number = u32::try_from(dice.roll(0x20..last)).unwrap();
        match char::from_u32(number) {
            Some(found) if !found.is_control() => return found,
            _ => {}
        }
    }
}

fn text(dice: &mut Dice, length: usize) -> String {
    (0..length).map(|_| character(dice)).collect()
}

/// Keys and values, all different.
fn facts() -> Vec<(String, String)> {
    let mut dice = Dice::new("unicode");
    let hard = HARD
        .iter()
        .map(|text| ((*text).to_owned(), format!("{text}\n\t{text}")));
    let mut facts: Vec<(String, String)> = hard.collect();
    for n in 0..60 {
        let (key, value) = (dice.index(40), dice.index(400));
        let key = format!("k{n}{}", text(&mut dice, key));
        facts.push((key, text(&mut dice, value)));
    }
    facts.push((text(&mut dice, 1000) + "longest", "𝒳".repeat(1 << 18)));
    facts
}

fn write(server: &mut Stdio, facts: &[(String, String)]) {
    for (key, value) in facts {
        let written = server.succeed("remember", json!({ "key": key, "value": value }));
        assert_eq!(
            written["created"], true,
            "{key:?} was taken for another key"
        );
    }
}

#[track_caller]
fn assert_kept(server: &mut Stdio, facts: &[(String, String)]) {
    for (key, value) in facts {
        let entry = server.succeed("recall", json!({ "key": key }));
        assert!(
            entry["key"] == json!(key) && entry["value"] == json!(value),
            "{key:?} {value:.100?}: {:.300}",
            entry.to_string()
        );
    }
    assert_eq!(
        server.succeed("list_memories", json!({ "limit": 1 }))["total"],
        facts.len()
    );
}

#[test]
fn text_of_every_plane_survives_every_way_through() {
    let facts = facts();
    let mut first = Setup::memory().stdio(Era::Modern);
    write(&mut first, &facts);
    assert_kept(&mut first, &facts);
    first.succeed("export_knowledge", json!({ "path": "all.jsonl" }));
    let exported = fs::read(first.stage.path("home/memory/exports/all.jsonl")).unwrap();
    let lines = String::from_utf8(exported).unwrap();
    let record = |line| {
        let record: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| record[name].as_str().unwrap().to_owned();
        (text("key"), text("value"))
    };
    let mut records: Vec<(String, String)> = lines.lines().map(record).collect();
    let mut expect = facts.clone();
    records.sort();
    expect.sort();
    assert!(records == expect, "the export says something else");

    let mut second = Setup::memory().stdio(Era::Modern);
    second.succeed("clear_cache", json!({}));
    second.refused("import_knowledge", json!({ "path": "all.jsonl" }));
    second.stage.file("home/memory/exports/all.jsonl", lines);
    let read = second.succeed("import_knowledge", json!({ "path": "all.jsonl" }));
    assert_eq!(read["created"], facts.len(), "{read}");
    assert_kept(&mut second, &facts);
    for server in [&mut first, &mut second] {
        assert_found(server);
    }
}

/// Words in several scripts, forms and cases are found by a search.
#[track_caller]
fn assert_found(server: &mut Stdio) {
    for (key, value, query) in [
        ("s1", "Crème brûlée", "creme brulee"),
        ("s2", "Привет, мир", "привет"),
        ("s3", "שלום לכולם", "לכולם"),
        ("s4", "Πλάτων", "πλατων"),
        ("s5", "cafe\u{301} noir", "café"),
    ] {
        server.succeed(
            "remember",
            json!({ "key": key, "value": value, "category": "words" }),
        );
        let query = json!({ "query": query, "category": "words", "mode": "text" });
        let found = server.succeed("search_knowledge", query);
        assert_eq!(found["results"][0]["key"], key, "{found}");
        assert_eq!(
            server.succeed("recall", json!({ "key": key, "category": "words" }))["value"],
            value
        );
    }
}

#[test]
fn characters_that_control_a_terminal_are_kept_and_not_shown() {
    let mut server = Setup::memory().stdio(Era::Modern);
    let value = "a\u{1b}[31m\u{7}\u{9b}b\r\n\tc";
    server.succeed("remember", json!({ "key": "a", "value": value }));
    let shown = server.call("recall", json!({ "key": "a" }));
    assert!(
        !shown.text().contains(['\u{1b}', '\u{7}', '\u{9b}']),
        "{}",
        shown.text()
    );
    server.succeed("export_knowledge", json!({ "path": "all.jsonl" }));
    let exported = fs::read(server.stage.path("home/memory/exports/all.jsonl")).unwrap();
    let record: Value = serde_json::from_slice(&exported).unwrap();
    assert_eq!(record["value"], value);
}
