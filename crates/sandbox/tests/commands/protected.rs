//! What is protected inside the roots, in the strict tier.
#![expect(clippy::unwrap_used, reason = "a test that cannot start has failed")]

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp_sandbox::{FileId, Guard, Guarded, GuardedName, RunError, Stage, Status};

use crate::strict::{assert_held, with_ground, workspace};
use crate::support::{printed, run, runner, sh, spec, within};

fn names(names: &[(&str, Guard)]) -> Vec<GuardedName> {
    let name = |(name, guard): &(&str, Guard)| GuardedName {
        name: name.into(),
        guard: *guard,
    };
    names.iter().map(name).collect()
}

/// Everything beneath `top`, with its mode and content.
fn inventory(top: &Path) -> Vec<(PathBuf, u32, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(top).unwrap() {
        let path = entry.unwrap().path();
        let stat = fs::symlink_metadata(&path).unwrap();
        let content = if stat.is_file() {
            fs::read(&path).unwrap()
        } else {
            Vec::new()
        };
        found.push((path.clone(), stat.mode(), content));
        if stat.is_dir() {
            found.extend(inventory(&path));
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn protected_paths_are_hidden_or_read_only() {
    let root = workspace();
    let top = root.path();
    for name in [".git/hooks", "sub/.git/hooks", ".ssh"] {
        fs::create_dir_all(top.join(name)).unwrap();
    }
    for name in [
        ".ssh/key",
        ".env",
        ".git/config",
        "sub/.git/config",
        ".git/hooks/old",
    ] {
        fs::write(top.join(name), "secret").unwrap();
    }
    let before = inventory(top);
    let guarded = |name: &str, depth, guard| Guarded {
        file: None,
        path: top.join(name),
        depth,
        guard,
    };
    for script in [
        "cat .env",
        "cat .ssh/key",
        "echo x > .env",
        "rm -f .env",
        "mv .env y",
        "rm .ssh/key",
        "mv .ssh y",
        "touch .ssh/new",
        "chmod 777 .env",
        "echo x > .git/hooks/pre-commit",
        "rm -rf .git",
        "mv .git y",
        "ln .env y",
        "echo x >> .git/config",
        "mv .git/config y || rm -f y; test ! -e .git/config",
        "echo x > .git/y && mv .git/y .git/config; test -e .git/y && rm .git/y && false",
        "echo x > sub/.git/hooks/z",
        "echo x > sub/.git/config",
        "mv sub/.git y",
        "cat /proc/self/root/../$PWD/.env",
        "umount .env",
    ] {
        let script = format!("({script}) 2>/dev/null && echo open || echo held");
        let mut spec = within(sh(&script), top);
        spec.boundary.guarded = vec![
            guarded(".env", 1, Guard::Hidden),
            guarded(".ssh", 1, Guard::Hidden),
            guarded(".git/hooks", 2, Guard::Hidden),
            guarded(".git/config", 2, Guard::ReadOnly),
            guarded("sub/.git/hooks", 2, Guard::Hidden),
            guarded("sub/.git/config", 2, Guard::ReadOnly),
        ];
        assert_held(&run(spec).await, &script);
        assert_eq!(inventory(top), before, "{script}");
    }
}

#[tokio::test]
async fn names_that_do_not_exist_yet_cannot_be_made_and_leave_nothing() {
    let root = workspace();
    let top = root.path();
    let before = inventory(top);
    for script in [
        "echo x > .bashrc",
        "mkdir .ssh",
        "ln -s /etc/passwd .bashrc",
        "rmdir .bashrc",
        "mv .bashrc y",
        "chmod 700 .bashrc",
        "mkdir .vscode && echo x > .vscode/tasks.json",
        "echo x > .vscode/tasks.json",
        "rm -rf .vscode",
        "mv .vscode y",
        "echo x > y && mv -T y .bashrc; rm y; test -f .bashrc",
    ] {
        let script = format!("({script}) 2>/dev/null && echo open || echo held");
        let spec = with_ground(within(sh(&script), top), |ground| {
            ground.names = names(&[
                (".bashrc", Guard::Hidden),
                (".ssh", Guard::Hidden),
                (".vscode/tasks.json", Guard::ReadOnly),
                (".vscode/mcp.json", Guard::ReadOnly),
                (".vscode/deep/er", Guard::ReadOnly),
                (".vscode/launch.json", Guard::ReadOnly),
            ]);
        });
        let outcome = run(spec).await;
        assert_held(&outcome, &script);
        assert_eq!(outcome.confinement.unpinned, Vec::<String>::new());
        assert_eq!(inventory(top), before, "{script}");
    }
}

#[tokio::test]
async fn what_a_command_puts_beside_a_protected_name_stays() {
    let root = workspace();
    fs::create_dir(root.path().join(".vscode")).unwrap();
    let script = "echo x > .vscode/extensions.json; echo x > .vscode/tasks.json";
    let spec = with_ground(within(sh(script), root.path()), |ground| {
        ground.names = names(&[(".vscode/tasks.json", Guard::ReadOnly)]);
    });
    run(spec).await;
    let left = inventory(root.path()).into_iter().map(|(path, ..)| path);
    let expect = [".vscode", ".vscode/extensions.json"].map(|name| root.path().join(name));
    assert_eq!(left.collect::<Vec<_>>(), expect);
}

#[tokio::test]
async fn commands_at_once_keep_each_others_names_and_what_was_left_is_removed() {
    let root = workspace();
    // As a helper leaves it that was killed.
    let stale = root.path().join(".bashrc");
    let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::from(0o1000));
    rustix::fs::mknodat(rustix::fs::CWD, &stale, kind, mode, 0).unwrap();
    let spec = |script: &str| {
        with_ground(within(sh(script), root.path()), |ground| {
            ground.names = names(&[(".bashrc", Guard::Hidden)]);
        })
    };
    let runner = runner();
    let attempt = "sleep 0.2; rm -f .bashrc; echo x > .bashrc; test -p .bashrc && echo held";
    let (long, short) = tokio::join!(
        runner.run(spec(attempt), drop),
        runner.run(spec("echo held"), drop)
    );
    assert_held(&long.unwrap(), "the longer one");
    assert_held(&short.unwrap(), "the shorter one");
    assert_eq!(inventory(root.path()), []);
}

#[tokio::test]
async fn what_cannot_be_held_is_named() {
    let root = workspace();
    symlink("elsewhere", root.path().join(".config")).unwrap();
    let spec = with_ground(
        within(sh("mkdir .git && echo made"), root.path()),
        |ground| {
            ground.names = names(&[
                (".git/hooks", Guard::Hidden),
                (".config/gcloud", Guard::Hidden),
            ]);
            ground.patterns = vec![".env*".to_owned()];
        },
    );
    let outcome = run(spec).await;
    assert_eq!(printed(&outcome), "made\n");
    let behind = root.path().join(".config/gcloud").display().to_string();
    assert_eq!(
        outcome.confinement.unpinned,
        [".git/hooks", &behind, ".env*"]
    );
}

#[tokio::test]
async fn links_at_protected_names_and_on_the_way_to_them_are_held() {
    let root = workspace();
    let top = root.path();
    fs::create_dir_all(top.join("dots/config")).unwrap();
    for name in ["dots/netrc", "dots/gitconfig", "dots/config/token"] {
        fs::write(top.join(name), "secret").unwrap();
    }
    symlink("dots/netrc", top.join(".netrc")).unwrap();
    symlink("dots/gitconfig", top.join(".gitconfig")).unwrap();
    symlink("dots/config", top.join(".config")).unwrap();
    symlink("nowhere", top.join(".pgpass")).unwrap();
    let before = inventory(top);
    for script in [
        "cat .netrc",
        "cat dots/netrc",
        "mv dots y",
        "rm .netrc",
        "mv .netrc y",
        "ln -sfn y .netrc",
        "echo x > y && mv -T y .netrc; rm -f y && false",
        "echo x >> .gitconfig",
        "echo x >> dots/gitconfig",
        "rm .gitconfig",
        "test $(cat .gitconfig) != secret",
        "cat .config/token",
        "cat dots/config/token",
        "rm .config",
        "mv .config y",
        "rm .pgpass",
        "echo x > .pgpass",
    ] {
        let script = format!("({script}) 2>/dev/null && echo open || echo held");
        let spec = with_ground(within(sh(&script), top), |ground| {
            ground.names = names(&[
                (".netrc", Guard::Hidden),
                (".gitconfig", Guard::ReadOnly),
                (".config/token", Guard::Hidden),
                (".pgpass", Guard::Hidden),
            ]);
        });
        let outcome = run(spec).await;
        assert_held(&outcome, &script);
        assert_eq!(outcome.confinement.unpinned, Vec::<String>::new());
        assert_eq!(inventory(top), before, "{script}");
    }
}

#[tokio::test]
async fn a_protected_path_that_changed_places_stops_the_command() {
    let root = workspace();
    let top = root.path();
    fs::create_dir_all(top.join("sub")).unwrap();
    fs::write(top.join("sub/key"), "secret").unwrap();
    fs::write(top.join("decoy"), "").unwrap();
    let key = FileId::at(&top.join("sub/key"));
    for (path, file, is_stale) in [
        ("sub/key", key, false),
        ("decoy", key, true),
        ("gone/key", key, true),
        ("gone/key", FileId::at(&top.join("gone/key")), true),
    ] {
        let mut spec = within(sh("cat sub/key; touch ran"), top);
        spec.boundary.guarded.push(Guarded {
            path: top.join(path),
            depth: 1,
            guard: Guard::Hidden,
            file: Some(file),
        });
        let outcome = runner().run(spec, drop).await;
        let refused = outcome.is_err_and(|error| error.is_stale());
        assert_eq!(refused, is_stale, "{path}");
        assert_eq!(
            fs::remove_file(top.join("ran")).is_ok(),
            !is_stale,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_planted_link_covers_neither_the_system_nor_what_it_lies_in() {
    let root = workspace();
    let top = root.path();
    fs::create_dir_all(top.join("sub/deep")).unwrap();
    fs::write(top.join("sub/file"), "x").unwrap();
    for (link, target) in [
        ("sub/.env", "/usr"),
        ("sub/.env.up", ".."),
        ("sub/deep/.env", "."),
        ("sub/deep/.env.up", "../.."),
    ] {
        symlink(target, top.join(link)).unwrap();
    }
    let mut spec = within(sh("cat sub/file && ls sub/deep /usr/bin >/dev/null"), top);
    spec.boundary.guarded = [
        "sub/.env",
        "sub/.env.up",
        "sub/deep/.env",
        "sub/deep/.env.up",
    ]
    .map(|link| Guarded {
        file: None,
        path: top.join(link),
        depth: 1,
        guard: Guard::Hidden,
    })
    .into();
    let outcome = run(spec).await;
    assert_eq!(outcome.status, Status::Exited(0), "{}", printed(&outcome));
}

#[tokio::test]
async fn nothing_is_left_when_the_program_cannot_be_executed() {
    let root = workspace();
    let spec = with_ground(
        within(spec("/no/such/program", &[]), root.path()),
        |ground| ground.names = names(&[(".bashrc", Guard::Hidden)]),
    );
    runner().run(spec, drop).await.unwrap_err();
    assert_eq!(inventory(root.path()), []);
}

#[tokio::test]
async fn a_lock_that_another_program_holds_on_a_root_is_named() {
    let root = workspace();
    let directory = fs::File::open(root.path()).unwrap();
    directory.lock().unwrap();
    let error = runner()
        .run(within(sh("true"), root.path()), drop)
        .await
        .unwrap_err();
    let is_named = matches!(
        error,
        RunError::Helper {
            stage: Stage::Lock,
            ..
        }
    );
    assert!(is_named, "{error:?}");
    drop(directory);
    let outcome = run(within(sh("echo held"), root.path())).await;
    assert_held(&outcome, "the lock is gone");
}

#[tokio::test]
async fn a_hidden_file_that_is_replaced_while_a_helper_waits_stays_hidden() {
    let tools = workspace();
    let secret = tools.path().join("credentials");
    let runner = runner();
    let script = format!("cat {} && echo open || echo held", secret.display());
    let attempt = || {
        with_ground(sh(&script), |ground| {
            ground.readable.push(tools.path().to_owned());
            ground.hidden = vec![secret.clone()];
        })
    };
    fs::write(&secret, "old secret").unwrap();
    for number in 0..3 {
        let outcome = runner.run(attempt(), drop).await.unwrap();
        assert_held(&outcome, &format!("attempt {number}"));
        // The next helper lays its ground meanwhile.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let new = tools.path().join("new");
        fs::write(&new, "new secret").unwrap();
        fs::rename(&new, &secret).unwrap();
    }
}

#[tokio::test]
async fn hidden_files_of_the_system_and_of_roots_are_unreadable() {
    let root = workspace();
    let token = root.path().join("token");
    fs::write(&token, "secret").unwrap();
    for path in [Path::new("/etc/hostname"), &token] {
        let script = format!("cat {} && echo open || echo held", path.display());
        let spec = with_ground(within(sh(&script), root.path()), |ground| {
            ground.hidden = vec![path.to_owned()];
        });
        assert_held(&run(spec).await, &script);
    }
}
