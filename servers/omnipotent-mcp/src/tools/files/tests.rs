//! The three tools over real files: pages, encodings, refusals.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests look at the files from outside"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use mcp_security::paths::{FilesConfig, Roots, Surroundings};
use mcp_toolcall::{Call, Caller, Tool};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::batch_read_files::BatchReadFiles;
use super::read_file_secure::ReadFileSecure;
use super::write_file_secure::WriteFileSecure;

struct Desk {
    directory: TempDir,
    roots: Roots,
}

impl Desk {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let around = Surroundings {
            working_directory: directory.path(),
            homes: &[],
        };
        let roots = FilesConfig::default().build(&around).unwrap();
        Self { directory, roots }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn put(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).unwrap();
    }

    async fn read(&self, args: Value) -> Value {
        call(
            &ReadFileSecure {
                roots: self.roots.clone(),
            },
            args,
        )
        .await
    }

    async fn write(&self, args: Value) -> Value {
        call(
            &WriteFileSecure {
                roots: self.roots.clone(),
            },
            args,
        )
        .await
    }

    async fn batch(&self, args: Value) -> Value {
        call(
            &BatchReadFiles {
                roots: self.roots.clone(),
            },
            args,
        )
        .await
    }

    /// All pages of `name`, one after the other.
    async fn pages(&self, mut args: Value) -> Vec<Value> {
        let mut pages = Vec::new();
        loop {
            let page = self.read(args.clone()).await;
            assert!(page["content"].is_string(), "{page}");
            let next = page["next_offset"].clone();
            assert_eq!(page["truncated"], json!(!next.is_null()));
            pages.push(page);
            if next.is_null() {
                return pages;
            }
            args["offset"] = next;
        }
    }
}

/// The reply of a call, or its error, as JSON.
async fn call<T: Tool>(tool: &T, args: Value) -> Value {
    let call = Call::unwatched(Caller::new("test"));
    let args = serde_json::from_value(args).unwrap();
    let outcome = match tool.vet(args, &call).await {
        Ok(plan) => tool.run(plan, &call).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(reply) => serde_json::to_value(reply).unwrap(),
        Err(error) => serde_json::from_str(&error.to_json()).unwrap(),
    }
}

fn joined(pages: &[Value]) -> String {
    pages
        .iter()
        .map(|page| page["content"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn reads_a_whole_file_with_its_hash() {
    let desk = Desk::new();
    desk.put("abc", b"abc");
    let expected = json!({
        "path": desk.path("abc"),
        "size": 3,
        "content": "abc",
        "lines": 1,
        "encoding": "utf-8",
        "truncated": false,
        "offset": 0,
        "next_offset": null,
        "hash": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    });
    assert_eq!(desk.read(json!({"path": "abc"})).await, expected);
    desk.put("empty", b"");
    let empty = desk.read(json!({"path": "empty"})).await;
    assert_eq!(
        (&empty["content"], &empty["lines"]),
        (&json!(""), &json!(0))
    );
    assert_eq!(empty["truncated"], false);
}

#[tokio::test]
async fn pages_put_together_are_the_file() {
    let desk = Desk::new();
    let mut text = String::new();
    for line in 0..400 {
        writeln!(text, "{line} é漢字🦀 \"quoted\" \u{feff}end").unwrap();
    }
    let legacy = text
        .replace('🦀', "か")
        .replace('\u{feff}', "")
        .replace('é', "ｶ");
    for (encoding, text) in [
        ("utf-8", &text),
        ("utf-8-bom", &text),
        ("utf-16le", &text),
        ("utf-16be-bom", &text),
        ("gb18030", &text),
        ("shift_jis", &legacy),
        ("iso-2022-jp", &legacy.replace('ｶ', "カ")),
        ("euc-jp", &legacy),
    ] {
        let written = desk
            .write(json!({"path": "f", "content": text, "encoding": encoding}))
            .await;
        assert_eq!(
            written["size"],
            fs::metadata(desk.path("f")).unwrap().len(),
            "{written}"
        );
        for bounds in [json!({"max_bytes": 97}), json!({"max_lines": 7}), json!({})] {
            let mut args = json!({"path": "f", "encoding": encoding});
            args.as_object_mut()
                .unwrap()
                .extend(bounds.as_object().unwrap().clone());
            let pages = desk.pages(args.clone()).await;
            assert!(joined(&pages) == *text, "{args}");
            assert_eq!(pages[0]["encoding"], encoding);
            let lines = pages.iter().map(|page| page["lines"].as_u64().unwrap());
            assert!(lines.max() <= args["max_lines"].as_u64().or(Some(400)));
            let one = pages.len() == 1;
            assert_eq!(
                pages[0]["hash"],
                if one {
                    written["hash"].clone()
                } else {
                    Value::Null
                }
            );
        }
    }
}

#[tokio::test]
async fn bytes_go_through_as_base64() {
    let desk = Desk::new();
    let bytes: Vec<u8> = (0..=255).collect();
    desk.put("bytes", &bytes);
    let pages = desk
        .pages(json!({"path": "bytes", "encoding": "base64", "max_bytes": 50}))
        .await;
    assert_eq!(pages.len(), 8);
    desk.write(json!({"path": "copy", "content": joined(&pages), "encoding": "base64"}))
        .await;
    assert_eq!(fs::read(desk.path("copy")).unwrap(), bytes);
}

#[tokio::test]
async fn reads_the_last_lines() {
    let desk = Desk::new();
    let text: String = (0..100_000).fold(String::new(), |text, line| text + &format!("é{line}\n"));
    desk.put("log", text.as_bytes());
    let tail = desk.read(json!({"path": "log", "tail": 2})).await;
    assert_eq!(tail["content"], "é99998\né99999\n");
    assert_eq!(
        (&tail["truncated"], &tail["hash"]),
        (&json!(false), &Value::Null)
    );
    let again = desk
        .read(json!({"path": "log", "offset": tail["offset"]}))
        .await;
    assert_eq!(again["content"], tail["content"]);
    let short = desk
        .read(json!({"path": "log", "tail": 50, "max_bytes": 20}))
        .await;
    assert_eq!(
        (&short["content"], &short["truncated"]),
        (&json!("é99998\né99999\n"), &json!(true))
    );
    desk.put("one", b"only\nlast");
    let all = desk.read(json!({"path": "one", "tail": 5})).await;
    assert_eq!(
        (&all["content"], &all["truncated"]),
        (&json!("only\nlast"), &json!(false))
    );
    assert!(all["hash"].is_string());
    assert_eq!(
        desk.read(json!({"path": "one", "tail": 1})).await["content"],
        "last"
    );
}

#[tokio::test]
async fn a_start_inside_a_character_moves_to_the_next() {
    let desk = Desk::new();
    desk.put("f", "a漢字".as_bytes());
    let page = desk.read(json!({"path": "f", "offset": 2})).await;
    assert_eq!(
        (&page["content"], &page["offset"]),
        (&json!("字"), &json!(4))
    );
}

#[tokio::test]
async fn refuses_text_that_its_encoding_does_not_have() {
    let desk = Desk::new();
    desk.put("latin", b"caf\xe9 noir");
    desk.put("wide", b"\xff\xfea\0");
    desk.put("cut", b"ab\xe6\xbc");
    let check = async |path: &str, encoding: &str, error: &str| {
        let reply = desk.read(json!({"path": path, "encoding": encoding})).await;
        assert_eq!(
            (&reply["code"], &reply["error"]),
            (&json!("unsupported_encoding"), &json!(error))
        );
        assert!(reply["hint"].is_string());
    };
    check("latin", "utf-8", "byte 3 of the file is not valid utf-8").await;
    check("cut", "utf-8", "byte 2 of the file is not valid utf-8").await;
    let marked = "the file is not utf-8: it starts with the byte order mark of utf-16le";
    check("wide", "utf-8", marked).await;
    check("latin", "klingon", "the encoding `klingon` is not known").await;
    let text = async |path: &str, encoding: &str| {
        desk.read(json!({"path": path, "encoding": encoding})).await["content"].clone()
    };
    assert_eq!(text("latin", "latin-1").await, "café noir");
    assert_eq!(text("wide", "utf-16").await, "a");
}

#[tokio::test]
async fn writes_no_text_that_its_encoding_does_not_have() {
    let desk = Desk::new();
    let check = async |content: &str, encoding: &str, code: &str, error: &str| {
        let args = json!({"path": "n", "content": content, "encoding": encoding});
        let reply = desk.write(args).await;
        assert_eq!(
            (&reply["code"], &reply["error"]),
            (&json!(code), &json!(error))
        );
        assert!(!desk.path("n").exists());
    };
    let error = "the character U+6F22 does not exist in windows-1252";
    check("漢", "latin-1", "unsupported_encoding", error).await;
    check(
        "?",
        "base64",
        "invalid_argument",
        "the content is not valid base64",
    )
    .await;
}

#[tokio::test]
async fn refusals_say_what_would_work() {
    let desk = Desk::new();
    desk.put("file", b"x");
    let check = async |args: Value, code: &str| {
        let read = desk.read(args.clone()).await;
        assert_eq!(read["code"], code, "{args}");
        assert!(
            read["hint"].is_string() || read["field"].is_string(),
            "{read}"
        );
    };
    check(json!({"path": "/etc/hostname"}), "path_denied").await;
    check(json!({"path": "/etc/passwd"}), "path_denied").await;
    check(json!({"path": ".env"}), "path_denied").await;
    check(json!({"path": "missing"}), "not_found").await;
    check(json!({"path": "."}), "invalid_argument").await;
    check(json!({"path": "a\u{0}b"}), "invalid_argument").await;
    check(json!({"path": "file/x"}), "invalid_argument").await;
    check(
        json!({"path": "file", "tail": 1, "offset": 0}),
        "invalid_argument",
    )
    .await;
    check(
        json!({"path": "file", "tail": 1, "encoding": "base64"}),
        "invalid_argument",
    )
    .await;
    let inside = desk
        .read(json!({"path": "/etc/hostname"}))
        .await
        .to_string();
    let outside = desk
        .read(json!({"path": "/etc/hostnone"}))
        .await
        .to_string();
    assert_eq!(inside.replace("hostname", "hostnone"), outside);
}

#[tokio::test]
async fn writes_in_three_modes() {
    let desk = Desk::new();
    let write = async |content: &str, mode: &str| {
        let reply = desk
            .write(json!({"path": "a/f", "content": content, "mode": mode}))
            .await;
        reply
            .get("code")
            .cloned()
            .unwrap_or_else(|| reply["created"].clone())
    };
    assert_eq!(write("one", "create_new").await, true);
    assert_eq!(write("two", "create_new").await, "conflict");
    assert_eq!(write("+", "append").await, false);
    assert_eq!(fs::read(desk.path("a/f")).unwrap(), b"one+");
    assert_eq!(write("new", "overwrite").await, false);
    assert_eq!(fs::read(desk.path("a/f")).unwrap(), b"new");
}

#[tokio::test]
async fn a_hash_from_a_read_guards_the_write() {
    let desk = Desk::new();
    desk.put("f", b"one");
    let hash = desk.read(json!({"path": "f"})).await["hash"].clone();
    let args = json!({"path": "f", "content": "two", "expected_hash": hash});
    assert_eq!(desk.write(args.clone()).await["size"], 3);
    assert_eq!(desk.write(args).await["code"], "conflict");
    let bad = json!({"path": "f", "content": "", "expected_hash": "z".repeat(64)});
    assert_eq!(desk.write(bad).await["field"], "expected_hash");
}

#[tokio::test]
async fn one_bad_entry_fails_no_other() {
    let desk = Desk::new();
    desk.put("small", b"s");
    desk.put("large", &vec![b'l'; 300_000]);
    let reply = desk
        .batch(json!({"paths": ["small", "missing", "large", "/etc/shadow", "small"]}))
        .await;
    assert_eq!(
        (&reply["total"], &reply["successful"]),
        (&json!(5), &json!(3))
    );
    let lengths = reply["results"].as_array().unwrap().iter().map(|entry| {
        entry["content"]
            .as_str()
            .map_or_else(|| entry["code"].clone(), |text| json!(text.len()))
    });
    let expected = [
        json!(1),
        json!("not_found"),
        json!(300_000),
        json!("path_denied"),
        json!(1),
    ];
    assert_eq!(lengths.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_batch_is_cut_where_the_answer_is_full() {
    let desk = Desk::new();
    for name in ["a", "b", "c"] {
        desk.put(name, &vec![b'"'; 4_000_000]);
    }
    let reply = desk.batch(json!({"paths": ["a", "b", "c"]})).await;
    let entry = |at: usize| &reply["results"][at];
    assert_eq!(reply["successful"], 3);
    assert_eq!(entry(2)["truncated"], true);
    assert_eq!(
        entry(2)["next_offset"],
        entry(2)["content"].as_str().unwrap().len()
    );
    let cost: usize = (0..3)
        .map(|at| mcp_toolcall::fit::cost_of(entry(at)["content"].as_str().unwrap()))
        .sum();
    assert!(cost <= 16 * 1024 * 1024, "{cost}");
}
