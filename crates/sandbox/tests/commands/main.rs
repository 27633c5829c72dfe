//! Real commands through the real helper.
#![expect(
    clippy::disallowed_methods,
    reason = "tests look at /proc to see what is left"
)]

mod cgroup;
mod developer;
mod landlock;
mod protected;
mod proxy;
mod strict;
mod support;

use std::time::{Duration, Instant};

use mcp_sandbox::{Limits, RunError, SandboxConfig, Status, Tier};
use support::{
    alive_with, become_plain_user, gone, in_tier, run, runner, runner_with, sh, spec, until, within,
};

#[tokio::test]
async fn reports_exit_codes_and_signals() {
    for (script, status) in [
        ("exit 0", Status::Exited(0)),
        ("exit 7", Status::Exited(7)),
        ("exit 255", Status::Exited(255)),
        ("kill -TERM $$", Status::Signaled(15)),
        ("kill -KILL $$", Status::Signaled(9)),
    ] {
        assert_eq!(run(sh(script)).await.status, status, "{script}");
    }
}

#[tokio::test]
async fn keeps_streams_apart() {
    let outcome = run(sh("echo out; echo err >&2")).await;
    assert_eq!(
        (&*outcome.stdout.head, &*outcome.stderr.head),
        (&b"out\n"[..], &b"err\n"[..])
    );
}

#[tokio::test]
async fn names_a_program_that_does_not_exist() {
    for program in ["no-such-program", "/no/such/program"] {
        let error = runner().run(spec(program, &[]), drop).await.unwrap_err();
        let RunError::Execute {
            program: named,
            source,
        } = error
        else {
            panic!("{error:?}")
        };
        assert_eq!(
            (&*named, source.kind()),
            (program, std::io::ErrorKind::NotFound)
        );
    }
}

#[tokio::test]
async fn arguments_arrive_as_they_are() {
    let args = ["%s|", "a b", "", "$HOME", "*", "é\n", "-n"];
    let outcome = run(spec("printf", &args)).await;
    assert_eq!(outcome.stdout.head, "a b||$HOME|*|é\n|-n|".as_bytes());
}

#[tokio::test]
async fn standard_input_is_what_was_given_and_then_ends() {
    assert_eq!(run(sh("cat")).await.stdout.head, b"");
    let mut counted = spec("wc", &["-c"]);
    counted.stdin = vec![b'x'; 8 << 20];
    assert_eq!(run(counted).await.stdout.head, b"8388608\n");
}

#[tokio::test]
async fn the_environment_is_only_what_was_given() {
    let mut printed = spec("env", &[]);
    printed.environment.push(("GIVEN".into(), "yes".into()));
    let outcome = run(printed).await;
    let text = String::from_utf8(outcome.stdout.head).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["GIVEN=yes", "PATH=/usr/bin:/bin", "TMPDIR=/tmp"]);
}

#[tokio::test]
async fn starts_in_the_directory_itself_not_in_its_name() {
    become_plain_user();
    let home = tempfile::tempdir().unwrap();
    let (before, after) = (home.path().join("before"), home.path().join("after"));
    std::fs::create_dir(&before).unwrap();
    let mut moved = within(spec("pwd", &["-P"]), home.path());
    moved.cwd = support::directory(&before);
    std::fs::rename(&before, &after).unwrap();
    let outcome = run(moved).await;
    assert_eq!(
        outcome.stdout.head,
        format!("{}\n", after.display()).as_bytes()
    );
}

#[tokio::test]
async fn no_descriptor_leaks_into_the_command() {
    let outcome = run(spec("ls", &["/proc/self/fd"])).await;
    // The fourth is the directory that ls itself reads.
    assert_eq!(
        String::from_utf8(outcome.stdout.head).unwrap(),
        "0\n1\n2\n3\n"
    );
}

#[tokio::test]
async fn limits_are_in_force() {
    let limits = Limits {
        open_files: 123,
        file_size_bytes: 1 << 20,
        cpu: Duration::from_secs(77),
        ..Limits::default()
    };
    let runner = runner();
    let limited = |script| {
        let mut spec = sh(script);
        spec.boundary.limits = limits;
        spec
    };
    let script = "ulimit -c; ulimit -n; ulimit -f; ulimit -t; grep NoNewPrivs /proc/self/status";
    let outcome = runner.run(limited(script), drop).await.unwrap();
    // dash counts file sizes in blocks of 512 bytes.
    let text = String::from_utf8(outcome.stdout.head).unwrap();
    let words: Vec<&str> = text.split_whitespace().collect();
    assert_eq!(words, ["0", "123", "2048", "77", "NoNewPrivs:", "1"]);
    let outcome = runner
        .run(limited("head -c 2000000 /dev/zero > $(mktemp)"), drop)
        .await
        .unwrap();
    assert_ne!(outcome.status, Status::Exited(0));
}

#[tokio::test]
async fn a_flood_is_bounded_and_counted() {
    let mut flood = sh("yes | head -c 50000000; yes error | head -c 1000 >&2");
    flood.output_cap_bytes = 1000;
    let outcome = run(flood).await;
    assert_eq!(
        (outcome.stdout.head.len(), outcome.stdout.tail.len()),
        (500, 500)
    );
    assert_eq!(outcome.stdout.cut, 50_000_000 - 1000);
    assert_eq!((outcome.stderr.head.len(), outcome.stderr.cut), (1000, 0));
}

#[tokio::test]
async fn a_time_out_keeps_what_was_printed_and_kills_the_whole_family() {
    let mark = support::mark();
    let script = format!(
        "echo first; (sleep {mark} & sleep {mark}) & setsid sleep {mark} & \
         (setsid sh -c 'setsid sleep {mark} & sleep {mark}' &) ; sh -c 'sleep {mark}; true'"
    );
    let mut slow = sh(&script);
    slow.timeout = Duration::from_millis(700);
    let outcome = run(slow).await;
    assert!(outcome.timed_out);
    assert_eq!(outcome.status, Status::Signaled(9));
    assert_eq!(outcome.stdout.head, b"first\n");
    assert_eq!(alive_with(&mark), Vec::<i32>::new());
}

#[tokio::test]
async fn daemons_end_with_the_command() {
    let mark = support::mark();
    let script =
        format!("(setsid sh -c 'sleep {mark} & sleep {mark}' >/dev/null 2>&1 &); echo done");
    let outcome = run(sh(&script)).await;
    assert_eq!(
        (outcome.status, outcome.timed_out),
        (Status::Exited(0), false)
    );
    assert_eq!(alive_with(&mark), Vec::<i32>::new());
}

#[tokio::test]
async fn a_daemon_that_holds_the_pipe_does_not_hold_the_call() {
    let mark = support::mark();
    let began = Instant::now();
    let outcome = run(sh(&format!("setsid sleep {mark} & echo done"))).await;
    assert_eq!(outcome.stdout.head, b"done\n");
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(alive_with(&mark), Vec::<i32>::new());
}

#[tokio::test]
async fn killing_the_helper_does_not_set_the_command_free() {
    let mark = support::mark();
    let script = format!("setsid sleep {mark} & kill -KILL $PPID; sleep {mark}");
    let outcome = run(in_tier(Tier::None, sh(&script))).await;
    assert_eq!(
        (outcome.status, outcome.timed_out),
        (Status::Signaled(9), false)
    );
    assert_eq!(alive_with(&mark), Vec::<i32>::new());
}

#[tokio::test]
async fn stopping_the_helper_does_not_stop_the_clock() {
    let mark = support::mark();
    let script = format!("echo printed; kill -STOP $PPID; setsid sleep {mark}");
    let mut stopped = in_tier(Tier::None, sh(&script));
    stopped.timeout = Duration::from_millis(300);
    let began = Instant::now();
    let outcome = run(stopped).await;
    assert_eq!(
        (outcome.timed_out, &*outcome.stdout.head),
        (true, &b"printed\n"[..])
    );
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(alive_with(&mark), Vec::<i32>::new());
}

#[tokio::test]
async fn a_process_that_keeps_forking_into_new_sessions_dies() {
    let mark = support::mark();
    let script =
        format!("f() {{ setsid sh -c \"sleep {mark}\" & }}; while :; do f; sleep 0.001; done");
    let mut storm = sh(&script);
    storm.timeout = Duration::from_millis(500);
    assert!(run(storm).await.timed_out);
    assert_eq!(alive_with(&mark), Vec::<i32>::new());
}

#[tokio::test]
async fn dropping_the_call_ends_the_command() {
    let mark = support::mark();
    let runner = runner();
    let script = format!("setsid sleep {mark} & sleep {mark}");
    {
        let call = runner.run(sh(&script), drop);
        tokio::pin!(call);
        let started = until(|| alive_with(&mark).len() >= 2);
        tokio::select! {
            outcome = &mut call => panic!("ended by itself: {outcome:?}"),
            started = started => assert!(started, "the command never started"),
        }
    }
    assert!(until(|| gone(&mark)).await, "left: {:?}", alive_with(&mark));
}

#[tokio::test]
async fn commands_wait_for_their_turn() {
    let max_concurrent = std::num::NonZeroUsize::MIN;
    let runner = runner_with(&SandboxConfig {
        max_concurrent,
        ..SandboxConfig::default()
    });
    let home = tempfile::tempdir().unwrap();
    let script = "mkdir lock && rmdir lock";
    let calls = (0..4).map(|_| {
        let one = within(sh(script), home.path());
        let runner = runner.clone();
        async move { runner.run(one, drop).await.unwrap().status }
    });
    let mut tasks: tokio::task::JoinSet<Status> = calls.collect();
    while let Some(status) = tasks.join_next().await {
        assert_eq!(status.unwrap(), Status::Exited(0));
    }
}

#[tokio::test]
async fn progress_tells_how_much_was_printed() {
    let mut heard = Vec::new();
    let outcome = runner()
        .run(sh("echo 12345; sleep 1.3"), |progress| heard.push(progress))
        .await;
    assert_eq!(outcome.unwrap().status, Status::Exited(0));
    assert_eq!(
        heard
            .iter()
            .map(|progress| progress.output_bytes)
            .collect::<Vec<_>>(),
        [6]
    );
}

#[tokio::test]
async fn a_helper_that_waited_knows_nothing_of_the_command_before() {
    let runner = runner();
    let home = tempfile::tempdir().unwrap();
    let script = "pwd -P; env | sort; umask 0; ulimit -n 10; cd /; sleep 1000 &";
    let mut first = within(sh(script), home.path());
    first.environment.push(("FIRST".into(), "1".into()));
    let outcome = runner.run(first, drop).await.unwrap();
    let here = home.path().display();
    let expect = format!("{here}\nFIRST=1\nPATH=/usr/bin:/bin\nPWD={here}\nTMPDIR=/tmp\n");
    assert_eq!(String::from_utf8(outcome.stdout.head).unwrap(), expect);
    for _ in 0..3 {
        let outcome = runner.run(sh("pwd -P; env | sort"), drop).await.unwrap();
        assert_eq!(
            outcome.stdout.head,
            b"/tmp\nPATH=/usr/bin:/bin\nPWD=/tmp\nTMPDIR=/tmp\n"
        );
    }
}

#[tokio::test]
async fn a_runner_for_another_policy_shares_the_bound_on_commands() {
    let root = {
        become_plain_user();
        tempfile::tempdir().unwrap()
    };
    let config = SandboxConfig {
        max_concurrent: std::num::NonZeroUsize::MIN,
        ..SandboxConfig::default()
    };
    let before = runner_with(&config);
    let after = before.renewed(&config);
    // Fails when another one is at it.
    let alone = "mkdir busy && sleep 0.2 && rmdir busy";
    let (one, other) = tokio::join!(
        before.run(within(sh(alone), root.path()), drop),
        after.run(within(sh(alone), root.path()), drop)
    );
    for outcome in [one, other] {
        assert_eq!(outcome.unwrap().status, Status::Exited(0));
    }
}
