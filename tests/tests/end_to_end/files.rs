//! Files through the protocol: what is written is read back, and nothing outside is reached.

use std::os::unix::fs::{PermissionsExt, symlink};

use mcp_tests::{Era, Peer, Setup, Stdio};
use serde_json::{Value, json};

use crate::samples::text;

fn start() -> Stdio {
    Setup::unlimited().stdio(Era::Modern)
}

#[test]
fn what_is_written_is_read_back_with_its_hash() {
    let mut server = start();
    let content = "first line\nzweite Zeile — 第三行\n";
    let file = json!({ "path": "new/deep/notes.txt", "content": content });
    let written = server.succeed("write_file_secure", file);
    let path = text(server.stage.path("root/new/deep/notes.txt"));
    assert_eq!(
        written,
        json!({ "path": path, "size": content.len(), "created": true, "hash": written["hash"] })
    );
    let page = server.succeed("read_file_secure", json!({ "path": "new/deep/notes.txt" }));
    assert_eq!(
        page,
        json!({
            "path": path, "size": content.len(), "content": content, "lines": 2,
            "encoding": "utf-8", "truncated": false, "offset": 0, "next_offset": null,
            "hash": written["hash"],
        })
    );
    assert_eq!(std::fs::read_to_string(path).unwrap(), content);
}

#[test]
fn a_write_is_refused_when_the_file_has_changed() {
    let mut server = start();
    let path = server.stage.file("root/shared.txt", "mine");
    let hash = server.succeed("read_file_secure", json!({ "path": "shared.txt" }))["hash"].clone();
    std::fs::write(&path, "theirs").unwrap();
    let late = json!({ "path": "shared.txt", "content": "late", "expected_hash": hash });
    assert_eq!(
        server.refused("write_file_secure", late)["code"],
        "conflict"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "theirs");
    let twice = json!({ "path": "shared.txt", "content": "x", "mode": "create_new" });
    assert_eq!(
        server.refused("write_file_secure", twice)["code"],
        "conflict"
    );
    let hash = server.succeed("read_file_secure", json!({ "path": "shared.txt" }))["hash"].clone();
    let right = json!({ "path": "shared.txt", "content": "late", "expected_hash": hash });
    assert_eq!(server.succeed("write_file_secure", right)["created"], false);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "late");
}

#[test]
fn an_overwritten_file_keeps_its_mode_and_an_append_its_content() {
    let mut server = start();
    let path = server.stage.file("root/script.sh", "one\n");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o750)).unwrap();
    let next = |content: &str, mode: &str| json!({ "path": "script.sh", "content": content, "mode": mode });
    server.succeed("write_file_secure", next("two\n", "overwrite"));
    server.succeed("write_file_secure", next("three\n", "append"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "two\nthree\n");
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o750
    );
    let names: Vec<_> = std::fs::read_dir(server.stage.root()).unwrap().collect();
    assert_eq!(names.len(), 1, "no temporary file is left: {names:?}");
}

#[test]
fn paths_outside_answer_alike_whether_they_exist_or_not() {
    let mut server = start();
    let there = text(server.stage.file("there.txt", "secret"));
    let missing = text(server.stage.path("gone.txt"));
    let climbing = "../there.txt".to_owned();
    for (tool, rest) in [
        ("read_file_secure", json!({})),
        ("write_file_secure", json!({ "content": "x" })),
    ] {
        let mut refusal = |path: &str| {
            let mut arguments = rest.clone();
            arguments["path"] = path.into();
            let refusal = server.refused(tool, arguments);
            (
                refusal["code"].clone(),
                refusal.to_string().replace(path, "PATH"),
            )
        };
        let (code, shown) = refusal(&there);
        assert_eq!(code, "path_denied", "{shown}");
        assert_eq!(refusal(&missing), (code.clone(), shown.clone()));
        for other in [
            &climbing,
            "/etc/shadow",
            "/etc/no-such-file",
            "/root/x",
            "/proc/self/environ",
        ] {
            assert_eq!(refusal(other).0, code, "{other}");
        }
    }
    assert_eq!(std::fs::read_to_string(there).unwrap(), "secret");
}

#[test]
fn links_out_of_the_root_are_not_followed() {
    let mut server = start();
    let outside = server.stage.file("outside.txt", "secret");
    let root = server.stage.root();
    symlink(&outside, root.join("absolute")).unwrap();
    symlink("../outside.txt", root.join("relative")).unwrap();
    symlink("..", root.join("up")).unwrap();
    symlink("/proc/self/root", root.join("magic")).unwrap();
    for path in ["absolute", "relative", "up/outside.txt", "magic/etc/passwd"] {
        let read = server.refused("read_file_secure", json!({ "path": path }));
        assert_eq!(read["code"], "path_denied", "{path}");
        let file = json!({ "path": path, "content": "x" });
        let write = server.refused("write_file_secure", file);
        assert_eq!(write["code"], "path_denied", "{path}");
    }
    assert_eq!(std::fs::read_to_string(outside).unwrap(), "secret");
}

#[test]
fn protected_names_are_closed_inside_the_root_too() {
    let mut server = start();
    server.stage.directory("root/.ssh");
    server.stage.file("root/.ssh/id_ed25519", "key");
    server.stage.file("root/.env", "TOKEN=x");
    std::fs::hard_link(
        server.stage.path("root/.env"),
        server.stage.path("root/plain"),
    )
    .unwrap();
    for path in [
        ".ssh/id_ed25519",
        ".env",
        ".git/hooks/pre-commit",
        ".bashrc",
    ] {
        let file = json!({ "path": path, "content": "x" });
        assert_eq!(
            server.refused("write_file_secure", file)["code"],
            "path_denied",
            "{path}"
        );
    }
    for path in [".ssh/id_ed25519", ".env"] {
        let refusal = server.refused("read_file_secure", json!({ "path": path }));
        assert_eq!(refusal["code"], "path_denied", "{path}");
    }
}

#[test]
fn what_is_no_regular_file_is_refused_without_waiting() {
    let mut server = start();
    let made = json!({ "command": "mkfifo pipe; mkdir folder" });
    server.succeed("execute_command", made);
    for (path, code) in [("pipe", "path_denied"), ("folder", "invalid_argument")] {
        let refusal = server.refused("read_file_secure", json!({ "path": path }));
        assert_eq!(refusal["code"], code, "{path}");
    }
}

#[test]
fn files_that_the_user_may_not_touch_are_refused() {
    let mut server = start();
    let path = server.stage.file("root/closed.txt", "x");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    let refusal = server.refused("read_file_secure", json!({ "path": "closed.txt" }));
    assert_eq!(refusal["code"], "path_denied");
}

#[test]
fn one_bad_entry_does_not_fail_a_batch() {
    let mut server = start();
    server.stage.file("root/a.txt", "alpha");
    server.stage.file("root/b.bin", b"\xff\xfe\xfd");
    let paths = ["a.txt", "missing.txt", "b.bin", "/etc/shadow", "a.txt"];
    let batch = server.succeed("batch_read_files", json!({ "paths": paths }));
    let seen: Vec<_> = batch["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(outcome)
        .collect();
    assert_eq!(
        seen,
        [
            ("a.txt", "alpha"),
            ("missing.txt", "not_found"),
            ("b.bin", "unsupported_encoding"),
            ("/etc/shadow", "path_denied"),
            ("a.txt", "alpha"),
        ]
    );
    assert_eq!(
        (&batch["total"], &batch["successful"]),
        (&json!(5), &json!(2))
    );
}

/// The path of a batch's entry, and its content or error code.
fn outcome(entry: &Value) -> (&str, &str) {
    let told = if entry["success"] == true {
        &entry["content"]
    } else {
        &entry["code"]
    };
    (entry["path"].as_str().unwrap(), told.as_str().unwrap())
}

#[test]
fn the_pages_of_a_file_make_up_the_file() {
    let mut server = start();
    let content: String = "aé漢\u{1f600}\"\\\n".repeat(3_000_000 / 13);
    server.stage.file("root/long.txt", &content);
    let mut read = String::new();
    let mut offset = json!(0);
    let mut pages = 0;
    while !offset.is_null() {
        let arguments = json!({ "path": "long.txt", "offset": offset, "max_bytes": 250_001 });
        let page = server.succeed("read_file_secure", arguments);
        read += page["content"].as_str().unwrap();
        offset = page["next_offset"].clone();
        assert_eq!(page["truncated"], !offset.is_null());
        pages += 1;
    }
    assert!(read == content, "{} of {} bytes", read.len(), content.len());
    assert_eq!(pages, content.len().div_ceil(250_001));
    let tail = server.succeed("read_file_secure", json!({ "path": "long.txt", "tail": 2 }));
    assert_eq!(tail["content"], "aé漢\u{1f600}\"\\\n".repeat(2));
}

#[test]
fn a_read_only_root_is_read_and_not_written() {
    let setup = Setup::default();
    setup.stage.directory("library");
    let book = text(setup.stage.file("library/book.txt", "read me"));
    let library = text(setup.stage.path("library"));
    let mut server = setup
        .arguments(&["--read-only-root", &library])
        .stdio(Era::Modern);
    let page = server.succeed("read_file_secure", json!({ "path": book }));
    assert_eq!(page["content"], "read me");
    let refusal = server.refused("write_file_secure", json!({ "path": book, "content": "x" }));
    assert_eq!(refusal["code"], "path_denied");
}
