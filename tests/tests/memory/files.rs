//! Entries on their way to files and back.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use mcp_tests::{Era, Peer, Setup, Stdio};
use serde_json::json;

fn server() -> Stdio {
    let mut server = Setup::memory().stdio(Era::Modern);
    for value in ["one", "two"] {
        server.succeed(
            "remember",
            json!({ "key": "a", "value": value, "category": "x" }),
        );
    }
    server.succeed(
        "remember",
        json!({ "key": "b", "value": "é\n\"", "tags": ["t"] }),
    );
    server.succeed("forget", json!({ "key": "b" }));
    server
}

fn exports(server: &Stdio) -> std::path::PathBuf {
    server.stage.path("home/memory/exports")
}

#[test]
fn an_export_read_back_is_the_same_memory() {
    let mut first = server();
    let written = first.succeed("export_knowledge", json!({ "path": "all.jsonl" }));
    assert_eq!(
        (&written["entries"], &written["gone"]),
        (&json!(1), &json!(1))
    );
    let text = fs::read(exports(&first).join("all.jsonl")).unwrap();

    let mut second = Setup::memory().stdio(Era::Modern);
    second.succeed("clear_cache", json!({}));
    let refused = second.refused("import_knowledge", json!({ "path": "all.jsonl" }));
    assert_eq!(refused["code"], "not_found");
    let path = second.stage.file("home/memory/exports/all.jsonl", &text);
    let read = second.succeed(
        "import_knowledge",
        json!({ "path": "all.jsonl", "on_conflict": "fail" }),
    );
    assert_eq!((&read["read"], &read["created"]), (&json!(2), &json!(2)));
    second.succeed("export_knowledge", json!({ "path": "again.jsonl" }));
    assert_eq!(fs::read(path.with_file_name("again.jsonl")).unwrap(), text);
    let name = json!({ "key": "a", "category": "x" });
    assert_eq!(second.succeed("memory_history", name)["count"], 2);
    let again = second.succeed("import_knowledge", json!({ "path": "all.jsonl" }));
    assert_eq!(again["skipped"], 2);
}

#[test]
fn files_stay_beneath_the_directory_for_exports() {
    let mut server = server();
    server.succeed("export_knowledge", json!({ "path": "deep/er/all.jsonl" }));
    let outside = server.stage.directory("outside");
    symlink(&outside, exports(&server).join("link")).unwrap();
    for path in [
        "../all.jsonl",
        "/etc/all.jsonl",
        "link/all.jsonl",
        "deep/../../x",
    ] {
        let error = server.refused("export_knowledge", json!({ "path": path }));
        assert_eq!(error["code"], "path_denied", "{path}");
        let error = server.refused("import_knowledge", json!({ "path": path }));
        assert!(
            ["path_denied", "not_found"].contains(&error["code"].as_str().unwrap()),
            "{path}: {error}"
        );
    }
    assert_eq!(fs::read_dir(outside).unwrap().count(), 0);
    let taken = server.refused("export_knowledge", json!({ "path": "deep/er/all.jsonl" }));
    assert_eq!(taken["code"], "conflict");
    server.succeed(
        "export_knowledge",
        json!({ "path": "deep/er/all.jsonl", "overwrite": true }),
    );
}

#[test]
fn no_export_takes_the_place_of_the_memory() {
    let setup = Setup::memory();
    let directory = setup.stage.path("home/memory");
    let root = directory.to_str().unwrap().to_owned();
    let mut server = setup
        .variable("A2A_EXPORTS__ROOT", &root)
        .stdio(Era::Modern);
    server.succeed("remember", json!({ "key": "a", "value": "kept" }));
    for name in [
        "knowledge.db",
        "knowledge.db-wal",
        "./knowledge.db",
        "knowledge.db.copy",
    ] {
        let arguments = json!({ "path": name, "overwrite": true });
        assert_eq!(
            server.refused("export_knowledge", arguments)["code"],
            "path_denied",
            "{name}"
        );
        assert_eq!(
            server.refused("import_knowledge", json!({ "path": name }))["code"],
            "path_denied"
        );
    }
    server.succeed("export_knowledge", json!({ "path": "fine.jsonl" }));
    let mut other = Setup::memory_at(&directory).stdio(Era::Modern);
    assert_eq!(
        other.succeed("recall", json!({ "key": "a" }))["value"],
        "kept"
    );
}

#[test]
fn a_bad_line_is_named_and_what_is_before_it_stays() {
    let mut server = server();
    server.succeed("export_knowledge", json!({ "path": "all.jsonl" }));
    let lines = (0..600).map(|n| format!("{{\"key\": \"k{n}\", \"value\": \"v\"}}\n"));
    let text: String = lines
        .chain(["\n".to_owned(), "{\"key\": 5}\n".to_owned()])
        .collect();
    server.stage.file("home/memory/exports/bad.jsonl", text);
    let error = server.refused("import_knowledge", json!({ "path": "bad.jsonl" }));
    assert_eq!(error["code"], "invalid_argument");
    assert!(
        error["error"].as_str().unwrap().contains("line 602"),
        "{error}"
    );
    assert_eq!(server.succeed("list_memories", json!({}))["total"], 501);
}

#[test]
fn the_filter_chooses() {
    let mut server = server();
    let filter = json!({ "category": "none" });
    let none = server.succeed(
        "export_knowledge",
        json!({ "path": "none.jsonl", "filter": filter }),
    );
    assert_eq!((&none["entries"], &none["bytes"]), (&json!(0), &json!(0)));
    let path = none["path"].as_str().unwrap();
    assert_eq!(fs::metadata(Path::new(path)).unwrap().len(), 0);
}
