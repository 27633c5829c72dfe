//! What is protected inside roots.

use super::*;

#[test]
fn refuses_protected_names_inside_the_root() {
    let tree = Tree::new();
    fs::create_dir(tree.path("w/.ssh")).unwrap();
    fs::write(tree.path("w/.ssh/id"), "key").unwrap();
    symlink(".ssh", tree.path("w/innocent")).unwrap();
    let rule = |rule: &str| format!("protected by the rule `{rule}`");
    for given in [
        ".ssh/id",
        ".SSH/id",
        "innocent/id",
        "sub/../.ssh/id",
        ".ssh/missing",
    ] {
        tree.check(given, &rule(".ssh"), &rule(".ssh"));
    }
    tree.check(".env.local", &rule(".env*"), &rule(".env*"));
    tree.check("sub/.Env", &rule(".env*"), &rule(".env*"));
    tree.check(
        "innocent/new",
        "`innocent/new` does not exist",
        &rule(".ssh"),
    );
    tree.check(
        r"C:\Windows\System32\x",
        &rule("c:/windows/system32"),
        &rule("c:/windows/system32"),
    );
}

#[test]
fn refuses_hard_links_to_protected_files_only() {
    let tree = Tree::new();
    let vault = tree.text("outside/secret");
    fs::hard_link(&vault, tree.path("w/hard")).unwrap();
    fs::hard_link(tree.path("w/file"), tree.path("w/other")).unwrap();
    tree.check("hard", "ok", "ok");
    let config = FilesConfig {
        roots: vec![RootConfig {
            path: "w".into(),
            access: Access::ReadWrite,
        }],
        extra_protected: vec![ProtectedPath {
            path: vault.clone(),
            access: Protection::ReadWrite,
        }],
        ..FilesConfig::default()
    };
    let roots = build(config, tree.directory.path()).unwrap();
    let error = roots.confine("hard").unwrap_err().to_string();
    assert_eq!(error, format!("`hard` is protected by the rule `{vault}`"));
    assert!(roots.confine("other").is_ok());
}

#[test]
fn a_file_that_is_protected_by_name_is_so_under_its_other_names() {
    let tree = Tree::new();
    fs::create_dir_all(tree.path("w/sub/.ssh")).unwrap();
    fs::create_dir_all(tree.path("w/.git")).unwrap();
    for (name, other) in [
        ("w/.env", "w/notes.txt"),
        ("w/sub/.ssh/id", "w/id.txt"),
        ("w/.git/config", "w/sub/settings"),
        ("w/plain", "w/sub/plain"),
    ] {
        fs::write(tree.path(name), "secret").unwrap();
        fs::hard_link(tree.path(name), tree.path(other)).unwrap();
    }
    for (given, rule) in [("notes.txt", ".env*"), ("id.txt", ".ssh")] {
        let refused = format!("protected by the rule `{rule}`");
        tree.check(given, &refused, &refused);
    }
    tree.check("sub/settings", "ok", "protected by the rule `.git/config`");
    tree.check("sub/plain", "ok", "ok");
}

#[test]
fn a_protected_path_holds_where_its_links_lead() {
    let tree = Tree::new();
    symlink("w", tree.path("way")).unwrap();
    symlink("w/file", tree.path("alias")).unwrap();
    let check = |rule: &str, given: &str| {
        let rule = tree.text(rule);
        let config = FilesConfig {
            roots: vec![RootConfig {
                path: "w".into(),
                access: Access::ReadWrite,
            }],
            extra_protected: vec![ProtectedPath {
                path: rule.clone(),
                access: Protection::ReadWrite,
            }],
            ..FilesConfig::default()
        };
        let roots = build(config, tree.directory.path()).unwrap();
        let error = roots.confine_target(given).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("`{given}` is protected by the rule `{rule}`")
        );
    };
    check("way/file", "file");
    check("way/missing", "missing");
    check("way/fil*", "file");
    check("alias", "file");
}
