//! The parsers of hostile text, each as a function that a fuzzer feeds.
//!
//! A target panics when something is wrong with what it was fed; nothing else is of interest. The
//! same functions are fed the committed corpus by `tests/replay.rs`, without a fuzzer.
#![expect(
    clippy::disallowed_methods,
    reason = "a target builds the tree that paths are tried on"
)]
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a target reports by panicking"
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::OnceLock;

use mcp_egress::{Egress, EgressConfig};
use mcp_security::commands::{CommandPolicy, CommandsConfig};
use mcp_security::paths::{Access, FilesConfig, RootConfig, Roots, Surroundings};
use mcp_serve::config::{Sources, load};
use omnipotent_mcp::Config;
use rmcp::RoleServer;
use rmcp::service::RxJsonRpcMessage;
use tempfile::TempDir;

/// A function to feed, and its name.
pub type Target = (&'static str, fn(&[u8]));

/// Every target; its corpus is in the directory of its name.
pub const TARGETS: [Target; 5] = [
    ("commands", commands),
    ("lines", lines),
    ("paths", paths),
    ("policy", policy),
    ("urls", urls),
];

/// A command line: it is judged the same with white space around it.
pub fn commands(data: &[u8]) {
    static POLICY: OnceLock<CommandPolicy> = OnceLock::new();
    let policy = POLICY.get_or_init(|| {
        let built = CommandsConfig::default().build(Vec::new());
        built.expect("the default rules")
    });
    let Ok(line) = std::str::from_utf8(data) else {
        return;
    };
    let is_allowed = policy.vet_shell(line).is_ok();
    assert_eq!(policy.vet_shell(&format!(" {line}")).is_ok(), is_allowed);
    drop(policy.vet_line(line));
}

/// A line of JSON-RPC.
pub fn lines(data: &[u8]) {
    drop(serde_json::from_slice::<RxJsonRpcMessage<RoleServer>>(data));
}

/// A path: what is confined is a file beneath the root and no secret.
pub fn paths(data: &[u8]) {
    static TREE: OnceLock<(TempDir, Roots)> = OnceLock::new();
    let (directory, roots) = TREE.get_or_init(tree);
    let Ok(given) = std::str::from_utf8(data) else {
        return;
    };
    if roots.confine(given).is_err() {
        return;
    }
    let root = fs::canonicalize(directory.path().join("w")).expect("the root");
    let found = fs::canonicalize(root.join(given)).expect("what is confined is there");
    assert!(found.is_file() && found.starts_with(&root), "{given:?}");
    assert!(found.iter().all(|name| name != ".ssh"), "{given:?}");
}

/// A configuration file: what is accepted is accepted again as it is printed.
pub fn policy(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let sources = Sources {
        file: Some(("config.toml".to_owned(), text.to_owned())),
        prefix: "OMNIPOTENT_",
        ..Sources::default()
    };
    if let Ok(loaded) = load::<Config>(&sources) {
        drop(loaded.config.files.build(&Surroundings {
            working_directory: "/".as_ref(),
            homes: &[],
        }));
        drop(loaded.config.commands.build(Vec::new()));
        drop(loaded.config.egress.build());
    }
}

/// A URL: what is vetted stays vetted, and leads to no private address.
pub fn urls(data: &[u8]) {
    static EGRESS: OnceLock<Egress> = OnceLock::new();
    let egress = EGRESS.get_or_init(|| EgressConfig::default().build().expect("the default"));
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(url) = egress.vet(text) else {
        return;
    };
    assert!(egress.vet(url.as_str()).is_ok_and(|again| again == url));
    for inside in [
        "://127.",
        "://10.",
        "://192.168.",
        "://169.254.",
        "://[::",
        "@",
        "localhost/",
    ] {
        let start: String = url
            .as_str()
            .chars()
            .take_while(|c| !"?#".contains(*c))
            .collect();
        let authority = start.split('/').take(3).collect::<Vec<_>>().join("/") + "/";
        let is_mapped = authority.contains("://[::ffff:");
        assert!(is_mapped || !authority.contains(inside), "{url}");
    }
}

fn tree() -> (TempDir, Roots) {
    let directory = TempDir::new().expect("a directory");
    let top = directory.path();
    for name in ["w/sub", "w/.ssh", "w-evil", "outside"] {
        fs::create_dir_all(top.join(name)).expect("a directory");
    }
    for name in [
        "w/file",
        "w/sub/file",
        "w/.ssh/key",
        "w-evil/file",
        "outside/file",
    ] {
        fs::write(top.join(name), name).expect("a file");
    }
    for (name, target) in [
        ("w/in", "sub"),
        ("w/out", "../outside"),
        ("w/up", ".."),
        ("w/top", "/"),
    ] {
        symlink(target, top.join(name)).expect("a link");
    }
    let root = RootConfig {
        path: top.join("w"),
        access: Access::ReadWrite,
    };
    let config = FilesConfig {
        roots: vec![root],
        ..FilesConfig::default()
    };
    let around = Surroundings {
        working_directory: top,
        homes: &[],
    };
    let roots = config.build(&around).expect("a root");
    (directory, roots)
}
