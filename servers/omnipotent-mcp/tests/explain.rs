//! `omnipotent-mcp explain`: a refusal names its rule and a grant, and the grant is enough.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that cannot start the program has failed"
)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

/// Asks the program, started in `home` with that configuration, about a call.
fn ask(home: &Path, configuration: &str, call: &Value, flags: &[&str]) -> Output {
    let file = home.join("settings.toml");
    std::fs::write(&file, format!("# What is in force.\n{configuration}")).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_omnipotent-mcp"))
        .args(["--config", "settings.toml", "explain", "-"])
        .args(flags)
        .env_clear()
        .env("HOME", home)
        .current_dir(home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = program.stdin.take().unwrap();
    stdin.write_all(call.to_string().as_bytes()).unwrap();
    drop(stdin);
    program.wait_with_output().unwrap()
}

fn explain(home: &Path, configuration: &str, call: &Value) -> Value {
    let output = ask(home, configuration, call, &["--json"]);
    let explanation: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let is_allowed = explanation["verdict"] == "allowed";
    assert_eq!(output.status.success(), is_allowed, "{explanation}");
    explanation
}

/// A refusal: the configuration, the call, then what must be said of it, and the configuration
/// with the grant.
struct Refusal {
    before: &'static str,
    call: Value,
    verdict: &'static str,
    rule: &'static str,
    grant: &'static str,
    after: &'static str,
}

fn call(name: &str, arguments: &Value) -> Value {
    json!({"name": name, "arguments": arguments})
}

const ROOTS: &str = "files.roots = [\"work\"]";

#[test]
fn the_grant_of_a_refusal_is_enough() {
    let home = tempfile::tempdir().unwrap();
    for directory in ["work", "work/.env.d", "elsewhere"] {
        std::fs::create_dir(home.path().join(directory)).unwrap();
    }
    for file in [
        "work/a",
        "work/.env.local",
        "work/.env.d/key",
        "work/.gitconfig",
        "elsewhere/b",
    ] {
        std::fs::write(home.path().join(file), "x").unwrap();
    }
    let place = home.path().to_str().unwrap();
    for refusal in refusals() {
        let filled = |text: &str| text.replace("@{home}", place);
        let question: Value = serde_json::from_str(&filled(&refusal.call.to_string())).unwrap();
        let denied = explain(home.path(), &filled(refusal.before), &question);
        assert_eq!(denied["verdict"], refusal.verdict, "{denied}");
        assert_eq!(denied["refused"][0]["rule"], refusal.rule, "{denied}");
        assert_eq!(
            denied["refused"][0]["grant"],
            filled(refusal.grant),
            "{denied}"
        );
        let allowed = explain(home.path(), &filled(refusal.after), &question);
        assert_eq!(allowed["verdict"], "allowed", "{allowed}");
        assert_ne!(allowed["policy"], denied["policy"]);
    }
}

fn refusals() -> Vec<Refusal> {
    let mut refusals = of_roots();
    refusals.extend(of_protected_paths());
    refusals.extend(of_commands());
    refusals.extend(of_the_rest());
    refusals
}

fn of_roots() -> Vec<Refusal> {
    vec![
        Refusal {
            before: ROOTS,
            call: call("read_file_secure", &json!({"path": "@{home}/elsewhere/b"})),
            verdict: "denied",
            rule: "files.roots",
            grant: "add { path = \"@{home}/elsewhere\", access = \"read_only\" } to files.roots",
            after: "files.roots = [\"work\", { path = \"@{home}/elsewhere\", access = \"read_only\" }]",
        },
        Refusal {
            before: ROOTS,
            call: call(
                "write_file_secure",
                &json!({"path": "@{home}/elsewhere/b", "content": ""}),
            ),
            verdict: "denied",
            rule: "files.roots",
            grant: "add { path = \"@{home}/elsewhere\", access = \"read_write\" } to files.roots",
            after: "files.roots = [\"work\", { path = \"@{home}/elsewhere\", access = \"read_write\" }]",
        },
        Refusal {
            before: ROOTS,
            call: call(
                "execute_command",
                &json!({"command": "ls", "cwd": "@{home}/elsewhere"}),
            ),
            verdict: "denied",
            rule: "files.roots",
            grant: "add { path = \"@{home}/elsewhere\", access = \"read_only\" } to files.roots",
            after: "files.roots = [\"work\", { path = \"@{home}/elsewhere\", access = \"read_only\" }]",
        },
        Refusal {
            before: "files.roots = [\"work:ro\"]",
            call: call("write_file_secure", &json!({"path": "a", "content": ""})),
            verdict: "denied",
            rule: "files.roots",
            grant: "give the root of `a` the access \"read_write\" in files.roots",
            after: ROOTS,
        },
    ]
}

fn of_protected_paths() -> Vec<Refusal> {
    vec![
        Refusal {
            before: ROOTS,
            call: call(
                "read_file_secure",
                &json!({"path": "@{home}/work/.env.d/key"}),
            ),
            verdict: "denied",
            rule: "files.protected: `.env*`",
            grant: "remove \".env*\" from files.protected",
            after: "files.roots = [\"work\"]\nfiles.protected = []",
        },
        Refusal {
            before: ROOTS,
            call: call("batch_read_files", &json!({"paths": ["a", ".env.local"]})),
            verdict: "partly_allowed",
            rule: "files.protected: `.env*`",
            grant: "add \".env.local\" to files.unprotected_names",
            after: "files.roots = [\"work\"]\nfiles.unprotected_names = [\".env.local\"]",
        },
        Refusal {
            before: "files.roots = [\"work\"]\n\
                     files.extra_protected = [{ path = \"a\", access = \"read_write\" }]",
            call: call("read_file_secure", &json!({"path": "a"})),
            verdict: "denied",
            rule: "files.extra_protected: `a`",
            grant: "remove \"a\" from files.extra_protected",
            after: ROOTS,
        },
    ]
}

fn of_commands() -> Vec<Refusal> {
    let run = |command: &str| call("execute_command", &json!({"command": command}));
    vec![
        Refusal {
            before: ROOTS,
            call: run("cd x && shutdown -h now"),
            verdict: "denied",
            rule: "the command rule `power`",
            grant: "add \"power\" to commands.disabled_rules",
            after: "files.roots = [\"work\"]\ncommands.disabled_rules = [\"power\"]",
        },
        Refusal {
            before: "files.roots = [\"work\"]\ncommands.rules = [{ id = \"ask\", decision = \
                     \"confirm\", reason = \"publishes\", when = [{ program = [\"git\"] }] }]",
            call: run("git push"),
            verdict: "needs_confirmation",
            rule: "the command rule `ask`",
            grant: "remove \"ask\" from commands.rules",
            after: ROOTS,
        },
        Refusal {
            before: "files.roots = [\"work\"]\ncommands.default = \"deny\"",
            call: run("make all"),
            verdict: "denied",
            rule: "commands.default = \"deny\"",
            grant: "add { id = \"make\", decision = \"allow\", reason = \"is needed\", when = [{ \
                    program = [\"make\"] }] } to commands.rules",
            after: "files.roots = [\"work\"]\ncommands.default = \"deny\"\ncommands.rules = [{ id = \
                    \"make\", decision = \"allow\", reason = \"is needed\", when = [{ program = \
                    [\"make\"] }] }]",
        },
        Refusal {
            before: "files.roots = [\"work\"]\ncommands.opaque = \"deny\"",
            call: run("$TOOL x"),
            verdict: "denied",
            rule: "commands.opaque = \"deny\"",
            grant: "set commands.opaque = \"allow\"",
            after: ROOTS,
        },
    ]
}

fn of_the_rest() -> Vec<Refusal> {
    let get = |url: &str| call("http_request_secure", &json!({"url": url}));
    vec![
        Refusal {
            before: "egress.allow_hosts = [\"example.org\"]",
            call: get("https://example.com/"),
            verdict: "denied",
            rule: "egress.allow_hosts",
            grant: "add \"example.com\" to egress.allow_hosts",
            after: "egress.allow_hosts = [\"example.org\", \"example.com\"]",
        },
        Refusal {
            before: "egress.deny_hosts = [\"*.example.com\"]",
            call: get("https://www.example.com/"),
            verdict: "denied",
            rule: "egress.deny_hosts",
            grant: "remove \"*.example.com\" from egress.deny_hosts",
            after: "",
        },
        Refusal {
            before: "",
            call: get("http://192.168.1.20:8080/"),
            verdict: "denied",
            rule: "built in: addresses that are not public",
            grant: "add \"192.168.1.20/32\" to egress.allow_networks",
            after: "egress.allow_networks = [\"192.168.1.20/32\"]",
        },
        Refusal {
            before: "",
            call: get("http://localhost:8080/"),
            verdict: "denied",
            rule: "built in: names of this machine",
            grant: "add \"127.0.0.1/32\" to egress.allow_networks",
            after: "egress.allow_networks = [\"127.0.0.1/32\"]",
        },
        Refusal {
            before: "egress.allow_ports = [443]",
            call: get("https://example.com:8443/"),
            verdict: "denied",
            rule: "egress.allow_ports",
            grant: "add 8443 to egress.allow_ports",
            after: "egress.allow_ports = [443, 8443]",
        },
        Refusal {
            before: "",
            call: call("get_env_var", &json!({"name": "EDITOR_OPTIONS"})),
            verdict: "denied",
            rule: "environment.readable",
            grant: "add \"EDITOR_OPTIONS\" to environment.readable",
            after: "environment.readable = [\"EDITOR_OPTIONS\"]",
        },
    ]
}

#[test]
fn a_whole_request_is_read_and_put_into_words() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("work")).unwrap();
    let request = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": call("execute_command", &json!({"command": "touch work/ran"})),
    });
    let output = ask(home.path(), ROOTS, &request, &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(
        text.starts_with("execute_command: allowed\n  because: no rule refuses it\n"),
        "{text}"
    );
    assert!(
        text.contains("  later: judged only while it runs: what it touches"),
        "{text}"
    );
    assert!(!home.path().join("work/ran").exists(), "the call was made");
}

#[test]
fn what_no_setting_allows_says_so() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("work")).unwrap();
    let own = call("read_file_secure", &json!({"path": "settings.toml"}));
    let output = ask(home.path(), "files.roots = [\".\"]", &own, &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.starts_with("read_file_secure: denied\n  path_denied: "),
        "{text}"
    );
    assert!(text.contains("  rule: the server's own files: "), "{text}");
    assert!(
        text.contains("  grant: none: no setting allows it\n"),
        "{text}"
    );
}

#[test]
fn a_link_that_leads_out_is_told_from_a_path_outside() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("work")).unwrap();
    std::os::unix::fs::symlink("/etc/hosts", home.path().join("work/out")).unwrap();
    for path in ["out", home.path().join("work/out").to_str().unwrap()] {
        let question = call("read_file_secure", &json!({"path": path}));
        let explanation = explain(home.path(), ROOTS, &question);
        assert_eq!(
            explanation["refused"][0]["grant"],
            "add the directory that it leads to, links followed, to files.roots",
            "{explanation}"
        );
    }
}

#[test]
fn a_call_that_is_wrong_is_told_apart_from_a_denied_one() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("work")).unwrap();
    let missing = call("read_file_secure", &json!({"path": "no-such-file"}));
    let explanation = explain(home.path(), ROOTS, &missing);
    assert_eq!(explanation["verdict"], "invalid");
    assert_eq!(explanation["refused"][0]["grant"], Value::Null);

    let unknown = ask(home.path(), ROOTS, &call("read_file", &json!({})), &[]);
    let said = String::from_utf8(unknown.stderr).unwrap();
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        said.contains("there is no tool `read_file`; there are "),
        "{said}"
    );

    let wrong = ask(home.path(), ROOTS, &json!("read"), &[]);
    let said = String::from_utf8(wrong.stderr).unwrap();
    assert!(
        said.contains("not a tool call; give one as {\"name\""),
        "{said}"
    );
}

#[test]
fn the_readme_shows_what_is_printed() {
    let home = tempfile::tempdir().unwrap();
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let shown = readme
        .split_once("| omnipotent-mcp --root . explain\n")
        .unwrap();
    let shown = shown.1.split_once("```").unwrap().0;
    let question = call("read_file_secure", &json!({"path": "/etc/hosts"}));
    let output = ask(home.path(), "files.roots = [\".\"]", &question, &[]);
    let printed = String::from_utf8(output.stdout).unwrap();
    let (before_policy, _) = printed.split_once("  policy: ").unwrap();
    assert_eq!(shown, before_policy);
}
