//! What the landlock tier promises, and that it refuses what it cannot.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use mcp_sandbox::{
    CommandSpec, Ground, Guard, GuardedName, Layer, Network, RunError, Status, Tier, Waiver,
};

use crate::support::{
    alive_with, become_plain_user, in_tier, mark, printed, run, runner, sh, within,
};

fn landlocked(script: &str, root: &Path) -> CommandSpec {
    in_tier(Tier::Landlock, within(sh(script), root))
}

#[tokio::test]
async fn names_what_is_in_force() {
    let outcome = run(in_tier(Tier::Landlock, sh("true"))).await;
    assert_eq!(outcome.status, Status::Exited(0), "{}", printed(&outcome));
    let layers = outcome.confinement.layers;
    assert_eq!(outcome.confinement.tier, Tier::Landlock);
    assert!(!layers.contains(&Layer::Namespaces), "{layers:?}");
    assert!(layers.contains(&Layer::Seccomp), "{layers:?}");
    let landlock = layers
        .iter()
        .any(|layer| matches!(layer, Layer::Landlock { abi: 1.. }));
    assert!(landlock, "{layers:?}");
}

#[tokio::test]
async fn touches_its_root_and_its_temporary_directory_only() {
    become_plain_user();
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let secret = outside.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    let mark = mark();
    let mut sleeper = std::process::Command::new("sleep")
        .arg(&mark)
        .spawn()
        .unwrap();
    let pid = sleeper.id();
    let outside = outside.path().display();
    for script in [
        format!("cat {outside}/secret"),
        format!("echo x > {outside}/secret"),
        format!("echo x > {outside}/new"),
        format!("ls {outside}"),
        format!("rm {outside}/secret"),
        format!("mv {outside}/secret ."),
        format!("ln {outside}/secret ."),
        format!("ln -s {outside}/secret link && cat link"),
        "touch /tmp/planted".to_owned(),
        "ls /home".to_owned(),
        "touch /usr/x".to_owned(),
        "cat /proc/$(pgrep -o .)/environ".to_owned(),
        format!("kill -TERM {pid}"),
        format!("cat /proc/{pid}/environ"),
        format!("ls /proc/{pid}/root/"),
        "unshare -U true".to_owned(),
        "python3 -c 'import socket; socket.socket(socket.AF_INET)'".to_owned(),
        "python3 -c 'import socket; socket.socket(socket.AF_UNIX)'".to_owned(),
        "python3 -c 'import ctypes as c; exit(c.CDLL(None).shmget(1, 4096, 0o1600) < 0)'"
            .to_owned(),
    ] {
        let script = format!("({script}) >/dev/null 2>&1 && echo open || echo held");
        let outcome = run(landlocked(&script, root.path())).await;
        assert_eq!(printed(&outcome), "held\n", "{script}");
    }
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    assert_eq!(fs::read(&secret).unwrap(), b"secret");
    let script = "echo x > file && cat file && echo y > $TMPDIR/y && echo z > $HOME/z && pwd";
    let outcome = run(landlocked(script, root.path())).await;
    let here = root.path().display();
    assert_eq!(printed(&outcome), format!("x\n{here}\n"));
}

#[tokio::test]
async fn its_temporary_directory_is_gone_afterwards() {
    let script = "mkdir $TMPDIR/deep && echo x > $TMPDIR/deep/x && echo $TMPDIR";
    let outcome = run(in_tier(Tier::Landlock, sh(script))).await;
    let text = printed(&outcome);
    assert!(text.starts_with("/tmp/.command-"), "{text}");
    assert!(!Path::new(text.trim()).exists());
}

#[tokio::test]
async fn no_descendant_survives() {
    let mark = mark();
    let script =
        format!("(setsid sh -c 'sleep {mark} & sleep {mark}' >/dev/null 2>&1 &); echo done");
    assert_eq!(
        printed(&run(in_tier(Tier::Landlock, sh(&script))).await),
        "done\n"
    );
    assert_eq!(alive_with(&mark), Vec::<i32>::new());
}

/// What a case makes of the ground.
type Change<'a> = &'a dyn Fn(&mut Ground);

#[tokio::test]
async fn what_it_cannot_hold_is_refused_unless_waived() {
    become_plain_user();
    let root = tempfile::tempdir().unwrap();
    let token = root.path().join("token");
    fs::write(&token, "secret").unwrap();
    let refused = |change: Change<'_>| {
        let mut spec = landlocked("true", root.path());
        let mut ground = Ground::clone(&spec.boundary.ground);
        change(&mut ground);
        spec.boundary.ground = Arc::new(ground);
        spec
    };
    let name = GuardedName {
        name: ".bashrc".into(),
        guard: Guard::Hidden,
    };
    let runner = runner();
    let cases: [(Change<'_>, Vec<Waiver>, Option<Network>); 3] = [
        (
            &|ground: &mut Ground| ground.names = vec![name.clone()],
            vec![Waiver::ProtectedPaths],
            None,
        ),
        (
            &|ground: &mut Ground| ground.hidden = vec![token.clone()],
            vec![Waiver::HiddenPaths],
            None,
        ),
        (
            &|ground: &mut Ground| ground.network = Network::Loopback,
            vec![],
            Some(Network::Loopback),
        ),
    ];
    for (change, waivable, network) in cases {
        let error = runner.run(refused(change), drop).await.unwrap_err();
        let RunError::Inexpressible(beyond) = error else {
            panic!("{error:?}")
        };
        assert_eq!((&beyond.waivable, beyond.network), (&waivable, network));
        let mut waived = refused(change);
        waived.boundary.waived = waivable;
        assert_eq!(runner.run(waived, drop).await.is_ok(), network.is_none());
    }
}
